"""Forged run folders: every checksum and size in them is right, and what they say is hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pandas as pd

from runfolio import Status

Lines = dict[str, list[dict[str, Any]]]
"""The lines of each file of a run, `run.json` included, without their checksums."""

Place = tuple[str | int, ...]
"""Where a value stands: the file, the line, and the keys and indices that lead to it."""

_LITERAL = re.compile(rb'"<literal ([0-9a-f]*)>"')


class Seed(NamedTuple):
    """A sound run: its lines, and the bytes of its other files."""

    lines: Lines
    files: dict[str, bytes]


def record(root: Path) -> Seed:
    """A run with lines of every kind and event: steps, parts, a report, a restore, losses; it failed in the end."""
    status = Status(name="people", tags=["test"], sequence=["Loader", "Clean"], root=root)
    people = pd.DataFrame({"name": ["Ada", "Bob", None], "age": [36, 41, 29], "kind": pd.Categorical(["a", "b", "a"])})
    with status.step("Loader", "csv") as step:
        frame = step.result(people)
    with status.step("Clean", "split", data=frame) as step:
        status.log("half way", level="warning")
        status.progress(1, 2, "rows")
        timing = status.start_timing("Clean", "split", "inner")
        status.end_timing(timing)
        step.result({"train": frame.dropna().astype({"age": "float64"}), "test": frame.rename(columns={"age": "Age"})})
    status.record_change("UPDATE", "age", {"before": "int64", "after": "float64"})
    status.store_result("report", {"score": 0.5})
    status.restore_from_snapshot(status.snapshots[-1].snapshot_id)
    with suppress(ValueError), status, status.step("Train", "slow") as step:
        raise ValueError("no more rows")
    assert status.folder is not None
    found = read(status.folder)
    found.lines["events.jsonl"].append(_lost(found.lines))
    return found


def read(folder: Path) -> Seed:
    """A sound run, to forge others from."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}
    journals = {name: data for name, data in files.items() if name.endswith((".jsonl", ".json")) and "/" not in name}
    lines = {name: [_fields(line) for line in data.splitlines()] for name, data in journals.items()}
    return Seed(lines, {name: data for name, data in files.items() if name not in journals})


def _fields(line: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    del fields["crc"]
    return fields


def _lost(lines: Lines) -> dict[str, Any]:
    """An event that tells of losses, as the run's last line."""
    seq = 1 + max(line["seq"] for name, of_file in lines.items() if name != "run.json" for line in of_file)
    lost = {"records": 2, "results": 1, "error": "OSError: full", "errno": 28}
    return {**lines["events.jsonl"][-1], "seq": seq, "type": "lost", "state": None, "message": "full", "context": lost}


def literal(text: str | bytes) -> str:
    """What comes to stand in the file as these very bytes, in place of a value that JSON could spell."""
    data = text.encode() if isinstance(text, str) else text
    return f"<literal {data.hex()}>"


def line_of(fields: dict[str, Any]) -> bytes:
    """The line of these fields, with its checksum."""
    spelled = json.dumps(fields, separators=(",", ":")).encode()
    spelled = _LITERAL.sub(lambda found: bytes.fromhex(found[1].decode()), spelled)
    return b'%s,"crc":"%08x"}\n' % (spelled[:-1], crc32(spelled[:-1]))


def forge(folder: Path, seed: Seed, change: Callable[[Lines], object] = lambda lines: None) -> Path:
    """A run folder of the seed's lines as the change makes them."""
    lines = json.loads(json.dumps(seed.lines))
    change(lines)
    (manifest,) = lines.pop("run.json")
    data = {name: b"".join(map(line_of, of_file)) for name, of_file in lines.items()}
    told = {file["file"]: file for segment in manifest["segments"] for file in segment["files"]}
    for name, written in data.items():
        if name in told and {"lines", "bytes"} <= told[name].keys():
            told[name].update(lines=len(lines[name]), bytes=len(written))
    data["run.json"] = line_of(manifest)
    for name, content in {**seed.files, **data}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


# Places


def places(lines: Lines, is_wanted: Callable[[Place, Any], bool]) -> Iterator[Place]:
    """Each place of a wanted value; of those alike in several lines, or items of a list, the first."""
    seen = set()
    for name, of_file in lines.items():
        for number, line in enumerate(of_file):
            for keys, value in _leaves(line):
                kind = (name, line.get("type", ""), *("*" if isinstance(key, int) else key for key in keys))
                if kind not in seen and is_wanted((name, number, *keys), value):
                    seen.add(kind)
                    yield (name, number, *keys)


def put(place: Place, value: Any) -> Callable[[Lines], None]:
    """The change that puts a value at a place."""

    def change(lines: Lines) -> None:
        at: Any = lines
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = value

    return change


def everywhere(edit: Callable[[Place, Any], Any]) -> Callable[[Lines], None]:
    """The change that edits every value."""

    def change(lines: Lines) -> None:
        for name, of_file in lines.items():
            for number, line in enumerate(of_file):
                for keys, value in list(_leaves(line)):
                    put((name, number, *keys), edit((name, number, *keys), value))(lines)

    return change


def _leaves(value: Any, keys: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*keys, index))
    else:
        yield keys, value
