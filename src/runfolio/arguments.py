"""Arguments: what callers pass, as the records take it, or a clear error that names the argument.

Names are text, times are UTC, numbers finite; schemas may be given as the frames that they are inferred from.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from operator import index
from types import TracebackType
from typing import Any, TypeVar, get_args

from msgspec import ValidationError, convert, json, to_builtins

from runfolio.errors import ContextError, UsageError
from runfolio.field import ChangeType, Field, Profile
from runfolio.parts import flattened, name_of
from runfolio.policy import Access, Durability, OnWriteError, Policy
from runfolio.records import Description, Failure, Metadata, Outcome, PathStep
from runfolio.schema import Schema, Schemas, parts_of
from runfolio.tables import is_table
from runfolio.values import as_text, plain_text

T = TypeVar("T")

CHANGE_TYPES: tuple[str, ...] = get_args(ChangeType)
OUTCOMES: tuple[str, ...] = get_args(Outcome)
POINTS = ("start", "before", "after", "completed", "failed", "resume")
MAX_TRACEBACK = 100_000
MAX_MESSAGE = 10_000


def text(value: str, what: str) -> str:
    """A name given by a user, with lone surrogates spelled out. Raises UsageError if it is no text."""
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        raise UsageError(f"{what} is {value!r}, which is no text", remedy=f"pass {what} as text", key=what)
    return plain_text(value)


def optional_text(value: str | None, what: str) -> str | None:
    """The same, where None may stand."""
    return None if value is None else text(value, what)


def instant(value: Any, what: str) -> datetime:
    """A point in time in UTC, of a datetime (a naive one is local time, as in Python) or seconds since 1970.

    >>> instant(0, "start").isoformat()
    '1970-01-01T00:00:00+00:00'

    Raises UsageError if it is no point in time.
    """
    try:
        if isinstance(value, datetime):
            whole = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value  # pandas' own
            utc = whole.astimezone(UTC)
            clock = (utc.hour, utc.minute, utc.second, utc.microsecond)
            return datetime(utc.year, utc.month, utc.day, *clock, UTC)
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{what} is {value!r}, which is no point in time", remedy="pass a datetime, or seconds since 1970", key=what
        ) from error


def number(value: Any, what: str) -> float:
    """A finite number. Raises UsageError."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{what} is {value!r}, which is no number", key=what) from error
    if not math.isfinite(found):
        raise UsageError(f"{what} is {found}", remedy="pass a finite number", key=what)
    return found


def optional_integer(value: Any, what: str) -> int | None:
    """A whole number, NumPy's included, or None. Raises UsageError."""
    try:
        found = None if value is None else index(value)
    except TypeError:
        found = None
    if isinstance(value, bool) or (found is None and value is not None):
        raise UsageError(f"{what} is {value!r}", remedy="pass a whole number, or None", key=what)
    return found


def one_of(value: Any, allowed: tuple[str, ...], what: str) -> Any:
    """One of a few words. Raises UsageError, which lists them."""
    if isinstance(value, str) and value in allowed:
        return value
    raise UsageError(f"{what} is {value!r}", remedy=f"it is one of {', '.join(allowed)}", key=what)


def texts(values: Iterable[str], what: str) -> list[str]:
    """Several names. Raises UsageError for a single text, which would be taken letter by letter."""
    if isinstance(values, str):
        raise UsageError(f"{what} is one text, {values!r}", remedy=f"pass a list: {what}=[{values!r}]", key=what)
    if not isinstance(values, Iterable):
        raise UsageError(f"{what} is {values!r}", remedy="pass a list of texts", key=what)
    return [text(value, what) for value in values]


def description(value: Any) -> Description | None:
    """One side of a change: a Description or Field as it is, any other value as text."""
    if isinstance(value, Field):
        value = Description.of(_checked(value, Field))
    if isinstance(value, Description):
        return _checked(value, Description)
    return Description(value=as_text(value))


def path(pairs: Iterable[tuple[str, str]]) -> tuple[PathStep, ...]:
    """An experiment path. Raises UsageError for anything but pairs of text."""
    try:
        rows = [(module, experiment) for module, experiment in pairs]
    except (TypeError, ValueError) as error:
        raise UsageError(f"path is {pairs!r}", remedy="pass (module, experiment) pairs", key="path") from error
    return tuple(PathStep(text(module, "module"), text(experiment, "experiment")) for module, experiment in rows)


def free_of(context: dict[str, Any], reserved: tuple[str, ...]) -> dict[str, Any]:
    """A context that leaves the recorder's own keys to it. Raises ContextError."""
    for key in reserved:
        if key in context:
            raise ContextError(
                f"context has the key {key!r}, which is recorded by itself", remedy="give it another name", key=key
            )
    return context


def policy(durability: Any, access: Any, on_write_error: Any) -> Policy:
    """How to write, by options that are each one of theirs. Raises UsageError."""
    return Policy(
        durability=one_of(durability, get_args(Durability), "durability"),
        access=one_of(access, get_args(Access), "access"),
        on_write_error=one_of(on_write_error, get_args(OnWriteError), "on_write_error"),
    )


