"""Every error that runfolio raises, and the warnings it gives.

::

    RunfolioError                    the root: catch this one
    ├── UsageError                   a call that can't be carried out as it was written
    │   ├── ConfigError              a pipeline's configuration with problems, each named by its place
    │   ├── ContextError             a value that has no form in JSON
    │   ├── DataError                data that would not come back exactly as it is
    │   ├── DuplicateKeyError        a result under a key that is taken
    │   ├── ReadOnlyError            writing through a run that was loaded
    │   └── RunEndedError            writing to a run that is completed or failed
    ├── NotFoundError                no such run, snapshot, result, module or column
    ├── InputError                   data or a file that a built-in module can't work with
    ├── StepsError                   steps of a pipeline failed, and the others went on
    ├── TooLargeError                a result that takes more memory to read than it may
    ├── WithheldError                data that a run left out on purpose, or that was removed from it
    ├── WriteError                   the operating system refused to write
    └── FormatError                  no run folder, or one of a newer format
        └── DamageError              bytes that are not what was written

    DamageWarning                    given once when a damaged run is loaded
    InterruptedRunWarning            given when a run that is followed came to no end
    WriteWarning                     given where on_write_error is "warn" and records are lost

Each error says what is wrong, where, and what to do, and carries these as fields: `what`, `remedy`, and those of
`file`, `line`, `column` and `key` that apply (the others are None). As text it is safe to print,
whatever names are in it.

>>> from runfolio.errors import NotFoundError
>>> error = NotFoundError("no snapshot 'snapshot-000009'", remedy="list them with run.snapshots", key="snapshot-000009")
>>> print(error)
no snapshot 'snapshot-000009'; list them with run.snapshots
>>> error.key
'snapshot-000009'
"""

from __future__ import annotations

from runfolio.escapes import neutral_lines

__all__ = [
    "ConfigError",
    "ContextError",
    "DamageError",
    "DamageWarning",
    "DataError",
    "DuplicateKeyError",
    "FormatError",
    "InputError",
    "InterruptedRunWarning",
    "NotFoundError",
    "ReadOnlyError",
    "RunEndedError",
    "RunfolioError",
    "StepsError",
    "TooLargeError",
    "UsageError",
    "WithheldError",
    "WriteError",
    "WriteWarning",
]


class RunfolioError(Exception):
    """The root of every error that runfolio raises."""

    def __init__(
        self,
        what: str,
        *,
        remedy: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: str | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.file = file
        self.line = line
        self.column = column
        self.key = key

    def __str__(self) -> str:
        place = "".join(
            f", {name} {value}"
            for name, value in (("file", self.file), ("line", self.line))
            if value is not None and str(value) not in self.what
        )
        return neutral_lines(f"{self.what}{place}" + (f"; {self.remedy}" if self.remedy else ""))


class UsageError(RunfolioError, ValueError):
    """A call that can't be carried out as it was written; nothing was recorded by it."""


class ConfigError(UsageError):
    """A pipeline's configuration is wrong, and nothing of it ran; `problems` lists all that is, each by its place."""

    def __init__(
        self, what: str, *, problems: tuple[str, ...] = (), remedy: str | None = None, file: str | None = None
    ) -> None:
        super().__init__(what, remedy=remedy, file=file)
        self.problems = problems

    def __str__(self) -> str:
        lines = (self.what, *(f"  {problem}" for problem in self.problems), *filter(None, [self.remedy]))
        return neutral_lines("\n".join(lines))


class ContextError(UsageError):
    """A context or details value has no form in JSON: two keys become one, or it is nested too deeply."""


class DataError(UsageError):
    """Data that can't be stored so that it comes back exactly; `problems` names each column, row and reason.

    `column` and `row`, counted from 0, are those of the first problem.
    """

    def __init__(
        self,
        what: str,
        *,
        problems: tuple[str, ...] = (),
        remedy: str | None = None,
        column: str | None = None,
        row: int | None = None,
    ) -> None:
        super().__init__(what, remedy=remedy, column=column)
        self.problems = problems
        self.row = row


class DuplicateKeyError(UsageError):
    """A result is stored under this key already, and stored results are never overwritten."""


class ReadOnlyError(UsageError, AttributeError):
    """A write method was called on a run that was loaded for reading."""


class RunEndedError(UsageError):
    """The run is completed or failed, so nothing can be added to it."""


class NotFoundError(RunfolioError, LookupError):
    """No run, snapshot, result, module or column of that name."""

    __str__ = RunfolioError.__str__


class InputError(RunfolioError):
    """A file can't be read as what it should be, or data lack what a built-in module is to work on."""


class StepsError(RunfolioError):
    """Steps of a pipeline failed, and those that don't depend on them went on; `errors` are the exceptions."""

    def __init__(self, what: str, *, errors: tuple[Exception, ...] = (), remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.errors = errors


class TooLargeError(RunfolioError):
    """To read a result would take more memory than a result may; what is told of it can be asked all the same."""


class WithheldError(RunfolioError):
    """The data of a result is not in the folder, and nothing is missing: `reason` is why, as `Part.withheld` has it.

    `key` is that of the result.
    """

    def __init__(self, what: str, *, reason: str, remedy: str | None = None, key: str | None = None) -> None:
        super().__init__(what, remedy=remedy, key=key)
        self.reason = reason


class WriteError(RunfolioError):
    """The operating system refused a write; `errno` is its number for the reason."""

    def __init__(
        self, what: str, *, errno: int | None = None, remedy: str | None = None, file: str | None = None
    ) -> None:
        super().__init__(what, remedy=remedy, file=file)
        self.errno = errno

    def again(self) -> WriteError:
        """The same error, to be kept or raised anew: it holds on to nothing that was at work."""
        return WriteError(self.what, errno=self.errno, remedy=self.remedy, file=self.file)


class FormatError(RunfolioError):
    """The folder is no run folder, or its format is newer than this version of runfolio reads."""


class DamageError(FormatError):
    """Bytes in a run folder are not what was written."""


class DamageWarning(UserWarning):
    """Given once when a damaged run is loaded; `run.damage` lists every finding."""

    def __str__(self) -> str:
        return neutral_lines(super().__str__())


class InterruptedRunWarning(UserWarning):
    """Given when a run that is followed is found interrupted: its writer is gone, and it came to no end."""

    def __str__(self) -> str:
        return neutral_lines(super().__str__())


class WriteWarning(UserWarning):
    """Given where a run goes on though it can't be recorded: when that begins, and when the run ends."""

    def __str__(self) -> str:
        return neutral_lines(super().__str__())
