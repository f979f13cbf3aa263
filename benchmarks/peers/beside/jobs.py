"""The four jobs: each tracker's turns and runfolio's, one after the other, in fresh processes and fresh folders."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beside.side import Failed, Side, failure
from beside.worker import SLOT

Figures = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much each job does, and how long it may take."""

    records: int = 20_000
    cap: float = 10.0
    """Seconds that logging or making past runs may take in one turn; then the turn has fewer."""
    turns: int = 3
    rows: int = 10_000
    results: int = 50
    large: int = 5_000_000
    runs: int = 2_000
    run_records: int = 20
    followed: int = 50
    pause: float = 0.05
    patience: float = 240.0
    """Seconds after which a process is ended that has not answered."""


QUICK = Sizes(
    records=50, cap=1.0, turns=1, rows=200, results=2, large=1_000, runs=3, run_records=3, followed=5, pause=0.02
)


# ------------------------------------------------------------------------------------------------- the jobs


def log(side: Side, sizes: Sizes) -> Figures:
    """Records until `kill -9`, and what another process finds afterwards; then whether it sees each at once."""
    with side.folder() as folder:
        times = folder.parent / "times"
        times.write_bytes(bytes(SLOT.size * (sizes.records + 1)))
        side.answer("log", folder, count=sizes.records, cap=sizes.cap, times=str(times), patience=sizes.patience)
        numbers = [value for (value,) in SLOT.iter_unpack(times.read_bytes())]
        done = int(numbers[0])
        if not done:
            raise failure(folder, "log")
        taken = sorted(numbers[1 : done + 1])
        size, files = _size(folder)
        kept = max(side.answer("count", folder) - 1, 0)
        return {
            "records": done,
            "seconds": statistics.fmean(taken),
            "p50": statistics.median(taken),
            "p99": taken[min(int(done * 0.99), done - 1)],
            "bytes_each": size / done,
            "files": files,
            "kept": kept,
        }


def store(side: Side, sizes: Sizes) -> Figures:
    """So many frames, read back by another process."""
    return _store(side, sizes.rows, sizes.results, sizes)


def large(side: Side, sizes: Sizes) -> Figures:
    """One large frame."""
    return _store(side, sizes.large, 1, sizes)


def _store(side: Side, rows: int, results: int, sizes: Sizes) -> Figures:
    with side.folder() as folder:
        seconds = side.answer("store", folder, rows=rows, count=results, patience=sizes.patience)
        found: Figures = {"results": results, "rows": rows, "seconds": seconds, "bytes": _size(folder)[0]}
        if "fetch" in side.module.CANNOT:
            return {**found, "exact": False, "differs": side.module.CANNOT["fetch"]}
        try:
            back = side.answer("fetch", folder, rows=rows, count=results, patience=sizes.patience)
        except Failed as problem:
            return {**found, "exact": False, "differs": f"can't be read back: {problem}"}
        return {**found, "read": back["seconds"], "exact": not back["differs"], "differs": back["differs"]}


def load(side: Side, sizes: Sizes, folder: Path, made: int) -> Figures:
    """The table of past runs that are there, and all their records."""
    figures: Figures = {"runs": made}
    for what in ("table", "records"):
        found = side.answer("read", folder, what=what, patience=sizes.patience)
        figures |= {what: found["seconds"], f"{what}_found": found["found"]}
    return figures


def follow(side: Side, sizes: Sizes) -> Figures:
    """From the begin of each call to when the count of records that another process sees has reached it."""
    with side.folder() as folder, side.process("write", folder) as writer:
        _line(writer, folder, "write")
        at_once = _looks(side, writer, folder)
        with side.process("follow", folder, count=LOOKS + sizes.followed + 1) as reader:
            _line(reader, folder, "follow")
            _wait_until_seen(reader)
            begun = [_written(writer, sizes.pause) for _ in range(sizes.followed)]
            seen = _seen(reader, LOOKS + sizes.followed + 1)
    numbers = range(LOOKS + 2, LOOKS + sizes.followed + 2)
    taken = [_first(seen, number, start) for number, start in zip(numbers, begun, strict=True)]
    whole = sorted(one for one in taken if one is not None)
    figures: Figures = {"followed": sizes.followed, "seen": len(whole), "looks": LOOKS, "at_once": at_once}
    if whole:
        figures |= {"median": statistics.median(whole), "p99": whole[min(int(len(whole) * 0.99), len(whole) - 1)]}
    return figures


LOOKS, SECONDS = 10, 12.0


def _line(process: subprocess.Popen[str], folder: Path, action: str) -> Any:
    line = process.stdout.readline()
    if not line:
        raise failure(folder, action)
    return json.loads(line)


def _written(writer: subprocess.Popen[str], pause: float) -> int:
    """When the call of a record began that is written now."""
    time.sleep(pause)
    writer.stdin.write("\n")
    writer.stdin.flush()
    return int(json.loads(writer.stdout.readline())[0])