def metadata(given: Mapping[str, Any] | Metadata | None, profile: Profile) -> Metadata:
    """The metadata of a snapshot. Raises UsageError for an unknown key, DataError for what is no schema."""
    if not isinstance(given, Mapping | Metadata | None):
        raise UsageError(f"metadata is {given!r}", remedy="its keys are schema_before and schema_after", key="metadata")
    found: dict[str, Any] = {} if given is None else dict(given)
    unknown = found.keys() - {"schema_before", "schema_after"}
    if unknown:
        raise UsageError(
            f"metadata has a key {min(map(str, unknown))!r}",
            remedy="its keys are schema_before and schema_after",
            key="metadata",
        )
    return Metadata(schemas(found.get("schema_before"), profile), schemas(found.get("schema_after"), profile))


def schemas(value: Any, profile: Profile) -> Schemas:
    """A schema, or a dict of them by part; tables stand for theirs, of that profile. Raises DataError otherwise.

    A nested dict has those of its parts, as the schema of a stored result; None stands for a part that has none.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return dict(_nested_schemas(value, (), profile)) or None
    return _schema(value, profile)


def _nested_schemas(value: Mapping[Any, Any], outer: tuple[str, ...], profile: Profile) -> Iterator[tuple[str, Schema]]:
    for key, item in value.items():
        keys = (*outer, text(key, "part"))
        if isinstance(item, Mapping):
            yield from _nested_schemas(item, keys, profile)
        elif item is not None:
            # In a flat dict a part may be named as records name it.
            yield keys[0] if not outer else name_of(keys), _schema(item, profile)


def _schema(value: Any, profile: Profile) -> Schema:
    return _checked(value, Schema) if isinstance(value, Schema) else Schema.from_data(value, profile=profile)


def _checked(value: T, kind: type[T]) -> T:
    """A value that a user built: of the types that its fields have, which building it does not check."""
    try:
        found = to_builtins(value)
        json.encode(found)
        return convert(found, kind)
    except (ValidationError, TypeError, UnicodeEncodeError, OverflowError) as error:
        raise UsageError(f"{value!r} is no {kind.__name__}: {error}", remedy="see the types of its fields") from error


def schemas_for(data: Any, given: Any, profile: Profile) -> Schemas:
    """The schema of a result as given, which must have the parts that the data has; None to have it inferred."""
    if given is None:
        return None
    found = schemas(given, profile)
    wanted = {name for name, leaf in flattened(data) if is_table(leaf)}
    if isinstance(found, dict):  # keys as those of the data, which the names of parts escape
        found = {part if part in wanted else name_of([part]): schema for part, schema in found.items()}
    parts = {part for part, _ in parts_of(found)}
    if parts != wanted:
        raise UsageError(
            f"the schema has the parts {_shown(parts)} and the data {_shown(wanted)}",
            remedy="pass the schema of the data itself, or none to have it inferred",
            key="schema",
        )
    return found


def _shown(parts: set[str | None]) -> str:
    return ", ".join("one without a name" if part is None else repr(part) for part in parts) or "none"


def message_of(error: BaseException) -> str:
    """What an exception says, bounded; its own repr by Python where it can't say."""
    try:
        return plain_text(str(error)[:MAX_MESSAGE])
    except Exception:  # noqa: BLE001  (the user's own exception can't tell what it is; it must not hide behind that)
        return object.__repr__(error)


LEFT_OUT = "the message is left out: it may quote data that is withheld"


def described(error: BaseException, *, concealed: bool) -> str:
    """An exception in a line: its type and message; its type alone where that may quote what is withheld."""
    return f"{type(error).__name__}: {LEFT_OUT if concealed else message_of(error)}"[:1000]


def users_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where it leaves this package, which only called what failed; None where it does not."""
    home = os.path.dirname(__file__) + os.sep  # noqa: PTH120  (see layout.root_of)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(home):
        trace = trace.tb_next
    return trace


def failure(
    error: BaseException | str, module: str | None, experiment: str | None, *, concealed: bool = False
) -> Failure:
    """Why a run failed, with the end of the traceback where there is an exception; `concealed` without any message."""
    if not isinstance(error, BaseException):
        message = text(error, "error")[:MAX_MESSAGE]
        return Failure(type="", message=message, traceback="", module_name=module, experiment_name=experiment)
    from traceback import format_exception  # noqa: PLC0415  (only a run that fails needs it)

    trace = users_part(error.__traceback__) or error.__traceback__
    lines = list(_places(error, trace)) if concealed else format_exception(type(error), error, trace)
    return Failure(
        type=type(error).__qualname__,
        message=LEFT_OUT if concealed else message_of(error),
        traceback=text("".join(lines)[-MAX_TRACEBACK:], "traceback"),
        module_name=module,
        experiment_name=experiment,
    )


def _places(error: BaseException, trace: TracebackType | None) -> Iterator[str]:
    """A traceback without messages and source lines: the types of errors, and where each came from."""
    from traceback import extract_tb  # noqa: PLC0415  (only a run that fails needs it)

    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield f"{type(one).__qualname__}: {LEFT_OUT}\n"
        for place in extract_tb(trace):
            yield f'  File "{place.filename}", line {place.lineno}, in {place.name}\n'
        hidden = None if one.__suppress_context__ else one.__context__
        one = one.__cause__ or hidden
        trace = None if one is None else one.__traceback__
        if one is not None:
            yield "which came of\n"
