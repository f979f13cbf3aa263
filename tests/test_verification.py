"""Verifying a run: what is damage, what is a note, and that nothing of a sound run is either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from runfolio import Status
from runfolio.verification import verify

from .test_history import append, fields_of, lines_of, seal
from .test_schemas import record_every_kind, record_failure, record_pipeline


def found(folder: Path) -> list[str]:
    """The findings, as they are printed."""
    return [str(finding) for finding in verify(folder).findings]


def noted(folder: Path) -> list[str]:
    return [str(note) for note in verify(folder).notes]


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file, with the time of its last change."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def reseal_sums(folder: Path, name: str) -> None:
    """Let SHA256SUMS list a file as it is now."""
    from hashlib import sha256

    path = folder / "SHA256SUMS"
    lines = path.read_text().splitlines(keepends=True)
    new = f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
    path.write_text("".join(new if line.endswith(f"  {name}\n") else line for line in lines))


def rewrite(folder: Path, name: str, number: int, **fields: object) -> None:
    """Write other fields into a line, soundly, and let SHA256SUMS agree."""
    lines = lines_of(folder / name)
    lines[number] = seal({**fields_of(lines[number]), **fields})
    (folder / name).write_bytes(b"".join(lines))
    reseal_sums(folder, name)


@pytest.fixture
def ended(root: Path, people: pd.DataFrame) -> Path:
    return record_every_kind(root, people)


class TestASoundRun:
    def test_has_no_findings_however_it_was_written(self, root: Path, people: pd.DataFrame, tmp_path: Path) -> None:
        for folder in (record_every_kind(root, people), record_failure(root, people), record_pipeline(tmp_path)):
            assert found(folder) == []
            assert verify(folder).is_sound

    def test_is_told_with_what_was_checked(self, ended: Path) -> None:
        checked = verify(ended)
        files = [path for path in ended.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
        lines = sum(len(lines_of(path)) for path in ended.glob("*.jsonl"))
        assert (checked.lines, checked.files) == (lines, len(files))
        assert checked.bytes == sum(path.stat().st_size for path in files)
        assert (checked.run_id, checked.folder, checked.state) == (ended.name, str(ended), "completed")

    def test_of_every_kind_of_table_has_no_note(self, people: pd.DataFrame) -> None:
        odd = people.assign(c=people["name"].astype("category"), t=pd.Timestamp("2026", tz="UTC"), n=pd.NA)
        with Status() as status:
            status.store_result("frame", odd.set_index("age"))
            status.store_result("labels", odd.rename(columns={"age": 1, "weight": ("w", 2)}))
            status.store_result("series", people["age"])
            status.store_result("arrow", pa.table({"a": [1], "s": [{"x": 1}]}))
            status.store_result(
                "polars", pl.DataFrame({"a": [1], "d": [[1]], "k": pl.Series(["x"], dtype=pl.Categorical)})
            )
            status.store_result("stream", iter([people, people]))
            status.store_result("parts", {"x": {"y": people}, "report": {"rows": 3}})
            status.store_result("empty", pd.DataFrame())
        assert status.folder is not None
        checked = verify(status.folder)
        assert (checked.findings, checked.notes) == ([], [])

    def test_that_goes_on_has_neither_findings_nor_notes(self, status: Status) -> None:
        assert status.folder is not None
        append(status.folder / "changes.jsonl", b'{"kind":"change","seq":99')
        (status.folder / "results" / ".main-000009.1.tmp").touch()
        (status.folder / "results" / "000009-late.parquet").touch()
        checked = verify(status.folder)
        assert (checked.state, checked.findings, checked.notes) == ("in_progress", [], [])

    def test_is_not_written_to(self, ended: Path) -> None:
        before = content(ended)
        verify(ended)
        assert content(ended) == before

    def test_without_tables_needs_neither_pandas_nor_pyarrow(self, root: Path) -> None:
        with Status() as status:
            status.store_result("report", {"a": 1})
        code = (
            f"import sys; from runfolio.verification import verify; verify({str(status.folder)!r}); print(*sys.modules)"
        )
        modules = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert not {"pandas", "pyarrow"} & set(modules)

    def test_with_tables_needs_no_pandas(self, ended: Path) -> None:
        code = f"import sys; from runfolio.verification import verify; verify({str(ended)!r}); print(*sys.modules)"
        modules = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert "pyarrow" in modules and "pandas" not in modules
