"""How deep the columns of a Parquet file are nested, by its footer's own bytes.

Arrow 21 builds nested columns by recursion without an end, which takes the process with it. Later versions have a limit
of their own, which is the same.
"""

from __future__ import annotations

from runfolio.errors import DamageError

__all__ = ["MAX_COLUMN_DEPTH", "check_depth"]

MAX_COLUMN_DEPTH = 100

_SCHEMA = 2
_CHILDREN = 5
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)
_LONG = 15


def check_depth(footer: bytes) -> None:
    """Raise DamageError for a footer with columns that are nested too deeply; IndexError where it ends too early."""
    reader = _Reader(footer)
    field = 0
    while (header := reader.byte()) != _STOP:
        field = reader.field(header, field)
        if field != _SCHEMA:
            reader.skip(header & 15)
            continue
        _, count = reader.list()
        _check([reader.children() for _ in range(count)])
        return


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
    """Thrift's compact protocol, as far as a schema needs it."""

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

    def field(self, header: int, last: int) -> int:
        """The id of a field, by its header and the id of the one before."""
        if header >> 4:
            return last + (header >> 4)
        found = self.number()
        return (found >> 1) ^ -(found & 1)

    def list(self) -> tuple[int, int]:
        """The kind and number of a list's items."""
        header = self.byte()
        return header & 15, self.number() if header >> 4 == _LONG else header >> 4

    def children(self) -> int:
        """How many children the schema element has that begins here, which is passed over."""
        found = field = 0
        while (header := self.byte()) != _STOP:
            field = self.field(header, field)
            if field == _CHILDREN:
                found = self.number() >> 1
            else:
                self.skip(header & 15)
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
            while (header := self.byte()) != _STOP:
                if not header >> 4:
                    self.number()
                self.skip(header & 15)
        elif kind not in (_TRUE, _FALSE):
            raise DamageError(f"its footer has a value of an unknown kind, {kind}")
