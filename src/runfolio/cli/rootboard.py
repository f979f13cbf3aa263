"""The board of all runs that go on under a root, a line each, with those that ended while it was looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from msgspec import Struct

from runfolio import manifest
from runfolio import root as roots
from runfolio.cli.board import Line, bar, left, name_width
from runfolio.cli.terminal import DAMAGE_STYLE, STATE_STYLES, UNREADABLE, Styled, Text, cells, plain
from runfolio.clock import SYSTEM
from runfolio.errors import RunfolioError
from runfolio.progress import Live, Look
from runfolio.spelling import counted, duration

_ENDED_SHOWN = 10


class Seen(Struct, frozen=True):
    """How a run stood when it was last looked at."""

    run_id: str
    state: str
    steps_done: int
    running: str


class RootBoard:
    """The runs under a root. It is to be closed, and can be used in a `with` statement."""

    def __init__(self, root: Path, *, poll: bool = False) -> None:
        self._root = root
        self._poll = poll
        self._known: set[str] = set()
        self._lives: dict[str, Live] = {}
        self._looks: dict[str, Look] = {}
        self._ended: list[tuple[str, Live, Look]] = []
        self._unreadable: dict[str, str] = {}

    def look(self) -> None:
        """Look for runs that are new, and at those that go on. Raises NotFoundError if the root is a file."""
        for name in roots.candidates(self._root):
            folder = self._root / name
            if name in self._known or not roots.is_run(str(folder)):
                continue
            self._known.add(name)
            if not manifest.is_over(folder):
                self._lives[name] = Live(folder, poll=self._poll)
        for name, live in list(self._lives.items()):
            try:
                self._looks[name] = live.look()
            except RunfolioError as error:
                self._unreadable[name] = error.what
                self._leave(name)
                continue
            if live.feed.is_over:
                self._ended.append((name, live, self._looks[name]))
                self._leave(name)

    def lines(self, height: int) -> list[Line]:
        """The board for a screen of this height."""
        count = len(self._lives)
        top: list[Line] = [(Styled(str(self._root), "bold"), f"  {counted(count, 'run')} in progress"), ()]
        names = [*self._lives, *(name for name, *_ in self._ended), *self._unreadable]
        width = name_width(names)
        lines = [_line(name, live, self._looks[name], width) for name, live in self._lives.items()]
        lines += [_line(name, live, look, width) for name, live, look in reversed(self._ended[-_ENDED_SHOWN:])]
        lines += [
            (_padded(name, width), "  ", Styled(UNREADABLE, STATE_STYLES[UNREADABLE]), "  ", Styled(why, DAMAGE_STYLE))
            for name, why in self._unreadable.items()
        ]
        return [*top, *lines][:height]

    def news(self, told: dict[str, Seen]) -> list[Line]:
        """A line for each run that is new, ended, or went on to another step since it was told, which is noted."""
        rows = [(name, live, self._looks[name]) for name, live in self._lives.items()] + self._ended
        found: list[Line] = []
        for name, live, look in rows:
            seen = Seen(name, look.state, look.progress.steps_done, _steps_running(look))
            if told.get(name) != seen:
                told[name] = seen
                found.append(_line(name, live, look, 0))
        self._ended.clear()
        return found

    def close(self) -> None:
        """Give watches and descriptors back."""
        for name in list(self._lives):
            self._leave(name)

    def _leave(self, name: str) -> None:
        self._lives.pop(name).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(name: str, live: Live, look: Look, width: int) -> Line:
    progress, start = look.progress, live.feed.start_time
    elapsed = live.feed.duration_seconds
    if elapsed is None and start is not None and look.state == "in_progress":
        elapsed = (SYSTEM.now() - start).total_seconds()
    texts: list[Text] = [_padded(name, width), "  ", Styled(look.state, STATE_STYLES[look.state])]
    texts.append(f"  {duration(elapsed)}")
    if progress.steps_total:
        texts += ["  ", *bar(progress.steps_done / progress.steps_total)]
        texts.append(f"  {progress.steps_done:,} of {counted(progress.steps_total, 'step')}")
    else:
        texts.append(f"  {counted(progress.steps_done, 'step')} done")
    if look.state == "in_progress":
        texts += [f"  {_steps_running(look)}", _share_of(look), left(progress.seconds_left)]
    elif live.feed.error is not None:
        first, *_ = (live.feed.error.message.strip() or " ").splitlines()
        texts.append(Styled(f"  {live.feed.error.type}: {first}"[:120], STATE_STYLES["failed"]))
    return texts


def _steps_running(look: Look) -> str:
    names = [f"{step.module_name}[{step.experiment_name}]" for step in look.progress.running if not step.depth]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else ""


def _share_of(look: Look) -> str:
    """How far the one step is that runs, if it says so."""
    steps = [step for step in look.progress.running if not step.depth]
    if len(steps) != 1 or steps[0].done is None or not steps[0].total:
        return ""
    return f" {min(max(steps[0].done / steps[0].total, 0), 1):.0%}"


def _padded(name: str, width: int) -> str:
    shown = plain(name)
    return shown + " " * max(width - cells(shown), 0)
