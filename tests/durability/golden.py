"""Golden runs: recorded by the tests themselves, by a fixed clock, in every form of a folder.

A form is how a run was left: `ended` (`small`: after one step), `resumed` after a kill and failed, `killed` for good,
or ended by a `pipeline`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pandas as pd

from runfolio import Executor, Status, layout, verification
from runfolio.clock import Clock
from runfolio.records import Finding
from runfolio.timeline import Stream

from . import oracle

FORMS = ("small", "ended", "resumed", "killed", "pipeline")


class Line(NamedTuple):
    """Where a line of a journal stands, its newline included, and which of its writer it is."""

    begin: int
    end: int
    writer: str
    seq: int
    kind: str


class Golden(NamedTuple):
    """A run as it was written: its bytes, its lines as the format has them, and what a reader gives of it."""

    folder: Path
    files: dict[str, bytes]
    lines: dict[str, list[Line]]
    streams: dict[str, Stream]
    data: dict[str, Any]
    notes: list[Finding]
    has_ended: bool

    @property
    def records(self) -> int:
        """How many lines there are."""
        return sum(map(len, self.lines.values()))

    def streams_without(self, lost: Iterable[Line]) -> dict[str, Stream]:
        """What is left of the records where these lines are gone."""
        gone = {(line.writer, line.seq) for line in lost}
        writers = {writer for writer, _ in gone}
        found: dict[str, Stream] = {}
        for writer, stream in self.streams.items():
            if writer not in writers:
                found[writer] = stream
                continue
            kept = {kind: [one for one in records if (writer, one.seq) not in gone] for kind, records in stream.items()}
            found[writer] = {kind: records for kind, records in kept.items() if records}
        return found

    def is_beyond_notice(self, line: Line, lost: Iterable[Line]) -> bool:
        """Whether of these lost lines nothing says that this one was ever there: it is a killed writer's last."""
        gone = set(lost)
        kept = [one for lines in self.lines.values() for one in lines if one not in gone]
        top = max((one.seq for one in kept if one.writer == line.writer), default=0)
        is_named = line.kind == "schema" and any(one.kind == "snapshot" for one in kept)
        return not (self.has_ended or self._is_continued(line.writer) or top > line.seq or is_named)

    def _is_continued(self, writer: str) -> bool:
        return any(b'"continues":{"writer":"%s"' % writer.encode() in data for data in self.files.values())


# Recording


def record(form: str, root: Path) -> Golden:
    """Record a run in this form under a root."""
    with tokens_in_order():
        if form == "killed":
            in_killed_child(lambda: killed(root))
        else:
            _FORMS[form](root)
    (folder,) = root.iterdir()
    return as_written(folder)


@contextmanager
def tokens_in_order() -> Iterator[None]:
    """The random part of run ids and of writers' ids is the same each time, so that mutations by a seed are, too."""
    numbers = count(10)
    with patch.object(layout, "token", lambda length: f"{next(numbers)}{'k' * length}"[:length]):
        yield


def as_written(folder: Path) -> Golden:
    """A folder as it is now."""
    files = files_of(folder)
    run = oracle.read(folder)
    assert run.damage == []
    lines = {name: list(lines_of(name, data)) for name, data in files.items() if name.endswith(".jsonl")}
    streams = {writer: dict(stream) for writer, stream in run._history.timeline.streams.items()}
    data = {key: stored["data"] for key, stored in run.results.items()}
    verified = verification.verify(folder)
    assert verified.findings == []
    return Golden(folder, files, lines, streams, data, verified.notes, run.state in ("completed", "failed"))


def files_of(folder: Path) -> dict[str, bytes]:
    """What is in each file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lines_of(name: str, data: bytes) -> Iterator[Line]:
    """The lines of a journal, by the documentation of the format."""
    stem, _, writer = name.removesuffix(".jsonl").partition(".")
    begin = 0
    for line in data.splitlines(keepends=True):
        fields = json.loads(line)
        yield Line(begin, begin + len(line), writer or "main", fields["seq"], layout.KINDS[stem])
        begin += len(line)


def in_killed_child(work: Callable[[], object]) -> None:
    """Do the work in a forked child, which is killed by SIGKILL as soon as it has done it."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, "the child failed"


