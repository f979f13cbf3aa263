"""Listing while other processes create, finish, delete and move runs: what stands still is there, once, each time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from runfolio import Status, layout, list_runs
from runfolio.catalog import RunRow, scan
from runfolio.index import read

PROCESSES = 8
STILL = 40

_WORKER = """
import os, shutil, sys
from itertools import count
from pathlib import Path
from random import Random
from runfolio import Status
root, seed = Path(sys.argv[1]), int(sys.argv[2])
chance, mine = Random(seed), []
print("begun", flush=True)
for number in count():
    status = Status(root=root, name=f"worker{seed}")
    status.log("begun")
    if chance.random() < 0.7:
        status.complete() if chance.random() < 0.8 else status.fail("no")
        mine.append(status.folder)
    else:
        status.record_change("UPDATE", "x")
        status.complete()
        shutil.rmtree(status.folder)
    if mine and chance.random() < 0.6:
        place = chance.randrange(len(mine))
        moved = mine[place].with_name(f"moved-{seed}-{number}")
        mine[place] = mine[place].rename(moved)
    if len(mine) > 5:
        shutil.rmtree(mine.pop(chance.randrange(len(mine))))
"""


def naive(root: Path) -> int:
    """How often a list by the names that were there finds no `run.json`."""
    failed = 0
    for name in os.listdir(root):  # noqa: PTH208  (all names first)
        try:
            (root / name / "run.json").read_bytes()
        except OSError:
            failed += 1
    return failed


def test_what_stands_still_is_listed_once_while_others_come_go_and_move(tmp_path, size, tally):
    root = tmp_path / "runs"
    still = set()
    for number in range(STILL):
        with Status(root=root, name="still") as status:
            status.log(f"{number}")
        still.add(str(status.folder))
    begun = time.monotonic()
    workers = [
        subprocess.Popen([sys.executable, "-c", _WORKER, str(root), str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in range(PROCESSES)
    ]
    lists = others = missed = indexed = 0
    try:
        for worker in workers:
            assert worker.stdout.readline() == "begun\n"
        while time.monotonic() - begun < size(6, 600) or lists < 5:
            if lists % 3 == 0:
                (root / layout.INDEX_FILE).unlink(missing_ok=True)
            rows = list(scan(root, index=lists % 3 == 1))  # without an index, making it, and by it
            folders = Counter(row.folder for row in rows)
            assert max(folders.values()) == 1, "a run is listed twice"
            assert still <= set(folders), "a run that stood still is missing"
            told = {(row.state, row.damage, row.name) for row in rows if row.folder in still}
            assert told == {("completed", None, "still")}
            lists, others = lists + 1, others + len(rows) - STILL
            missed += naive(root)
            indexed += len(read(root, RunRow) or ())
            assert all(worker.poll() is None for worker in workers)
        assert len(list_runs(root)) >= STILL
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            worker.stdout.close()
    assert others > 0, "nothing happened beside"
    assert missed > 0, "nothing was ever in the way"
    assert indexed > STILL, "the index was never there"
    tally(
        test=f"listing {STILL} runs, also by index, while {PROCESSES} processes create, finish, delete and move others",
        trials=lists,
        faults=others,
        acknowledged=lists * STILL,
        control=f"a plain reader of each run.json failed {missed:,} times",
    )
