"""Results whose data is not in the folder on purpose: what each reader says, and that nothing counts as missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Status, codec, load_run, manifest
from runfolio.errors import RunfolioError, WithheldError
from runfolio.export import export
from runfolio.policy import Policy
from runfolio.records import Part
from runfolio.repair import repair
from runfolio.verification import verify

FILED = {"file": "results/000001-loader-a.parquet", "bytes": 4, "sha256": "0" * 64}


def part_of(**changed: object) -> Part:
    fields = {"name": None, "format": "parquet", "rows": 2, "columns": 1, "schema_id": "x", **FILED, **changed}
    return Part(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"file": None},
        {"bytes": None},
        {"sha256": None},
        {"withheld": "schema"},
        dict.fromkeys(FILED),
        {**dict.fromkeys(FILED), "sha256": "0" * 64, "withheld": "schema"},
    ],
)
def test_a_part_has_all_of_its_file_or_is_withheld(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="withheld"):
        part_of(**changed)


def test_a_line_of_a_writer_that_knew_no_withheld_data_is_read(tmp_path: Path) -> None:
    folder = rewritten(tmp_path, lambda part: part.pop("withheld"))
    run = load_run(folder)
    assert run.damage == []
    assert run.results["Loader[a]"]["data"]["n"].tolist() == [1, 2]


def test_a_line_with_neither_file_nor_reason_is_damaged(tmp_path: Path) -> None:
    folder = rewritten(tmp_path, lambda part: part.update(dict.fromkeys(FILED)))
    with pytest.warns(match="results.jsonl"):
        run = load_run(folder)
    assert not run.results


@pytest.mark.parametrize(
    ("reason", "told"),
    [("schema", "was not stored"), ("redacted", "was removed"), ("pruned", "was pruned"), ("x", ": x")],
)
def test_asking_for_withheld_data_names_the_module_and_the_reason(tmp_path: Path, reason: str, told: str) -> None:
    stored = load_run(withheld(tmp_path, reason)).results["Loader[a]"]
    assert stored.is_withheld
    assert stored["schema"].columns == ["n"]
    assert f"withheld ({reason})" in repr(stored)
    some = (lambda: stored["data"], lambda: stored.read(columns=["n"]))
    for ask in (*some, stored.read, stored.batches, stored.dataset):
        with pytest.raises(WithheldError, match="Loader") as caught:
            ask()
        assert isinstance(caught.value, RunfolioError)
        assert (caught.value.reason, caught.value.key) == (reason, "Loader[a]")
        assert told in str(caught.value)


def test_withheld_data_is_neither_damage_nor_unverified(tmp_path: Path) -> None:
    folder = withheld(tmp_path, "redacted")
    assert load_run(folder).damage == []
    found = verify(folder)
    assert found.findings == []
    assert found.notes == []


def test_a_repair_keeps_the_line_of_withheld_data_and_calls_nothing_lost(tmp_path: Path) -> None:
    folder = withheld(tmp_path, "schema")
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b"torn")
    made = repair(folder)
    assert (made.left_out, made.lines_left_out) == ([], 0)
    assert load_run(made.folder).results["Loader[a]"].is_withheld


def test_an_export_tells_that_data_is_withheld_and_writes_the_rest(tmp_path: Path) -> None:
    folder = withheld(tmp_path, "schema")
    (told,) = export(load_run(folder), tmp_path / "out")
    assert told.path is None and told.error is not None and "was not stored" in told.error
    assert list((tmp_path / "out").iterdir()) == []


def withheld(root: Path, reason: str) -> Path:
    """A run whose one result has no data."""
    folder = rewritten(root, lambda part: part.update({**dict.fromkeys(FILED), "withheld": reason}))
    (file,) = (folder / "results").iterdir()
    file.unlink()
    manifest.write_sums(folder, Policy())
    return folder


def rewritten(root: Path, edit: Callable[[dict[str, object]], object]) -> Path:
    """A run of one result, the part of whose line was edited, as run.json and SHA256SUMS have it."""
    with Status(root=root) as status, status.step("Loader", "a") as step:
        step.result(pd.DataFrame({"n": [1, 2]}))
    assert status.folder is not None
    path = status.folder / "results.jsonl"
    fields = codec.fields_of(path.read_bytes().rstrip(b"\n"))
    parts = json.loads(fields["parts"])
    edit(parts[0])
    path.write_bytes(codec.sealed({**fields, "parts": json.dumps(parts, separators=(",", ":")).encode()}))
    run_file = status.folder / "run.json"
    line = codec.fields_of(run_file.read_bytes().rstrip(b"\n"))
    segments = json.loads(line["segments"])
    for file in segments[0]["files"]:
        file["bytes"] = (status.folder / file["file"]).stat().st_size
    run_file.write_bytes(codec.sealed({**line, "segments": json.dumps(segments, separators=(",", ":")).encode()}))
    manifest.write_sums(status.folder, Policy())
    return status.folder
