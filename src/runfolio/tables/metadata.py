"""What a Parquet file's footer says, by its own bytes: what Arrow had better not be asked before it is known.

Arrow 21 builds nested columns by recursion without an end, which takes the process with it; later versions have a limit
of their own, which is the same. And to ask pyarrow what a column chunk is ends the process if the chunk's statistics
are not those of its type, where to read it raises an error. Fields have the numbers of parquet-format's
`parquet.thrift`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from runfolio.errors import DamageError

__all__ = ["MAX_COLUMN_DEPTH", "Chunk", "check_depth", "chunks"]

MAX_COLUMN_DEPTH = 100

_SCHEMA, _GROUPS = 2, 4
_CHILDREN = 5
_COLUMNS = 1
_CHUNK = 3
_TYPE, _ENCODINGS, _VALUES, _UNPACKED = 1, 2, 5, 6
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)
_LONG = 15


def check_depth(footer: bytes) -> None:
    """Raise DamageError for a footer with columns that are nested too deeply; IndexError where it ends too early."""
    reader = _Reader(footer)
    for field, kind in reader.fields():
        if field == _SCHEMA:
            _check([reader.children() for _ in range(reader.list()[1])])
            return
        reader.skip(kind)


class Chunk(Struct, frozen=True):
    """One column of a row group: its physical type and encodings by their numbers, its values, its bytes unpacked."""

    physical: int
    encodings: list[int]
    values: int
    unpacked: int


def chunks(footer: bytes) -> list[list[Chunk]]:
    """The column chunks of each row group. Raises DamageError, IndexError where the footer ends too early."""
    reader = _Reader(footer)
    found: list[list[Chunk]] = []
    for field, kind in reader.fields():
        if field != _GROUPS:
            reader.skip(kind)
            continue
        for _ in range(reader.list()[1]):
            found.append(_group(reader))
    return found


def _group(reader: _Reader) -> list[Chunk]:
    found: list[Chunk] = []
    for field, kind in reader.fields():
        if field == _COLUMNS:
            found += [_column(reader) for _ in range(reader.list()[1])]
        else:
            reader.skip(kind)
    return found


def _column(reader: _Reader) -> Chunk:
    found = Chunk(-1, [], 0, 0)
    for field, kind in reader.fields():
        if field == _CHUNK:
            found = _chunk(reader)
        else:
            reader.skip(kind)
    return found


def _chunk(reader: _Reader) -> Chunk:
    numbers = {_TYPE: -1, _VALUES: 0, _UNPACKED: 0}
    encodings: list[int] = []
    for field, kind in reader.fields():
        if field in numbers and kind in _NUMBERS:
            numbers[field] = reader.signed()
        elif field == _ENCODINGS:
            encodings = [reader.signed() for _ in range(reader.list()[1])]
        else:
            reader.skip(kind)
    return Chunk(numbers[_TYPE], encodings, numbers[_VALUES], numbers[_UNPACKED])


def _check(children: list[int]) -> None:
    """The number of children of each element, in the order of a walk from the root down, each before its children."""
    left: list[int] = []
    for count in children:
        while left and not left[-1]:
            left.pop()
        if left:
            left[-1] -= 1
        if count > 0:
            left.append(count)
        if len(left) > MAX_COLUMN_DEPTH:
            raise DamageError(f"its columns are nested more than {MAX_COLUMN_DEPTH} levels deep")


class _Reader:
    """Thrift's compact protocol, as far as it is needed here."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        """A varint."""
        found = shift = 0
        while (byte := self.byte()) & 128:
            found |= (byte & 127) << shift
            shift += 7
            if shift > 63:  # noqa: PLR2004
                raise DamageError("a number in its footer is of more than 64 bits")
        return found | byte << shift

    def signed(self) -> int:
        """A number that can be below zero."""
        found = self.number()
        return (found >> 1) ^ -(found & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """The fields of the struct that begins here, by number and kind; who takes one reads or skips its value."""
        field = 0
        while (header := self.byte()) != _STOP:
            field = field + (header >> 4) if header >> 4 else self.signed()
            yield field, header & 15

    def list(self) -> tuple[int, int]:
        """The kind and number of a list's items."""
        header = self.byte()
        return header & 15, self.number() if header >> 4 == _LONG else header >> 4

    def children(self) -> int:
        """How many children the schema element has that begins here, which is passed over."""
        found = 0
        for field, kind in self.fields():
            if field == _CHILDREN:
                found = self.signed()
            else:
                self.skip(kind)
        return found

    def skip(self, kind: int) -> None:
        """Pass over a value. Raises IndexError behind the end, RecursionError."""
        if self._at >= len(self._data):
            raise IndexError("the footer ends too early")
        if kind == _BYTE:
            self._at += 1
        elif kind in _NUMBERS:
            self.number()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            length = self.number()
            self._at += length
        elif kind in (_LIST, _SET):
            inner, count = self.list()
            for _ in range(count):
                self.skip(_BYTE if inner in (_TRUE, _FALSE) else inner)
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind not in (_TRUE, _FALSE):
            raise DamageError(f"its footer has a value of an unknown kind, {kind}")
