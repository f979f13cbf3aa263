"""Golden runs, recorded by the tests themselves by a fixed clock, in every form of a folder; and damage done to one.

A form is how a run was left: `ended` (`small`: after one step), `resumed` after a kill and failed, `killed` for good, or
ended by a `pipeline`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pandas as pd

from runfolio import Executor, Status, layout
from runfolio.clock import Clock
from runfolio.history import Finding
from runfolio.records import Snapshot
from runfolio.run import Run
from runfolio.schema import parts_of
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
    if form == "killed":
        in_killed_child(lambda: killed(root))
    else:
        {"ended": ended, "resumed": resumed, "pipeline": pipeline, "small": small}[form](root)
    (folder,) = root.iterdir()
    return as_written(folder)


def as_written(folder: Path) -> Golden:
    """A folder as it is now."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    run = oracle.read(folder)
    assert run.damage == []
    lines = {name: list(lines_of(name, data)) for name, data in files.items() if name.endswith(".jsonl")}
    streams = {writer: dict(stream) for writer, stream in run._history.timeline.streams.items()}
    data = {key: stored["data"] for key, stored in run.results.items()}
    return Golden(folder, files, lines, streams, data, run.state in ("completed", "failed"))


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
        after = status.snapshots[-1].snapshot_id
        try:
            with status.step("Model", "fit"):
                raise ValueError("told to")
        except ValueError:
            status.log("it failed")
        status.restore_from_snapshot(after)
        in_killed_child(lambda: status.log("from a child"))
        with status.step("Reporter", "numbers") as step:
            step.result({"mean": 35.25, "names": ["Ada", "Bob"], "missing": None})


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


def _first_steps(status: Status) -> None:
    with status.step("Loader", "csv") as step:
        step.progress(1, 3)
        frame = step.result(people())
    with status.step("Splitter", "two", data=frame) as step:
        step.result({"train": frame.head(2), "rest": {"a/b": frame.tail(1)}, "share": {"of": 0.5}})


# Damage


@contextmanager
def opened(golden: Golden, name: str) -> Iterator[int]:
    """A file of the folder by a descriptor, to do damage by; it is put right at the end."""
    fd = os.open(golden.folder / name, os.O_RDWR)
    try:
        yield fd
    finally:
        put(fd, golden.files[name])
        os.close(fd)


def put(fd: int, data: bytes) -> None:
    """Have this and nothing else in a file."""
    os.ftruncate(fd, len(data))
    os.pwrite(fd, data, 0)


@contextmanager
def changed(golden: Golden, changes: dict[str, bytes | None]) -> Iterator[None]:
    """The folder with other bytes in these files, or without them (None); it is put right at the end."""
    try:
        for name, data in changes.items():
            assert data != golden.files[name], "the fault did not fire"
            path = golden.folder / name
            if data is None:
                path.unlink()
            else:
                path.write_bytes(data)
        yield
    finally:
        for name in changes:
            (golden.folder / name).write_bytes(golden.files[name])


def sealed(fields: dict[str, Any]) -> bytes:
    """A line as the documentation of the format has it."""
    content = {key: value for key, value in fields.items() if key != "crc"}
    return sealed_bytes(json.dumps(content, separators=(",", ":")).encode())


def sealed_bytes(content: bytes) -> bytes:
    """A line of the bytes of an object, whatever they are."""
    body = content[:-1]
    return body + b',"crc":"%08x"}\n' % crc32(body)


# Judging


def is_unread(name: str) -> bool:
    """Whether the getters answer without this file, so that nothing that is done to it can make an answer wrong.

    A lock tells whether a writer lives, and these are all gone. `sha256sum -c SHA256SUMS` tells a configuration that
    was changed, once the run has ended.
    """
    return name.endswith(".lock") or name == layout.SUMS_FILE or layout.is_config_name(name)


def differs(golden: Golden, run: Run, lost: Iterable[Line]) -> bool:
    """Whether a reader gives other than the golden records without the lost ones.

    A snapshot may lack a schema whose line is lost; it never has another one.
    """
    gone = list(lost)
    given = {writer: stream for writer, stream in run._history.timeline.streams.items() if stream}
    wanted = {writer: stream for writer, stream in golden.streams_without(gone).items() if stream}
    if given == wanted:
        return False
    if not any(line.kind == "schema" for line in gone) or _bare(given) != _bare(wanted):
        return True
    pairs = zip(_snapshots(given), _snapshots(wanted), strict=True)
    sides = ((getattr(one.metadata, side), getattr(other.metadata, side)) for one, other in pairs for side in _SIDES)
    return any(set(_named(one)) - set(_named(other)) for one, other in sides)


_SIDES = ("schema_before", "schema_after")


def _named(schemas: Any) -> list[tuple[str | None, str]]:
    return [(name, schema.schema_id) for name, schema in parts_of(schemas)]


def _snapshots(streams: dict[str, Stream]) -> list[Snapshot[Any]]:
    return [one for writer in sorted(streams) for one in streams[writer].get("snapshot", [])]


def _bare(streams: dict[str, Stream]) -> dict[str, Any]:
    return {
        writer: {
            kind: [{**dict(one), "metadata": None} for one in records] if kind == "snapshot" else records
            for kind, records in stream.items()
        }
        for writer, stream in streams.items()
    }


def untold(names: Iterable[str], lost: Iterable[Line], findings: list[Finding]) -> list[Line]:
    """The lost lines that no finding speaks of: neither of a damaged file nor of their number."""
    if {finding.file for finding in findings} & set(names):
        return []
    told = {(writer, seq) for finding in findings for writer, seq in _numbers(finding.reason)}
    return [line for line in lost if (line.writer, line.seq) not in told]


def _numbers(reason: str) -> Iterator[tuple[str, int]]:
    found = re.match(r"a record is lost: seq (\d+)(?: to (\d+))? of writer (\w+)", reason)
    if found:
        for seq in range(int(found[1]), int(found[2] or found[1]) + 1):
            yield found[3], seq


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, tables in every value and dtype."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        return one.equals(other) and list(one.dtypes) == list(other.dtypes)
    return type(one) is type(other) and bool(one == other)


def sums_fail(folder: Path) -> bool:
    """Whether `sha256sum` says that a file is not what SHA256SUMS has of it."""
    command = ["sha256sum", "--strict", "--quiet", "-c", layout.SUMS_FILE]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode != 0
