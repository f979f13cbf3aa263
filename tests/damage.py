"""A golden run of everything that a folder can hold, and damage done to copies of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pandas as pd
import pytest

from runfolio import Status, layout

_FIRST = """
import errno, itertools, os, sys
import pandas as pd
from runfolio import Status, layout
from runfolio.errors import WriteError

names = itertools.count()  # of writers: a seed is to choose the same file each time
layout.token = lambda length: f"w{next(names)}".ljust(length, "0")

people = pd.DataFrame({"name": ["Ada", "Bob", None], "age": [36, 41, 29]})
status = Status(name="golden", tags=["t"], sequence=["Loader"], root=sys.argv[1])
with status.step("Loader", "csv", context={"file": "people.csv"}) as step:
    people = step.result(people)
with status.step("Splitter", "half", data=people) as outer:
    with status.step("Splitter", "inner", after=outer):
        status.progress(1, 2, "parts")
    outer.result({"a": people[:1], "b": {"c": people[1:], "report": {"rows": 3}}})
status.restore_from_snapshot(status.snapshots[2].snapshot_id)
with Status.join(status.folder) as worker:
    worker.log("joined")
    with worker.step("Worker", "w", after=[("Loader", "csv")]) as step:
        step.result(iter([people, people]))
write = os.write
def full(fd, data):
    raise OSError(errno.ENOSPC, "No space left on device")
os.write = full
try:
    status.log("lost")
except WriteError:
    os.write = write
with status.step("Clean", "drop", data=people) as step:
    step.result(people.dropna())
with status.step("Clean", "late", data=people) as step:
    print(status.folder, flush=True)
    os._exit(9)
"""


def record_interrupted(root: Path) -> Path:
    """A run of several writers that was killed in a step: with a restore, a stream, nested parts and a report."""
    done = subprocess.run([sys.executable, "-c", _FIRST, str(root)], capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    return Path(done.stdout.strip())


def record_golden(root: Path) -> Path:
    """The same, resumed and completed by another process; with lines and fields of a later version."""
    folder = record_interrupted(root)
    _add_later_lines(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "token", lambda length: "x" * length)
        with Status.resume(folder) as status:
            frame = pd.DataFrame({"age": [36, 41]})
            with status.step("Clean", "again", data=frame) as step:
                step.result(frame.assign(older=frame["age"] + 1))
    return folder


def _add_later_lines(folder: Path) -> None:
    """What a later version may write: a field on a line, a kind of line, a journal of its own."""
    path = folder / "timings.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[0] = seal(lines[0][:-19].replace(b'"outcome"', b'"later":1.50,"outcome"'))
    main = [one.read_bytes().splitlines() for one in folder.glob("*.jsonl") if one.stem.isalpha()]
    last = max(json.loads(line)["seq"] for found in main for line in found)
    lines.append(seal(b'{"kind":"sample","seq":%d,"x":[1.0,{"y":null}]' % (last + 1)))
    path.write_bytes(b"".join(lines))
    (folder / "samples.jsonl").write_bytes(seal(b'{"kind":"sample","seq":%d,"x":2' % (last + 2)))


def seal(content: bytes) -> bytes:
    """A line of this content, as the format's documentation has it."""
    return content + b',"crc":"%08x"}\n' % crc32(content)


def harm(folder: Path, chance: random.Random) -> str:
    """Do one damage to one file, and say which."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    journals = [path for path in files if path.suffix == ".jsonl" and path.stat().st_size]
    kind = chance.choice(["flip", "flip", "cut", "delete", "remove", "remove", "zero", "twice"])
    path = chance.choice(journals if kind in ("remove", "twice") and journals else files)
    data = path.read_bytes()
    place = chance.randrange(len(data)) if data else 0
    lines = data.splitlines(keepends=True)
    number = chance.randrange(len(lines)) if lines else 0
    if kind == "delete" or not data:
        path.unlink()
        return f"delete {path.name}"
    if kind == "flip":
        data = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
    elif kind == "cut":
        data = data[:place]
    elif kind == "zero":
        data = data[:place] + bytes(len(data) - place)
    elif kind == "remove":
        data = b"".join(lines[:number] + lines[number + 1 :])
    else:
        data = b"".join([*lines[: number + 1], *lines[number:]])
    path.write_bytes(data)
    return f"{kind} {path.name} at {place if kind in ('flip', 'cut', 'zero') else number}"


def content(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file: its mode, when it was last changed, and what is in it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)): (path.stat(), path.read_bytes()) for path in paths}
    return {name: (stat.st_mode, stat.st_mtime_ns, data) for name, (stat, data) in found.items()}
