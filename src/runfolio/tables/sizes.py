"""How much memory the tables of a Parquet file take, estimated from its footer before anything is unpacked.

Some bytes of a file can stand for any number: a page of zeros, a run of one value, a text that a dictionary has once
and a million rows refer to. The estimate is of the table in Arrow's form; a frame of Python objects takes more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runfolio.limits import admit, max_result_bytes
from runfolio.tables.metadata import Chunk, check_depth, chunks

__all__ = ["Sizes", "admitted_footer"]

_BYTE_ARRAY = 6
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 8, 4: 4, 5: 8}
"""Of booleans, of integers of 32, 64 and 96 bits, of floats of 32 and 64 bits."""

_OFFSET = 16
"""Of a text beside itself: where it ends, or which one of a dictionary it is. A decimal takes as much."""

_ONCE = {2, 7, 8}
"""Encodings that have a text once for many rows that are of it, or begin with it: dictionaries, DELTA_BYTE_ARRAY."""

_FOOTER_GROWTH = 8
"""A footer's bytes become so many times as many objects."""

_TAIL = 8
_AT_ONCE = 65536
_BUFFER = 65536
_IN_PIECES = "read it in pieces with batches(size=...), or "


def admitted_footer(source: Any, path: str) -> bytes:
    """The footer of a file; `source` is an Arrow file. Raises TooLargeError if it takes more memory than a result may.

    Raises DamageError, or IndexError, for a footer that Arrow had better not see.
    """
    size = source.size()
    if size < _TAIL:
        return b""
    source.seek(size - _TAIL)
    length = int.from_bytes(source.read(4), "little")
    footer = b""
    if length <= size - _TAIL:
        admit(_FOOTER_GROWTH * length, path)
        source.seek(size - _TAIL - length)
        footer = source.read(length)
        check_depth(footer)
    source.seek(0)
    return footer


class Sizes:
    """What the tables of a Parquet file take."""

    def __init__(self, source: Any, parquet: pq.ParquetFile, footer: bytes, path: str) -> None:
        self._source, self._parquet = source, parquet
        self._chunks = chunks(footer)
        self._path = path

    def admit(self, names: list[str], groups: Iterable[int]) -> None:
        """Raise TooLargeError if these columns of these row groups take more memory than a result may."""
        places = _columns(self._parquet, names)
        found = [
            _Chunk(self._source, self._parquet, group, place, self._chunks[group][place])
            for group in groups
            for place in places
        ]
        needed, most = 0, max_result_bytes()
        # Each is closer than the one before and takes longer: that of any usual file is below by the first.
        for estimate in (_Chunk.bound, _Chunk.likely, _Chunk.exact):
            needed = sum(map(estimate, found))
            if needed <= most or sum(chunk.least for chunk in found) > most:
                break
        admit(needed, self._path, _IN_PIECES)


def _columns(parquet: pq.ParquetFile, names: list[str]) -> list[int]:
    """The places of the leaves of these columns; dots in names may make it some more."""
    wanted, schema = set(names), parquet.metadata.schema
    return [place for place in range(len(schema)) if not wanted.isdisjoint(_prefixes(schema.column(place).path))]


def _prefixes(path: str) -> list[str]:
    return [path, *(path[:place] for place, letter in enumerate(path) if letter == ".")]


class _Chunk:
    """One column of a row group."""

    def __init__(self, source: Any, parquet: pq.ParquetFile, group: int, place: int, told: Chunk) -> None:
        column = parquet.metadata.schema.column(place)
        self._open = (source, parquet.metadata, group, column.path)
        self._unpacked = max(told.unpacked, 0)
        self._values: int = max(told.values, parquet.metadata.row_group(group).num_rows, 0)
        stands_once = not _ONCE.isdisjoint(told.encodings)
        self._may_grow = told.physical == _BYTE_ARRAY and stands_once and not _is_dictionary(parquet, column.path)
        self._width: int = _WIDTHS.get(told.physical) or max(column.length, _OFFSET)

    @property
    def least(self) -> int:
        """What it takes in any case: its pages, and a value of the least length for each row."""
        return self._unpacked + self._values * self._width

    def bound(self) -> int:
        """What it takes at most: any value may be the longest one."""
        return self.least + (self._values * self._unpacked if self._may_grow else 0)

    def likely(self) -> int:
        """The same, by the longest text in the dictionary."""
        if not self._may_grow:
            return self.least
        longest = next((_longest(leaf) for leaf in self._leaves(1)), 0)
        return self.least + self._values * longest

    def exact(self) -> int:
        """What it takes, by the length of each text."""
        return self.least + (sum(map(_length, self._leaves(_AT_ONCE))) if self._may_grow else 0)

    def _leaves(self, size: int) -> Iterator[Any]:
        """The values, so many rows at once, each text of the dictionary once."""
        source, metadata, group, path = self._open
        parquet = pq.ParquetFile(
            source, metadata=metadata, read_dictionary=[path], pre_buffer=False, buffer_size=_BUFFER
        )
        for batch in parquet.iter_batches(size, row_groups=[group], columns=[path], use_threads=False):
            yield _leaf(batch.column(0))


def _is_dictionary(parquet: pq.ParquetFile, path: str) -> bool:
    """Whether a column comes as a dictionary, in which each text stands once."""
    schema = parquet.schema_arrow
    place = schema.get_field_index(path)
    return bool(place >= 0 and pa.types.is_dictionary(schema.field(place).type))


def _leaf(array: Any) -> Any:
    while not pa.types.is_dictionary(array.type) and pa.types.is_nested(array.type):
        array = array.field(0) if pa.types.is_struct(array.type) else array.values
    return array


def _longest(leaf: Any) -> int:
    return pc.max(_lengths(leaf)).as_py() or 0


def _length(leaf: Any) -> int:
    if pa.types.is_dictionary(leaf.type):
        return pc.sum(_lengths(leaf).take(leaf.indices)).as_py() or 0
    return int(leaf.nbytes)


def _lengths(leaf: Any) -> Any:
    texts = leaf.dictionary if pa.types.is_dictionary(leaf.type) else leaf
    return pc.cast(pc.binary_length(texts), pa.int64())
