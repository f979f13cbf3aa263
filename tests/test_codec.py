"""Record and line: the checksum is byte-exact, and what comes back is what was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zlib import crc32

import pytest

from runfolio import codec
from runfolio.codec import BadLine
from runfolio.errors import NotFoundError
from runfolio.records import Event, Timing

EVENT = Event(
    seq=7, event_id="event-000007", timestamp=datetime(2026, 11, 22, 18, 48, 0, 5, tzinfo=UTC), type="log", message="é"
)


def test_a_line_is_one_json_object_that_ends_in_its_checksum():
    line = codec.encode(EVENT)
    assert line.endswith(b'"}\n') and line.count(b"\n") == 1
    fields = json.loads(line)
    assert list(fields)[:2] == ["kind", "seq"] and list(fields)[-1] == "crc"
    body = line[: line.rindex(b',"crc"')]
    assert fields["crc"] == f"{crc32(body):08x}"
    assert codec.decode("event", line[:-1]) == EVENT


def test_every_flip_of_a_bit_is_seen():
    line = codec.encode(EVENT)[:-1]
    for position in range(len(line)):
        for bit in range(8):
            flipped = line[:position] + bytes([line[position] ^ 1 << bit]) + line[position + 1 :]
            with pytest.raises(BadLine):
                codec.decode("event", flipped)


def test_a_checksum_is_compared_byte_by_byte():
    """In capitals it is the same number, and not what a writer writes."""
    for n in range(2000):
        body = b'{"kind":"event","seq":%d' % n
        crc = b"%08x" % crc32(body)
        if crc != crc.upper():
            break
    with pytest.raises(BadLine):
        codec.check(body + b',"crc":"' + crc.upper() + b'"}')
    codec.check(body + b',"crc":"' + crc + b'"}')


def test_times_always_have_microseconds():
    whole = datetime(2026, 11, 22, 18, 48, tzinfo=UTC)
    part = whole.replace(microsecond=120)
    for start, end in ((whole, whole), (whole, part), (part, whole), (part, part)):
        timing = Timing(
            seq=1,
            record_id="t",
            module_name="m",
            experiment_name="e",
            step_name="s",
            start_time=start,
            end_time=end,
            duration_seconds=0.0,
            cpu_seconds=None,
            outcome="completed",
            parent_id=None,
            context={},
        )
        line = codec.encode(timing)
        fields = json.loads(line)
        assert [len(fields[name]) for name in ("start_time", "end_time")] == [27, 27]
        assert codec.decode("timing", line[:-1]) == timing
        assert list(fields) == ["kind", *timing.keys(), "crc"]


def test_a_record_answers_by_its_fields_names():
    assert EVENT["message"] == "é" and dict(EVENT)["type"] == "log"
    with pytest.raises(NotFoundError, match="an? Event has no field 'colour'; its fields are seq, event_id"):
        EVENT["colour"]
