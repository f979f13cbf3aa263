"""How far a run is, while it runs: a line for each step that ended and, on a terminal, what is running below.

A thread looks at the run's records now and then, as it would at another process's. What the steps print themselves
stays whole, and comes behind the lines of the steps that ended before: what is below is taken away before it is
written, and comes back at the next look, once its line has ended.
"""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO, cast

from runfolio.cli.board import ended_line, left, name_width, running_line
from runfolio.cli.terminal import Styled, Text, give_up, plain
from runfolio.errors import RunfolioError
from runfolio.files import journals
from runfolio.progress import Live, Progress
from runfolio.run import Run
from runfolio.standing import path_of

if TYPE_CHECKING:
    from runfolio.cli.colour import ColourPage
    from runfolio.pipeline.plan import PlannedStep
    from runfolio.view import RunView

SECONDS = 0.1
"""The pause between two looks."""

SHARE = 20
"""A pause is so many times as long as the look before it took, so that looking takes no more of the run's time."""

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""What moves the cursor, or colours what follows."""

_MOST_RUNNING = 5

Line = Sequence[Text]


class Pipeline(Protocol):
    """What is shown while it runs: its plan, and the status that records it. An Executor is one."""

    plan: list[PlannedStep]
    status: RunView

    def run(self) -> None:
        """Run the steps of the plan."""


class Screen:
    """Standard output and error for as long as the block lasts, with our own lines among what the steps print.

    A stream that can't be written to is no concern of the steps: what they print then goes nowhere, and `refused` is
    why.
    """

    refused: OSError | None = None
    before_theirs: Callable[[], object] = staticmethod(lambda: None)
    """Called before the first text that a step writes after `expect_theirs`: to show what came before."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._streams = sys.stdout, sys.stderr
        self._out: TextIO | None = sys.stdout
        self._is_due = False
        self._pid = os.getpid()
        self._below = 0
        self._in_a_line = False
        self._page: ColourPage | None = None
        if self._out is not None and self._out.isatty():
            from runfolio.cli.colour import ColourPage  # noqa: PLC0415  (see terminal.page)

            self._page = ColourPage(self._out)

    def __enter__(self) -> Self:
        out, err = self._streams
        sys.stdout = cast(TextIO, _Shared(self, out, is_out=True)) if out is not None else out
        sys.stderr = cast(TextIO, _Shared(self, err, is_out=_is_same(out, err))) if err is not None else err
        return self

    def __exit__(self, *_: object) -> None:
        self.show((), ())
        sys.stdout, sys.stderr = self._streams

    @property
    def has_room_below(self) -> bool:
        """Whether lines can be taken away again."""
        return self._page is not None and not self._page.console.is_dumb_terminal

    def show(self, lines: Sequence[Line], below: Sequence[Line]) -> None:
        """Print lines, and show others below until the next call."""
        if self._out is None:
            return
        with self.lock:
            text = self._erased()
            if lines and self._in_a_line:
                text, self._in_a_line = text + "\n", False
            text += "".join(map(self._line, lines))
            if below and self.has_room_below and not self._in_a_line:
                text += "\n".join(map(self._line_below, below))
                self._below = len(below)
            if text:
                self._write(self._out, text)
                self._flush(self._out)

    def expect_theirs(self) -> None:
        """Call `before_theirs` before the next text that a step writes."""
        self._is_due = True

    def write_theirs(self, stream: TextIO, text: str, *, is_out: bool) -> int:
        """What a step writes."""
        if os.getpid() != self._pid:  # in a forked child, where the lock may be held by a thread that isn't there
            return stream.write(text)
        with self.lock:
            if is_out and text:
                if self._is_due and not self._in_a_line:
                    self._is_due = False
                    self.before_theirs()
                if self._below and self._out is not None:
                    self._write(self._out, self._erased())
                    self._flush(self._out)
                visible = _CONTROL.sub("", text)
                self._in_a_line = not visible.endswith("\n") if visible else self._in_a_line
            self._write(stream, text)
            return len(text)

    def flush_theirs(self, stream: TextIO) -> None:
        """The same for what is buffered."""
        if os.getpid() != self._pid:
            stream.flush()
            return
        with self.lock:
            self._flush(stream)

    def _line(self, line: Line) -> str:
        if self._page is None:
            return "".join(map(plain, line)) + "\n"
        with self._page.console.capture() as captured:
            self._page.line(*line)
        return captured.get()

    def _line_below(self, line: Line) -> str:
        """A line that is cut to the terminal's width, for one that wraps could not be taken away again."""
        assert self._page is not None
        assert self._out is not None
        text = self._page.text(*line)
        spelled = text.plain.encode(self._out.encoding, self._out.errors or "strict").decode(self._out.encoding)
        if spelled != text.plain:  # what the terminal lacks takes more room
            text.plain = spelled
        with self._page.console.capture() as captured:
            self._page.console.print(text, end="", overflow="ignore", no_wrap=True, crop=True)
        return captured.get()

    def _erased(self) -> str:
        """What takes away the lines below."""
        count, self._below = self._below, 0
        return "\r\x1b[2K" + "\x1b[1A\x1b[2K" * (count - 1) if count else ""

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
        except OSError as error:
            self._refuse(stream, error)

    def _flush(self, stream: TextIO) -> None:
        try:
            stream.flush()
        except OSError as error:
            self._refuse(stream, error)

    def _refuse(self, stream: TextIO, error: OSError) -> None:
        self.refused = self.refused or error
        give_up(stream)


