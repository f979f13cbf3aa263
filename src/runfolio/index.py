"""The index of a root: `.index.jsonl`, the rows of its ended runs, so that a list need not read each `run.json`.

It is a cache that may be deleted at any time, and is never believed over the folders: a row counts as long as the
folder's `run.json` is the very file that it was made of, by inode, size and time of change. What a list finds out
otherwise it puts in, once it is worth it. Who may not write there goes without; a damaged index is none. Its last line
has the CRC-32 of all before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from msgspec import MsgspecError, Struct, json

from runfolio import layout
from runfolio.errors import FormatError, WriteError
from runfolio.files import read_bytes, replace
from runfolio.policy import Policy

if TYPE_CHECKING:
    from runfolio.catalog import RunRow

MOST = 1024 * 1024 * 1024
"""So many bytes of an index are read."""


class Mark(Struct, frozen=True, array_like=True):
    """By what a `run.json` is known to be the one that it was: inode, size, and time of change in nanoseconds."""

    inode: int
    size: int
    changed: int


class Seal(Struct, frozen=True, tag_field="kind", tag="index"):
    """The last line: the version of the rows' form, and a checksum of them."""

    version: int
    crc: str


VERSION = 1


def mark_of(folder: str) -> Mark | None:
    """The mark of a folder's `run.json` as it is; None if there is none."""
    try:
        found = os.lstat(f"{folder}/{layout.RUN_FILE}")
    except (OSError, ValueError):
        return None
    return Mark(found.st_ino, found.st_size, found.st_mtime_ns)


def read(root: Path, row_type: type[RunRow]) -> dict[str, tuple[Mark, RunRow]] | None:
    """What the index of a root has, by the names of folders; None if there is no index, nothing of one that is none."""
    try:
        data = read_bytes(root / layout.INDEX_FILE, MOST)
    except FileNotFoundError:
        return None
    except (OSError, FormatError):
        return {}
    body, _, last = data.removesuffix(b"\n").rpartition(b"\n")
    try:
        seal = json.decode(last, type=Seal)
        if (seal.version, seal.crc) != (VERSION, f"{crc32(body):08x}"):
            return {}
        lines = json.Decoder(tuple[str, Mark, row_type]).decode_lines(body)  # type: ignore[valid-type]
    except (MsgspecError, ValueError, RecursionError):
        return {}
    return {name: (mark, row) for name, mark, row in lines}


def write(root: Path, rows: Iterable[tuple[str, Mark, RunRow]]) -> None:
    """Put an index in place; where that can't be, there is none, or the old one."""
    body = json.Encoder().encode_lines(rows).removesuffix(b"\n")
    last = json.encode(Seal(version=VERSION, crc=f"{crc32(body):08x}"))
    with suppress(WriteError):
        replace(root / layout.INDEX_FILE, body + b"\n" + last + b"\n", Policy())
