"""Whether a record batch in Arrow's stream format is compressed, which pyarrow does not tell.

The metadata of a message is a FlatBuffer, of the tables that Arrow's `Message.fbs` declares.
"""

from __future__ import annotations

from struct import error, unpack_from
from typing import Any

__all__ = ["is_compressed"]

_HEADER = 2
"""The place of the header among the fields of a message, behind its version and the header's type."""

_COMPRESSION = 3
"""The place among the fields of a record batch, behind its length, nodes and buffers."""


def is_compressed(metadata: Any) -> bool:
    """Whether the record batch of a message is compressed, by its metadata. Raises ValueError if that is no message."""
    data = bytes(metadata)
    try:
        message = unpack_from("<I", data, 0)[0]
        header = _field(data, message, _HEADER)
        batch = header + unpack_from("<I", data, header)[0]
        return bool(_field(data, batch, _COMPRESSION) != batch)
    except error as problem:
        raise ValueError(f"no message: {problem}") from problem


def _field(data: bytes, table: int, place: int) -> int:
    """Where a table's field is; at the table itself if it has none of that place."""
    fields = table - unpack_from("<i", data, table)[0]
    size = unpack_from("<H", data, fields)[0]
    offset = 4 + 2 * place
    return table + (unpack_from("<H", data, fields + offset)[0] if offset < size else 0)