def in_killed_process(module: str, work: str, root: Path) -> None:
    """Do the work of a module of these tests in a fresh process, for libraries whose threads don't survive a fork."""
    tests = str(Path(__file__).parents[1])
    code = f"import os, sys, pathlib, {module}; {module}.{work}(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code, root], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == -signal.SIGKILL, "the process failed"


def fixed_clock() -> Clock:
    """A clock that starts at the same instant each time, and moves on by a millisecond whenever it is asked."""
    begin, ticks = datetime(2026, 11, 23, 7, 30, 0, 500, tzinfo=UTC), count()
    return Clock(
        now=lambda: begin + timedelta(milliseconds=next(ticks)),
        monotonic=lambda: next(ticks) / 1000,
        cpu=lambda: next(ticks) / 1000,
    )


def people() -> pd.DataFrame:
    """A table with text, numbers, and some of both missing."""
    return pd.DataFrame({"name": ["Ada", "Bob", None], "age": [36.5, None, 29.0]})


def small(root: Path) -> None:
    """A run of one step that has ended."""
    with Status(name="s", root=root, clock=fixed_clock(), profile="digest") as status:
        with status.step("Loader", "a") as step:
            step.result({"rows": pd.DataFrame({"n": [1, 2]}), "score": 1.5})


def ended(root: Path) -> None:
    """A run with nested parts, a report, a restore, a step that failed and a forked child's lines."""
    with Status(name="ended", root=root, tags=["golden"], clock=fixed_clock()) as status:
        _first_steps(status)
        _back_and_forth(status)
        in_killed_child(lambda: status.log("from a child"))
        with status.step("Reporter", "numbers") as step:
            step.result({"mean": 35.25, "names": ["Ada", "Bob"], "missing": None})


def alone(root: Path) -> None:
    """A short run of one writer that has all kinds of lines."""
    with Status(name="alone", root=root, clock=fixed_clock(), profile="digest") as status:
        with status.step("Loader", "csv") as step:
            step.progress(1, 3)
            step.result(people())
        _back_and_forth(status)


def resumed(root: Path) -> None:
    """A run that was killed, went on in another process's segment, and failed."""
    in_killed_child(lambda: _first_steps(Status(name="resumed", root=root, clock=fixed_clock(), profile="digest")))
    (folder,) = root.iterdir()
    status = Status.resume(folder, clock=fixed_clock())
    with status.step("Reporter", "numbers") as step:
        step.result({"mean": 35.25})
    status.fail(ValueError("no more"))


def killed(root: Path) -> None:
    """A run with a forked child that was killed, too; whoever calls this is to be killed next."""
    status = Status(name="killed", root=root, clock=fixed_clock(), profile="digest")
    _first_steps(status)
    in_killed_child(lambda: status.record_change("UPDATE", "age", module="Child", experiment="c"))
    status.log("the last word")


def pipeline(root: Path) -> None:
    """A run of a configuration, which is in its folder."""
    source = root.with_name("people.csv")
    people().to_csv(source, index=False)
    config = {
        "Run": {"name": "pipeline"},
        "Loader": {"csv": {"method": "csv", "path": str(source)}},
        "Preprocessor": {"fill": {"method": "impute"}},
    }
    Executor(config, root=root).run()


def _back_and_forth(status: Status) -> None:
    after = status.snapshots[-1].snapshot_id
    try:
        with status.step("Model", "fit"):
            raise ValueError("told to")
    except ValueError:
        status.log("it failed")
    status.restore_from_snapshot(after)


def _first_steps(status: Status) -> None:
    with status.step("Loader", "csv") as step:
        step.progress(1, 3)
        frame = step.result(people())
    with status.step("Splitter", "two", data=frame) as step:
        step.result({"train": frame.head(2), "rest": {"a/b": frame.tail(1)}, "share": {"of": 0.5}})


_FORMS = {"small": small, "alone": alone, "ended": ended, "resumed": resumed, "pipeline": pipeline}
