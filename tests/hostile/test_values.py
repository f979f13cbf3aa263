"""Values of a hostile folder: numbers, times, counts and references that no writer writes, and JSON of other forms."""

from __future__ import annotations

import resource
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runfolio import Status, load_run
from runfolio.run import Run

from .forging import Lines, Place, Seed, everywhere, forge, literal, places, put
from .reading import answers, on_pipe, survives

MOST = 2**63 - 1


def loaded(folder: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_run(folder)


# Numbers and times

NUMBERS = {
    "the largest count": str(MOST),
    "one more": str(MOST + 1),
    "401 digits": "1" + "0" * 400,
    "negative": "-1",
    "the largest float": "1.7976931348623157e308",
    "beyond floats": "1e999",
    "NaN, which is no JSON": "NaN",
    "a fraction": "0.5",
    "zero": "-0",
    "null": "null",
    "a text": '"1"',
    "a list": "[1]",
}
COUNTED = {"seq", "format_version"}
"""Without these a line is damage; they have tests of their own."""


def is_number(place: Place, value: Any) -> bool:
    return type(value) in (int, float) and place[-1] not in COUNTED


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
class TestNumbers:
    def test_one_in_place_of_all(self, number: str, seed: Seed, home: Path, tmp_path: Path):
        change = everywhere(lambda place, value: literal(number) if is_number(place, value) else value)
        survives(forge(home, seed, change), tmp_path / "lib")

    def test_one_in_place_of_any(self, number: str, seed: Seed, home: Path):
        for place in places(seed.lines, is_number):
            if place[0] in ("schemas.jsonl", "changes.jsonl", "run.json"):
                forge(home, seed, put(place, literal(number)))
                for name in ("ls", "show", "check"):
                    on_pipe(home, name)


TIMES = {
    "of the year 1": "0001-01-01T00:00:00.000000Z",
    "of the year 9999": "9999-12-31T23:59:59.999999Z",
    "behind all years": "9999-12-31T23:59:59.999999-14:00",
    "before all years": "0001-01-01T00:00:00+14:00",
    "of another zone": "2026-11-22T18:48:00+05:30",
    "of no zone": "2026-11-22T18:48:00",
    "of no day": "2026-02-30T00:00:00Z",
    "a leap second": "2026-06-30T23:59:60Z",
    "nothing": "",
}


def is_time(place: Place, value: Any) -> bool:
    return isinstance(value, str) and place[-1] in ("timestamp", "start_time", "end_time")


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
class TestTimes:
    def test_one_in_place_of_all(self, time: str, seed: Seed, home: Path, tmp_path: Path):
        change = everywhere(lambda place, value: time if is_time(place, value) else value)
        survives(forge(home, seed, change), tmp_path / "lib")

    def test_one_in_place_of_any(self, time: str, seed: Seed, home: Path, tmp_path: Path):
        for place in places(seed.lines, is_time):
            if place[0] in ("events.jsonl", "timings.jsonl", "run.json"):
                answers(forge(home, seed, put(place, time)), tmp_path / "lib")


def test_times_are_told_in_utc_and_those_beyond_all_years_not_at_all(seed: Seed, home: Path):
    for time, told in ((TIMES["of another zone"], "2026-11-22 13:18:00+00:00"), (TIMES["behind all years"], "NaT")):
        run = loaded(forge(home, seed, everywhere(lambda place, value, t=time: t if is_time(place, value) else value)))
        assert set(map(str, run.get_timing()["start_time"])) == {told}
        assert str(run.start_time or pd.NaT) == told
        assert ("13:18:00 UTC" in run.state_reason) == (told != "NaT")


# The count

SEQUENCES: dict[str, Callable[[int], int | str]] = {
    "the largest in the middle": lambda seq: MOST if seq == 5 else seq,
    "a gap of a million millions": lambda seq: seq if seq < 10 else seq + 10**12,
    "up to the largest": lambda seq: MOST - 40 + seq,
    "from 0": lambda seq: seq - 1,
    "below 0": lambda seq: -seq,
    "all the same": lambda seq: 1,
    "all the largest": lambda seq: MOST,
    "beyond 64 bits": lambda seq: literal(str(2**64)) if seq == 5 else seq,
    "fractions": lambda seq: literal(f"{seq}.0"),
    "each twice": lambda seq: seq // 2,
    "backwards": lambda seq: 1000 - seq,
}


@pytest.mark.parametrize("count", SEQUENCES.values(), ids=SEQUENCES)
def test_a_count_that_is_none_is_told_and_neither_looped_over_nor_allocated(
    count: Callable[[int], int | str], seed: Seed, home: Path, tmp_path: Path
):
    def change(lines: Lines) -> None:
        for name, of_file in lines.items():
            for line in of_file if name != "run.json" else ():
                line["seq"] = count(line["seq"])

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    survives(forge(home, seed, change), tmp_path / "lib")
    found = loaded(home).damage
    assert any(word in str(finding) for finding in found for word in ("lost", "twice", "kind and seq", "no "))
    assert len(found) < 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_gap_up_to_the_largest_count_loses_no_line_that_is_there(seed: Seed, home: Path):
    sound = loaded(forge(home, seed))
    run = loaded(forge(home, seed, put(("events.jsonl", -1, "seq"), MOST)))
    assert len(run.events) == len(sound.events) and len(run.snapshots) == len(sound.snapshots)
    assert f"to {MOST - 1} of writer main is in no journal" in str(run.damage[0])


# References


def same(key: str) -> Callable[[Lines], None]:
    """The change that makes all of a key one value."""
    return everywhere(lambda place, value: "x" if place[-1] == key and isinstance(value, str) else value)


def each_its_own_parent(lines: Lines) -> None:
    for line in [*lines["timings.jsonl"], *lines["events.jsonl"]]:
        line["parent_id"] = line["record_id"]


def parents_in_a_ring(lines: Lines) -> None:
    timings = lines["timings.jsonl"]
    for one, other in zip(timings, timings[1:] + timings[:1], strict=True):
        one["parent_id"] = other["record_id"]


def a_writer_that_continues_itself(lines: Lines) -> None:
    lines["events.jsonl"][0]["context"]["continues"] = {"writer": "main", "files": []}


def two_writers_that_continue_each_other(lines: Lines) -> None:
    files = [{"file": "events.jsonl", "lines": MOST, "bytes": MOST}]
    lines["events.jsonl"][0]["context"]["continues"] = {"writer": "b", "files": files}
    header = deepcopy(lines["events.jsonl"][0])
    header["context"].update(writer="b", continues={"writer": "main", "files": files})
    lines["events.b.jsonl"] = [header]


def a_restore_of_what_is_to_come(lines: Lines) -> None:
    for line in lines["events.jsonl"]:
        if line["type"] == "restore":
            line["snapshot_id"] = lines["snapshots.jsonl"][-1]["snapshot_id"]


def a_path_that_repeats_itself(lines: Lines) -> None:
    for line in [*lines["snapshots.jsonl"], *lines["events.jsonl"]]:
        if "path" in line["context"]:
            line["context"]["path"] *= 3


def renames_in_a_ring(lines: Lines) -> None:
    changes = lines["changes.jsonl"]
    for one, other in zip(changes, changes[1:] + changes[:1], strict=True):
        one.update(type="DELETE", details={"renamed_to": other["target"], "renamed_from": other["target"]})


RINGS = [
    each_its_own_parent,
    parents_in_a_ring,
    a_writer_that_continues_itself,
    two_writers_that_continue_each_other,
    a_restore_of_what_is_to_come,
    a_path_that_repeats_itself,
    renames_in_a_ring,
]
IDS = ["snapshot_id", "change_id", "record_id", "event_id", "schema_id", "structure_id", "key", "module_name"]


@pytest.mark.parametrize("change", RINGS, ids=lambda change: change.__name__)
def test_what_refers_to_itself_has_an_end(change: Callable[[Lines], None], seed: Seed, home: Path, tmp_path: Path):
    survives(forge(home, seed, change), tmp_path / "lib")


@pytest.mark.parametrize("key", IDS)
def test_an_id_that_several_have_is_no_error(key: str, seed: Seed, home: Path, tmp_path: Path):
    survives(forge(home, seed, same(key)), tmp_path / "lib")


def test_a_path_of_20_000_steps_takes_no_more_than_its_length(seed: Seed, home: Path, tmp_path: Path):
    """Its beginnings together would take gigabytes."""
    long = [{"module_name": "m", "experiment_name": "e"}] * 20_000

    def change(lines: Lines) -> None:
        for line in lines["results.jsonl"]:
            line["path"] = long
        for line in lines["snapshots.jsonl"][2:3]:
            line["context"]["path"] = long

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers(forge(home, seed, change), tmp_path / "lib")
    for name in ("show", "history", "diff"):
        on_pipe(home, name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


# Other forms

FORMS = {
    "invalid UTF-8": b'"\xff\xfe"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a NUL in two bytes": b'"\xc0\x80"',
    "an escaped NUL": b'"a\\u0000b"',
    "a NUL as it is": b'"a\0b"',
    "an ESC as it is": b'"a\x1b[2Jb"',
    "a lone surrogate": b'"\\ud800"',
    "half a pair": b'"\\ud83dx"',
    "an empty text": b'""',
    "an object": b'{"a":{"b":[]}}',
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "lists 1,000 deep": b"[" * 1000 + b"]" * 1000,
    "true": b"true",
    "null": b"null",
    "keys that come twice": b'"a","message":"b","seq":99,"kind":"change","name":"c","type":"log"',
    "the end of the object": b'"a"},{"b":"c"',
    "100,000 characters": b'"%s"' % (b"x" * 100_000),
}
ANY = {"name", "target", "message", "module_name", "key", "traceback", "unit", "point", "path"}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
class TestForms:
    def test_one_in_place_of_all(self, form: bytes, seed: Seed, home: Path, tmp_path: Path):
        change = everywhere(lambda place, value: literal(form) if place[-1] in ANY and value is not None else value)
        survives(forge(home, seed, change), tmp_path / "lib")

    def test_one_in_place_of_any(self, form: bytes, seed: Seed, home: Path):
        for place in places(seed.lines, lambda place, value: place[-1] in ANY and isinstance(value, str)):
            forge(home, seed, put(place, literal(form)))
            on_pipe(home, "show", "--json")


CONTEXTS: list[Any] = [
    {"path": "x"},
    {"path": [1]},
    {"path": {"module_name": "a"}},
    {"path": [{"module_name": 1, "experiment_name": None}]},
    {"path": [], "point": "after"},
    {"point": ["after"]},
    {"point": {"a": 1}},
    {"error": 5},
    {"error": {"type": 1}},
    {"plan": [{"parent": 5}], "copy": "../config.yaml"},
]


@pytest.mark.parametrize("context", CONTEXTS, ids=str)
def test_a_context_of_another_form_is_no_error(context: Any, seed: Seed, home: Path, tmp_path: Path):
    def change(lines: Lines) -> None:
        for name in ("snapshots.jsonl", "events.jsonl", "timings.jsonl"):
            for line in lines[name]:
                line["context"] = context

    survives(forge(home, seed, change), tmp_path / "lib")


DETAILS: list[Any] = [
    {"renamed_to": 5, "renamed_from": None},
    {"renamed_to": ["a"], "renamed_from": {"a": 1}},
    {"renamed_to": "age", "renamed_from": "age"},
    {"added": "x", "dropped": [1]},
    {"added": -1, "dropped": MOST},
    {"added": 1e308, "dropped": None, "reordered": "yes", "columns_reordered": {}},
]


@pytest.mark.parametrize("kind", ["CREATE", "DELETE", "TRANSFORM", "UPDATE"])
@pytest.mark.parametrize("details", DETAILS, ids=str)
def test_details_of_another_form_are_no_error(kind: str, details: Any, seed: Seed, home: Path, tmp_path: Path):
    def change(lines: Lines) -> None:
        for line in lines["changes.jsonl"]:
            line.update(type=kind, details=details)

    answers(forge(home, seed, change), tmp_path / "lib")
    for name in ("show", "history", "check", "diff"):
        on_pipe(home, name)


def test_the_forger_forges_soundly(seed: Seed, home: Path):
    """Without a change there is nothing to find but what the run itself tells to have lost."""
    run = loaded(forge(home, seed))
    assert [finding.reason for finding in run.damage] == ["the run went on without 3 records before seq 35: full"]
    assert isinstance(run, Run) and not isinstance(run, Status)
