"""Damage done to a folder, and what becomes of it: held against the golden run that the folder was."""

from __future__ import annotations

import json
import os
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pandas as pd
from msgspec import structs

from runfolio import layout, verification
from runfolio.errors import DamageError, RunfolioError
from runfolio.records import Finding, Snapshot
from runfolio.run import Run
from runfolio.schema import parts_of
from runfolio.timeline import Stream

from . import oracle
from .golden import Golden, Line


@contextmanager
def opened(golden: Golden, name: str) -> Iterator[int]:
    """A file of the folder by a descriptor, to do damage by; it is put right at the end."""
    fd = os.open(golden.folder / name, os.O_RDWR)
    try:
        yield fd
    finally:
        put(fd, golden.files[name])
        os.close(fd)


def overwrite(fd: int, data: bytes | bytearray, offset: int, length: int) -> None:
    """Have these bytes of the data in a file that holds the others."""
    assert os.pwrite(fd, data[offset : offset + length], offset) == length


def put(fd: int, data: bytes) -> None:
    """Have this and nothing else in a file."""
    os.ftruncate(fd, len(data))
    os.pwrite(fd, data, 0)


@contextmanager
def changed(golden: Golden, changes: dict[str, bytes | None]) -> Iterator[None]:
    """The folder with other bytes in these files, or without them (None); it is put right at the end.

    A file that is gone comes back as the same inode: a lock with another one is that of a copy, which may be alive.
    """
    aside = golden.folder.with_name("aside")
    try:
        for name, data in changes.items():
            assert data != golden.files[name], "the fault did not fire"
            path = golden.folder / name
            if data is None:
                path.rename(aside)
            else:
                path.write_bytes(data)
        yield
    finally:
        for name, data in changes.items():
            path = golden.folder / name
            if data is None:
                aside.rename(path)
            else:
                path.write_bytes(golden.files[name])


def sealed(fields: dict[str, Any]) -> bytes:
    """A line as the documentation of the format has it."""
    content = {key: value for key, value in fields.items() if key != "crc"}
    return sealed_bytes(json.dumps(content, separators=(",", ":")).encode())


def sealed_bytes(content: bytes) -> bytes:
    """A line of the bytes of an object, whatever they are."""
    body = content[:-1]
    return body + b',"crc":"%08x"}\n' % crc32(body)


def is_unread(name: str) -> bool:
    """Whether the getters answer without this file, so that nothing that is done to it can make an answer wrong.

    A lock tells whether a writer lives, and these are all gone. The others are what `verify` reads.
    """
    return layout.is_lock_name(name) or name == layout.SUMS_FILE or layout.is_config_name(name)


def is_torn(golden: Golden, name: str) -> bool:
    """Whether a file ends within a line: that is to be seen, whichever line it is."""
    path = golden.folder / name
    return path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")


def is_told_by_verify(golden: Golden) -> bool:
    """Whether `verify` says more of the folder than of the golden one."""
    found = verification.verify(golden.folder)
    return bool(found.findings or set(found.notes) - set(golden.notes))


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
            kind: list(map(without_metadata, records)) if kind == "snapshot" else records
            for kind, records in stream.items()
        }
        for writer, stream in streams.items()
    }


def without_metadata(record: Any) -> Any:
    """A record without what is on other lines: a snapshot's schemas."""
    return structs.replace(record, metadata=None) if isinstance(record, Snapshot) else record


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


def each_line(run: Golden) -> Iterator[tuple[str, Line]]:
    """Every line of every journal."""
    return ((name, line) for name, lines in run.lines.items() for line in lines)


def is_sound(line: bytes) -> bool:
    """What a reader with checksums alone asks of a line."""
    return line[-18:] == b',"crc":"%08x"}' % crc32(line[:-18])


OTHERS = 20
"""The data of results that are not damaged is read once in so many times."""


class Counts(Counter[str]):
    """What became of the faults: `told`, `unread` and `beyond` notice; and what must not be."""

    def judge(self, run: Golden, names: tuple[str, ...], lost: list[Line]) -> None:
        """Read the folder after damage to these files, by which these lines are gone."""
        self["faults"] += 1
        try:
            found = oracle.read(run.folder)
            self["lost"] += differs(run, found, lost)
        except RunfolioError:
            self["lost"] += 1
        except Exception:  # noqa: BLE001  (that there is none is what the test is about)
            self["uncaught"] += 1
        else:
            files = {finding.file for finding in found.damage}
            unheard = untold(names, lost, found.damage)
            if all(map(is_unread, names)):
                self["verified" if is_told_by_verify(run) else "unread"] += 1
            elif not all(run.is_beyond_notice(line, lost) for line in unheard):
                self["silent"] += 1
            elif not found.damage and unheard:
                self["silent" if any(is_torn(run, name) for name in names) else "beyond"] += 1
            elif not lost and not all(name in files or is_unread(name) for name in names):
                self["silent"] += 1
            else:
                self["told"] += 1

    def judge_told(self, run: Golden) -> None:
        """Read the folder after foreign lines came into it: that must be told, if by `verify` alone."""
        self["faults"] += 1
        try:
            is_told = bool(oracle.read(run.folder).damage)
        except RunfolioError:
            is_told = True
        except Exception:  # noqa: BLE001
            self["uncaught"] += 1
            return
        by_verify = not is_told and is_told_by_verify(run)
        untold = "silent" if run.has_ended else "beyond"
        self["told" if is_told else "verified" if by_verify else untold] += 1

    def judge_data(self, run: Golden, *damaged: str) -> None:
        """Ask for the data of results: those with a damaged file raise DamageError, the others are equal.

        The others are asked for now and then.
        """
        for stored in oracle.read(run.folder).results.values():
            is_damaged = any(part.file in damaged for part in stored.record.parts)
            if self["read"] % OTHERS and not is_damaged:
                continue
            try:
                data = stored["data"]
            except DamageError:
                self["lost"] += not is_damaged
            else:
                self["silent"] += is_damaged
                self["lost"] += not is_damaged and not same(data, run.data[stored.record.key])
        self["read"] += 1

    def row(self) -> dict[str, int]:
        """What a row of the table has of them."""
        names = ("faults", "lost", "silent", "uncaught")
        return {"trials": self["faults"], **{name: self[name] for name in names}}

    def __str__(self) -> str:
        named = {
            "verified": "that verify alone tells",
            "unread": "in locks of the dead, and such, that nothing tells",
            "beyond": "of a killed run that nothing can tell",
        }
        return "".join(f", {self[name]} {text}" for name, text in named.items() if self[name])


def uncaught(error: Exception) -> str:
    """What was raised, and where in the package."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "runfolio" in frame.filename]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-6:]))
    return f"{type(error).__name__}: {str(error)[:200]} at {where}"
