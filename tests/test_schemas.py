"""The JSON Schemas in `schemas/` are what the record types give, and what every line of a run conforms to."""

from __future__ import annotations

import errno
import json
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from runfolio import Executor, Status, jsonschema, layout
from runfolio.amendments import note, rename, tag
from runfolio.errors import WriteError, WriteWarning
from runfolio.records import EventType
from runfolio.redaction import redact
from runfolio.repair import repair
from runfolio.retention import prune, remove

COMMITTED = Path(__file__).parent.parent / "schemas"
KINDS = list(jsonschema.TYPES)


def record_every_kind(root: Path, people: pd.DataFrame) -> Path:
    """Record an ended run with every kind of line, every type of event, two segments, and every field set somewhere."""
    with Status(name="every kind", tags=["test"], sequence=["Loader"], root=root) as status:
        with status.step("Loader", "csv", context={"file": Path("people.csv")}) as step:
            step.result(people)
        snapshot_id = status.snapshots[-1].snapshot_id
        with status.step("Splitter", "half", data={"a": people, "b": people}) as outer:
            with status.step("Splitter", "inner", after=outer):
                outer.log("outer", level="warning")
            outer.progress(1, 2, "parts")
            outer.result({"a": people[:1].astype({"age": "float64"}), "b": people[1:].drop(columns="weight")})
        with status.step("Preprocessor", "swap", data=people.astype({"name": "category"})) as step:
            step.result(people.astype({"age": "category"}))
        status.restore_from_snapshot(snapshot_id)
        status.record_change("UPDATE", "weight", {"by": "hand"}, before=["kg"], after="g", part="a", module="Splitter")
        _disk_full(lambda: status.log("lost"))
        with status.step("Reporter", "counts") as step:
            step.result({"rows": len(people), "missing": None})
    assert status.folder is not None
    return status.folder


def record_failure(root: Path, people: pd.DataFrame) -> Path:
    """Record a run that failed in its second step."""
    status = Status(name="failure", root=root)
    with suppress(KeyError), status:
        with status.step("Loader", "csv") as step:
            frame = step.result(people)
        with status.step("Preprocessor", "sex") as step:
            step.result(frame[["sex"]])
    assert status.folder is not None and status.state == "failed"
    return status.folder


def record_pipeline(folder: Path) -> Path:
    """Record a pipeline that was declared and reads a file."""
    (folder / "people.csv").write_text("age\n36\n", encoding="utf-8")
    executor = Executor({"Loader": {"csv": {"path": str(folder / "people.csv")}}}, root=folder / "other")
    executor.run()
    assert executor.status.folder is not None
    return executor.status.folder


def record_loss(folder: Path) -> Path:
    """Record a run that goes on without a result."""
    with pytest.warns(WriteWarning), Status(root=folder / "lossy", on_write_error="warn") as status:
        status.start()
        assert status.folder is not None
        (status.folder / "results").touch()
        status.store_result("report", {"a": 1})
    return status.folder


def record_repair(folder: Path) -> Path:
    """Record a run, damage it, and repair it."""
    with Status(root=folder / "damaged") as status:
        status.log("lost")
    assert status.folder is not None
    (status.folder / "snapshots.jsonl").unlink()
    return Path(repair(status.folder).folder)


def record_amended(folder: Path, people: pd.DataFrame) -> Path:
    """Record a run, prune its data, redact it, and amend it in every way."""
    with Status(root=folder / "amended") as status, status.step("Loader", "csv") as step:
        step.result(people)
    assert status.folder is not None
    remove(prune(folder / "amended", keep_last=0, data_only=True))
    redact(status.folder, modules=["Loader"])
    rename(status.folder, "other")
    tag(status.folder, "kept", remove=["new"])
    note(status.folder, "a note")
    return status.folder