class _Shared:
    """A stream that its screen shares; all but writing is the stream's own."""

    def __init__(self, screen: Screen, stream: TextIO, *, is_out: bool) -> None:
        self._screen, self._stream, self._is_out = screen, stream, is_out

    def write(self, text: str) -> int:
        """Write a text."""
        if not isinstance(text, str):
            return self._stream.write(text)  # which refuses it
        return self._screen.write_theirs(self._stream, text, is_out=self._is_out)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered."""
        self._screen.flush_theirs(self._stream)

    def close(self) -> None:
        """Leave it open: it is not a step's to close."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def shown(pipeline: Pipeline, screen: Screen) -> Iterator[None]:
    """Show on a screen what a pipeline does during the block."""
    watch = _Watch(pipeline, screen)
    screen.before_theirs = watch.look
    screen.expect_theirs()
    thread = threading.Thread(target=watch.go_on, name="runfolio-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        if thread.is_alive():  # it is not in a forked child that leaves the block as well
            watch.stop.set()
            thread.join()
            watch.look(is_last=True)
            watch.close()


class _Watch:
    """Looks at a run that an Executor runs, and shows what it finds."""

    def __init__(self, pipeline: Pipeline, screen: Screen) -> None:
        self.stop = threading.Event()
        self._pipeline = pipeline
        self._screen = screen
        self._live: Live | None = None
        self._width = name_width(f"{step.module_name}[{step.experiment_name}]" for step in pipeline.plan)
        self._count = len(pipeline.plan)
        self._ended = 0
        if isinstance(pipeline.status, Run):
            self._follow_on(pipeline.status)

    def _follow_on(self, run: Run) -> None:
        """A run that is resumed."""
        assert run.folder is not None
        self._live = Live(run.folder, {writer for _, writer, _ in journals(run.folder)})
        self._ended = done_of(self._pipeline, run)
        counts = f"{self._ended:,} of {self._count:,} steps were done before"
        self._screen.show([[Styled(counts, "dim")]], ())

    def go_on(self) -> None:
        """Look until told to stop."""
        pause = SECONDS
        while not self.stop.wait(pause):
            begun = time.thread_time()
            if not self.look():
                return
            self._screen.expect_theirs()
            pause = max(SECONDS, SHARE * (time.thread_time() - begun))

    def look(self, *, is_last: bool = False) -> bool:
        """Show what is new; tells whether there may be more."""
        with self._screen.lock:
            folder = self._pipeline.status.folder
            if self._live is None and folder is not None:
                self._live = Live(folder)
            if self._live is None:
                return True
            try:
                found = self._live.look()
            except (RunfolioError, OSError):  # the folder is gone: the run itself will have to say so
                return False
            self._ended += len(found.ended)
            lines = [ended_line(step, self._width) for step in found.ended]
            self._screen.show(lines, () if is_last else self._below(found.progress))
            return True

    def close(self) -> None:
        """Give back what looking took."""
        if self._live is not None:
            self._live.close()

    def _below(self, progress: Progress) -> list[Line]:
        lines: list[Line] = [running_line(step, self._width) for step in progress.running[-_MOST_RUNNING:]]
        counts = f"{self._ended:,} of {self._count:,} steps"
        return [*lines, (Styled(counts, "dim"), left(progress.seconds_left))]


def done_of(pipeline: Pipeline, run: Run) -> int:
    """How many steps of a plan a run has committed."""
    planned = {step.path for step in pipeline.plan}
    return len(planned & {path_of(one.context) for one in run.snapshots if one.context.get("point") == "after"})


def _is_same(one: TextIO | None, other: TextIO | None) -> bool:
    """Whether two streams go to one place."""
    with suppress(OSError, ValueError, AttributeError, io.UnsupportedOperation):
        return os.path.sameopenfile(one.fileno(), other.fileno())  # type: ignore[union-attr]
    return False