def _looks(side: Side, writer: subprocess.Popen[str], folder: Path) -> int:
    """Of so many records, how many were there when another process looked after the call had returned."""
    with side.process("look", folder) as reader:
        try:
            _line(reader, folder, "look")
        except Failed:  # it can't read a run that lives
            for _ in range(LOOKS):
                _written(writer, 0)
            return 0
        found = 0
        for number in range(1, LOOKS + 1):
            _written(writer, 0)
            reader.stdin.write("\n")
            reader.stdin.flush()
            found += _line(reader, folder, "look") >= number + 1
        return found


def _wait_until_seen(reader: subprocess.Popen[str]) -> None:
    """Give a follower the time to begin: until it has seen something, or some seconds."""
    os.set_blocking(reader.stdout.fileno(), False)
    end = time.monotonic() + 5
    while time.monotonic() < end and reader.poll() is None:
        line = reader.stdout.readline()
        if line and json.loads(line)[0] > LOOKS:
            return
        time.sleep(0.01)


def _seen(reader: subprocess.Popen[str], last: int) -> list[tuple[int, int]]:
    """The counts that a follower saw, each with its time: until the last, or it has had its time."""
    found: list[tuple[int, int]] = []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        line = reader.stdout.readline()
        if line:
            number, when = json.loads(line)
            found.append((number, when))
            if number >= last:
                break
        elif reader.poll() is not None:
            break
        else:
            time.sleep(0.01)
    return found


def _first(seen: list[tuple[int, int]], number: int, start: int) -> float | None:
    return next(((when - start) / 1e9 for found, when in seen if found >= number), None)


def _size(folder: Path) -> tuple[int, int]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files), len(files)


# ------------------------------------------------------------------------------------- a tracker and runfolio


PART = {"large": "store"}
ONCE = ("large", "follow")
"""Jobs of one turn: the one takes minutes, the other has many measurements in it."""


def beside(job: str, side: Side, ours: Side, sizes: Sizes) -> Figures:
    """What a job found of a tracker and of runfolio in turn: medians, and the medians of the turns' ratios."""
    if (part := PART.get(job, job)) in side.module.CANNOT:
        return {"cannot": side.module.CANNOT[part]}
    if side.environment.problem:
        return {"failed": f"it can't be installed: {side.environment.problem}"}
    try:
        if job == "load":
            return _loads(side, ours, sizes)
        turns = 1 if job in ONCE else sizes.turns
        return _turns({"log": log, "store": store, "large": large, "follow": follow}[job], side, ours, sizes, turns)
    except Failed as problem:
        return {"failed": str(problem)}


def _turns(work: Callable[[Side, Sizes], Figures], side: Side, ours: Side, sizes: Sizes, turns: int) -> Figures:
    theirs, mine = [], []
    for turn in range(turns):
        pair = [(side, theirs), (ours, mine)]
        for one, found in pair if turn % 2 else reversed(pair):
            found.append(work(one, sizes))
    return together(theirs, mine)


def _loads(side: Side, ours: Side, sizes: Sizes) -> Figures:
    with side.folder() as there, ours.folder() as here:
        asked = {"records": sizes.run_records, "cap": sizes.cap * 2, "patience": sizes.patience}
        made = side.answer("make", there, runs=sizes.runs, **asked)
        ours.answer("make", here, runs=made, records=sizes.run_records, cap=sizes.patience)
        places = {side.name: there, ours.name: here}
        return _turns(lambda one, sizes: load(one, sizes, places[one.name], made), side, ours, sizes, sizes.turns)


TIMES = ("seconds", "p50", "p99", "bytes", "bytes_each", "read", "table", "records", "median")


def together(theirs: list[Figures], mine: list[Figures]) -> Figures:
    """The turns of both sides as one: medians of numbers, and of the ratios of what can be held against another."""
    sides = {"peer": _medians(theirs), "runfolio": _medians(mine)}
    ratios = {}
    for name in sides["peer"]:
        if name in TIMES and name in sides["runfolio"] and isinstance(theirs[0][name], float | int):
            pairs = zip(theirs, mine, strict=True)
            found = [one[name] / two[name] for one, two in pairs if one.get(name) and two.get(name)]
            if found and not (name == "records" and "table" not in sides["peer"]):
                ratios[name] = round(statistics.median(found), 4)
    return {"turns": len(theirs), **sides, "ratios": ratios}


def _medians(turns: list[Figures]) -> Figures:
    found: Figures = {}
    for name, value in turns[0].items():
        values = [turn[name] for turn in turns if name in turn]
        if isinstance(value, bool):
            found[name] = all(values)
        elif isinstance(value, str):
            found[name] = max(values, key=len)
        else:
            middle = statistics.median(values)
            found[name] = round(middle) if isinstance(value, int) else float(f"{middle:.6g}")
    return found