def lines_of(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The kind, by the file's name, and the fields of each line of a run folder."""
    yield "run", json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.jsonl")):
        parsed = layout.parse_journal_name(path.name)
        assert parsed is not None
        for line in path.read_text(encoding="utf-8").splitlines():
            yield parsed[0], json.loads(line)


def problems(kind: str, line: dict[str, Any]) -> list[str]:
    schema = json.loads((COMMITTED / f"{kind}.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(line)]


def _disk_full(call: Callable[[], object]) -> None:
    def write(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(WriteError):
            call()


@pytest.fixture
def run_folder(root: Path, people: pd.DataFrame) -> Path:
    return record_every_kind(root, people)


def test_the_committed_schemas_are_those_of_the_record_types() -> None:
    committed = {path.name: path.read_bytes() for path in COMMITTED.iterdir()}
    generated = {f"{kind}.json": jsonschema.text(kind).encode() for kind in KINDS}
    assert committed == generated, "run `python -m runfolio.jsonschema schemas/`"


def test_the_module_writes_the_schemas_into_the_folder_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["jsonschema", str(tmp_path / "new" / "schemas")])
    monkeypatch.delitem(sys.modules, "runfolio.jsonschema")
    runpy.run_module("runfolio.jsonschema", run_name="__main__")
    written = {path.name: path.read_bytes() for path in (tmp_path / "new" / "schemas").iterdir()}
    assert written == {path.name: path.read_bytes() for path in COMMITTED.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_committed_schema_is_valid_in_its_dialect_and_names_itself(kind: str) -> None:
    schema = json.loads((COMMITTED / f"{kind}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:runfolio:format:1:{kind}"
    assert list(schema["properties"])[-1] == "crc"


def test_every_line_of_a_run_conforms(run_folder: Path, tmp_path: Path, people: pd.DataFrame) -> None:
    seen = []
    folders = [run_folder, record_pipeline(tmp_path), record_loss(tmp_path), record_repair(tmp_path)]
    folders.append(record_amended(tmp_path, people))
    for kind, line in (found for folder in folders for found in lines_of(folder)):
        assert problems(kind, line) == [], line
        seen.append((kind, line.get("type", "")))
    assert {kind for kind, _ in seen} == set(KINDS)
    assert {name for kind, name in seen if kind == "event"} == set(get_args(EventType))


def test_every_line_of_a_failed_run_conforms(root: Path, people: pd.DataFrame) -> None:
    lines = list(lines_of(record_failure(root, people)))
    assert [problems(kind, line) for kind, line in lines if problems(kind, line)] == []
    assert lines[0][1]["error"]["type"] == "KeyError"
    assert [line["outcome"] for kind, line in lines if kind == "timing"] == ["completed", "failed"]


def test_every_line_of_a_live_run_conforms(status: Status) -> None:
    assert status.folder is not None
    lines = list(lines_of(status.folder))
    assert [problems(kind, line) for kind, line in lines if problems(kind, line)] == []
    assert lines[0][1]["state"] == "in_progress"


def test_a_line_with_a_field_of_a_later_version_conforms(run_folder: Path) -> None:
    for kind, line in lines_of(run_folder):
        assert problems(kind, {**line, "later": 1}) == []


def test_a_line_without_any_one_of_its_fields_does_not_conform(run_folder: Path) -> None:
    for kind, line in lines_of(run_folder):
        for name in line:
            assert problems(kind, {key: value for key, value in line.items() if key != name}), (kind, name)


WRONG: list[tuple[str, str, Any]] = [
    ("snapshot", "kind", "change"),
    ("snapshot", "seq", 0),
    ("snapshot", "timestamp", "2026-11-22T18:48:00Z"),
    ("snapshot", "timestamp", "2026-11-22T18:48:00.000000+00:00"),
    ("snapshot", "metadata", None),
    ("snapshot", "metadata", {"schema_before": []}),
    ("snapshot", "rows_after", 1.5),
    ("change", "type", "RENAME"),
    ("change", "target", None),
    ("change", "before", "text"),
    ("change", "details", []),
    ("timing", "duration_seconds", None),
    ("timing", "outcome", None),
    ("result", "parts", [{"name": None}]),
    ("schema", "fields", [{"name": "a", "dtype": "int64", "nullable": False}]),
    ("event", "type", 3),
    ("event", "state", "done"),
    ("event", "crc", "0123ABCD"),
    ("event", "crc", "123"),
    ("run", "totals", {}),
    ("run", "end_time", "yesterday"),
    ("run", "segments", [{"writer": "main"}]),
]


@pytest.mark.parametrize(("kind", "name", "value"), WRONG)
def test_a_line_with_a_wrong_value_does_not_conform(run_folder: Path, kind: str, name: str, value: Any) -> None:
    line = next(line for found, line in lines_of(run_folder) if found == kind)
    assert problems(kind, line) == []
    assert problems(kind, {**line, name: value})


def test_a_digest_that_is_none_does_not_conform(run_folder: Path) -> None:
    line = deepcopy(next(line for kind, line in lines_of(run_folder) if kind == "result"))
    line["parts"][0]["sha256"] = "abc"
    assert problems("result", line)


def test_the_header_of_a_segment_has_all_its_fields(run_folder: Path) -> None:
    headers = [line for kind, line in lines_of(run_folder) if kind == "event" and line["type"] == "segment"]
    assert sorted(header["context"]["continues"] is None for header in headers) == [False, True]
    for header in headers:
        for name in header["context"]:
            context = {key: value for key, value in header["context"].items() if key != name}
            assert problems("event", {**header, "context": context}), name
