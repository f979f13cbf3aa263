"""Processes of several threads each write to one folder: every record is there exactly once, and in order."""

from __future__ import annotations

import heapq
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runfolio import Status, codec
from runfolio.files import journals
from runfolio.journal import Tail

from .children import THREADS
from .nursery import Child, Nursery
from .oracle import judge

PROCESSES = 4
WORKERS = PROCESSES * THREADS


class Count(NamedTuple):
    """What stands in a folder's journals."""

    changes: dict[str, int]
    """How many of each worker stand there, as far as they are the next of it."""
    wrong: int
    """Changes that are not the next of their worker: twice, lost before, or out of order."""
    broken: list[str]
    """Writers whose lines, by `seq`, are not 1, 2, 3, …"""


def count(folder: Path) -> Count:
    """Read all journals as a stream, for ten million records are more than memory holds."""
    changes: Counter[str] = Counter()
    wrong, broken = 0, []
    for writer in sorted({writer for _, writer, _ in journals(folder)}):
        expected = 1
        files = [records(kind, path) for kind, name, path in journals(folder) if name == writer]
        for seq, target in heapq.merge(*files, key=lambda row: row[0]):
            if seq != expected:
                broken.append(writer)
                break
            expected += 1
            if target is None:
                continue
            worker, _, number = target.partition("-")
            wrong += int(number) != changes[worker]
            changes[worker] += 1
    return Count(dict(changes), wrong, broken)


def records(kind: str, path: Path) -> Iterator[tuple[int, str | None]]:
    """`seq` and target of each line; a damaged one raises."""
    for lines in Tail(path).read():
        for record in codec.decode_all(kind, lines.lines):
            yield record.seq, getattr(record, "target", None)


def end_of(child: Child) -> int:
    """Wait for a child that ends by itself, which must be well; returns how many records it acknowledged."""
    assert child.wait() == 0
    return sum(child.counts().values())


def write_together(nursery: Nursery, root: Path, each: int, do: str = "crowd") -> tuple[Path, int]:
    """A run that forked children wrote to together, and how many records they acknowledged."""
    with nursery.begin(do, root=str(root), processes=PROCESSES, each=each) as child:
        folder = Path(child.hear("folder:"))
        return folder, end_of(child)


def test_forked_processes_of_several_threads_write_every_record_once_and_in_order(nursery, tmp_path, size, tally):
    each = size(40_000, 10_000_000) // WORKERS
    folder, acknowledged = write_together(nursery, tmp_path / "run", each)
    found = count(folder)
    shutil.rmtree(folder)
    assert acknowledged == each * WORKERS
    assert found == Count({f"{worker}": each for worker in range(WORKERS)}, 0, [])

    folder, of = write_together(nursery, tmp_path / "control", 500, "crowd_in_one_segment")
    control = judge(folder, [f"{worker}-{number}" for worker in range(WORKERS) for number in range(500)])
    assert count(folder).broken == ["main"]
    assert control.lost
    assert control.damage
    tally(
        test=f"{PROCESSES} forked processes of {THREADS} threads write one run",
        trials=acknowledged,
        faults=WORKERS,
        acknowledged=acknowledged,
        control=f"children that write on in their parent's segment lost {len(control.lost):,} of {of:,}",
    )


def test_what_they_wrote_is_what_a_reader_gives(nursery, tmp_path):
    each = 500
    folder, acknowledged = write_together(nursery, tmp_path, each)
    found = judge(folder, [f"{worker}-{number}" for worker in range(WORKERS) for number in range(each)])
    assert (found.given, acknowledged) == (each * WORKERS, each * WORKERS)
    assert (found.lost, found.unacknowledged, found.twice, found.is_ordered, found.damage) == ([], [], [], True, [])


def test_processes_that_join_a_run_write_every_record_once_and_in_order(nursery, tmp_path, size):
    if not hasattr(Status, "join"):
        pytest.skip("this version lets no other process join a run")
    each = size(8_000, 1_000_000) // WORKERS
    with Status(root=tmp_path) as status:
        status.start()
        joined = [nursery.begin("join", folder=str(status.folder), worker=n, each=each) for n in range(PROCESSES)]
        assert sum(map(end_of, joined)) == each * WORKERS
    assert count(status.folder) == Count({f"{worker}": each for worker in range(WORKERS)}, 0, [])
    shutil.rmtree(status.folder)
