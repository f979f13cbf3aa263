"""Record <-> line: one spelling of everything that is on disk as JSON.

A line is one JSON object in UTF-8, ended by a newline. Its last field is `crc`: eight hex digits of the CRC-32 of the
line's bytes before `,"crc"`. `run.json` is one such line.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from msgspec import DecodeError, Raw, Struct, ValidationError, json, to_builtins

from runfolio.errors import UsageError
from runfolio.limits import MAX_LINE
from runfolio.records import (
    Change,
    Event,
    Manifest,
    Opaque,
    Result,
    SchemaRefs,
    Snapshot,
    Timing,
)
from runfolio.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from runfolio.records import LineType

_CRC_LENGTH = len(',"crc":"00000000"}')

_encode_into = json.Encoder().encode_into
LINE_TYPES: dict[str, Any] = {
    "snapshot": Snapshot[SchemaRefs],
    "change": Change,
    "timing": Timing,
    "result": Result,
    "schema": Schema,
    "event": Event,
}
"""The record type of each kind of line."""

_decode_fields = json.Decoder(dict[str, Any]).decode
_decode_raw_fields = json.Decoder(dict[str, Raw]).decode
_decode_raw_items = json.Decoder(list[Raw]).decode


@cache
def _decoder(kind: str) -> Callable[[bytes], LineType]:
    """The decoder of a kind, made when it is needed: a writer needs none. Raises KeyError for an unknown kind."""
    return json.Decoder(LINE_TYPES[kind]).decode


@cache
def _manifest_decoder() -> Callable[[bytes], Manifest]:
    return json.Decoder(Manifest).decode


class BadLine(Exception):
    """A complete line that is not what a writer wrote; the message says why. Never leaves the package."""


def encode(record: Struct) -> bytes:
    """The line of a record, its newline included. Raises UsageError if it would be longer than readers accept."""
    line = bytearray()
    encode_into(record, line)
    return bytes(line)


def encode_into(record: Struct, line: bytearray) -> None:
    """The same, in place of what the buffer holds: a writer has one, and so makes no copies."""
    _encode_into(record if _all_microseconds(record) else _with_microseconds(record), line)
    del line[-1]
    line += b',"crc":"%08x"}\n' % crc32(line)
    if len(line) > MAX_LINE:
        raise UsageError(
            f"a {type(record).__name__} of {len(line):,} bytes is longer than a line may be, {MAX_LINE:,}",
            remedy="store what is large as a result",
        )


def decode(kind: str, line: bytes) -> LineType | Opaque:
    """The record of a line that stands, without its newline, in a journal of this kind.

    A line of a kind that this version does not know comes back opaque. Raises BadLine, also for one that is known and
    stands in the wrong journal.
    """
    check(line)
    try:
        return _decoder(kind)(line)
    except (KeyError, ValueError, RecursionError) as error:
        return _opaque(kind, line, error)


def decode_all(kind: str, lines: list[bytes]) -> list[LineType]:
    """The records of lines that are all sound; any that is not makes the whole call raise BadLine or ValueError."""
    decode_line = _decoder(kind)
    records = []
    for line in lines:
        if b',"crc":"%08x"}' % crc32(line[:-18]) != line[-18:]:
            raise BadLine
        records.append(decode_line(line))
    return records


def decode_manifest(data: bytes) -> Manifest:
    """The manifest that `run.json` holds. Raises BadLine."""
    line = data.removesuffix(b"\n")
    check(line)
    if line == data:
        raise BadLine("its last newline is missing")
    try:
        return _manifest_decoder()(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"no manifest: {error}") from error


def format_version(data: bytes) -> int | None:
    """The format version that `run.json` names, whatever else is in it; None where it has a checksum that is wrong."""
    line = data.removesuffix(b"\n")
    if _has_checksum(line) and not _is_sound(line):
        return None  # the version may be what is damaged
    try:
        fields = _decode_fields(line)
    except (ValueError, RecursionError):
        return None
    found = fields.get("format_version")
    return found if isinstance(found, int) else None


def fields_of(text: bytes) -> dict[str, bytes]:
    """The fields of a JSON object, the value of each as it is spelled: to change some and keep all others."""
    return {name: bytes(value) for name, value in _decode_raw_fields(text).items()}


def items_of(text: bytes) -> list[bytes]:
    """The items of a JSON array as they are spelled."""
    return [bytes(item) for item in _decode_raw_items(text)]


def object_of(fields: dict[str, bytes]) -> bytes:
    """The JSON object of fields that are spelled.

    >>> object_of({**fields_of(b'{"seq":7,"later":1.50}'), "seq": b"3"})
    b'{"seq":3,"later":1.50}'
    """
    return b"{" + b",".join(json.encode(name) + b":" + value for name, value in fields.items()) + b"}"


def array_of(items: list[bytes]) -> bytes:
    """The JSON array of items that are spelled."""
    return b"[" + b",".join(items) + b"]"


def sealed(fields: dict[str, bytes]) -> bytes:
    """The line of fields that are spelled, with a new checksum and its newline."""
    content = object_of({name: value for name, value in fields.items() if name != "crc"})[:-1]
    return content + b',"crc":"%08x"}\n' % crc32(content)


def check(line: bytes) -> None:
    """Raise BadLine unless the line ends in the checksum of what stands before it."""
    if not _has_checksum(line):
        raise BadLine("it does not end in a checksum")
    if not _is_sound(line):
        raise BadLine("its checksum does not match")


def _has_checksum(line: bytes) -> bool:
    return line[-_CRC_LENGTH:-10] == b',"crc":"'


def _is_sound(line: bytes) -> bool:
    return line[-_CRC_LENGTH:] == b',"crc":"%08x"}' % crc32(line[:-_CRC_LENGTH])


def _opaque(kind: str, line: bytes, error: Exception) -> Opaque:
    try:
        fields = _decode_fields(line)
    except (DecodeError, UnicodeDecodeError, ValidationError, RecursionError) as reason:
        raise BadLine(f"no JSON object: {reason}") from reason
    found, seq = fields.get("kind"), fields.get("seq")
    if not isinstance(found, str) or type(seq) is not int:
        raise BadLine("it has no kind and seq")
    if found in LINE_TYPES and kind in LINE_TYPES:
        raise BadLine(f"no {kind}: {error}" if found == kind else f"it is a {found}, in a journal of another kind")
    return Opaque(seq=seq, kind=found, fields=fields)


def _all_microseconds(record: Any) -> bool:
    """Whether msgspec spells all times with microseconds: it leaves out `.000000`, which the format asks for."""
    kind = type(record)
    if kind is Change or kind is Event or kind is Snapshot or kind is Result:
        return bool(record.timestamp.microsecond)
    if kind is Schema:
        return True
    return bool(record.start_time.microsecond and (record.end_time is None or record.end_time.microsecond))


def _with_microseconds(record: Any) -> dict[str, Any]:
    """The fields of a record, its times spelled out."""
    fields: dict[str, Any] = to_builtins(record, builtin_types=(datetime,))
    for name, value in fields.items():
        if isinstance(value, datetime):
            utc = value.astimezone(UTC)
            fields[name] = utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return fields
