"""Recording a change, against one msgspec encode of a built record + CRC-32 + one `os.write`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from time import perf_counter
from zlib import crc32

from measure import Row, Sizes, pair, timed
from msgspec import json

from runfolio import Status
from runfolio.records import Change
from runfolio.schema import Field

BOUND = 4.0
AIM = 3
LIMIT = "msgspec encode of a built record + crc32 + os.write"

BEFORE = Field(name="bill_length_mm", dtype="object", nullable=True, nulls=2)
AFTER = Field(name="bill_length_mm", dtype="float64", nullable=True, nulls=2)


def measure(sizes: Sizes, folder: Path) -> list[Row]:
    """A change with some details; for information one with both descriptions of its field, and one that is synced."""
    return [
        _measure(sizes, folder, "a change", record_plain, BOUND),
        _measure(sizes, folder, "a change, before and after", _described, None),
        _measure(sizes, folder, "a change, durability power", record_plain, None, power=True),
        _measure_progress(sizes, folder),
    ]


def record_plain(status: Status, count: int) -> None:
    """Record so many changes as people do it by hand."""
    for _ in range(count):
        status.record_change(
            "TRANSFORM",
            "bill_length_mm",
            {"method": "astype", "rows": 344},
            module="Preprocessor",
            experiment="scale",
        )


def _described(status: Status, count: int) -> None:
    for _ in range(count):
        status.record_change(
            "TRANSFORM",
            "bill_length_mm",
            {"method": "astype", "rows": 344},
            before=BEFORE,
            after=AFTER,
            module="Preprocessor",
            experiment="scale",
        )


def _limit(fd: int, record: Change, count: int, *, power: bool) -> None:
    encode, write = json.Encoder().encode, os.write
    for _ in range(count):
        line = encode(record)
        crc32(line)
        write(fd, line)
        if power:
            os.fdatasync(fd)


def _measure(
    sizes: Sizes,
    folder: Path,
    what: str,
    record: Callable[[Status, int], None],
    bound: float | None,
    *,
    power: bool = False,
) -> Row:
    with Status(root=folder, durability="power" if power else "process") as status, _appending(folder / "limit") as fd:
        record(status, 1)
        change, count = status.changes[0], sizes.changes
        assert status.folder is not None
        size = (status.folder / "changes.jsonl").stat().st_size
        ours = timed(lambda: record(status, count), count)
        # As long a batch as ours, or a machine with other work on it would interrupt the one more often than the other.
        more = count * AIM
        theirs = timed(lambda: _limit(fd, change, more, power=power), more)
        what = f"{what} ({size} bytes)"
        batches = sizes.change_batches // (20 if power else 1) or 1
        limit = f"{LIMIT} + os.fdatasync" if power else LIMIT
        return pair("record", what, limit, unit="µs", batches=batches, ours=ours, theirs=theirs, bound=bound)


def _measure_progress(sizes: Sizes, folder: Path) -> Row:
    """A call of progress that is not written, as nearly all are that come for each row."""
    with Status(root=folder) as status, status.step("Fit", "model") as step:

        def ours() -> None:
            for number in range(count):
                step.progress(number, count, "rows")

        def theirs() -> None:
            for _ in range(count):
                with lock:
                    perf_counter()

        lock, count = RLock(), sizes.changes * 10
        limit = "a read of the clock under a lock"
        return pair(
            "record",
            "a call of progress",
            limit,
            unit="µs",
            batches=sizes.change_batches // 10,
            ours=timed(ours, count),
            theirs=timed(theirs, count),
            bound=None,
        )


@contextmanager
def _appending(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        yield fd
    finally:
        os.close(fd)
