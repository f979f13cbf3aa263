"""The index of a root: a list with it is the list without it, whatever became of the folders or of the index."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from runfolio import Status, catalog, layout, list_runs
from runfolio.catalog import RunRow, scan
from runfolio.index import read

from .cli.samples import flip, kill, record, rewrite_manifest


def listed(root: Path, **options: object) -> list[RunRow]:
    return list(scan(root, **options))


@pytest.fixture
def index(root: Path) -> Path:
    """That of a root with a completed, a failed, an interrupted and a damaged run."""
    record("good", 1)
    record("bad", 2, error=ValueError("no"))
    kill()
    flip(record("damaged", 3) / "run.json")
    assert listed(root, index=True) == listed(root)
    return root / layout.INDEX_FILE


@pytest.fixture
def plain(monkeypatch) -> None:
    """No run.json may be read."""

    def refuse(folder: str) -> None:
        raise AssertionError(f"{folder} was read")

    monkeypatch.setattr(catalog, "_ended", refuse)


def without(root: Path) -> list[RunRow]:
    """The list without the index."""
    path = root / layout.INDEX_FILE
    path.rename(path.with_name(".aside"))
    found = listed(root)
    path.with_name(".aside").rename(path)
    return found


def test_is_made_when_it_is_asked_for_and_for_its_owner_alone(root):
    record("good", 1)
    listed(root)
    assert not (root / layout.INDEX_FILE).exists()
    assert list(list_runs(root, index=True)["name"]) == ["good"]
    assert (root / layout.INDEX_FILE).stat().st_mode & 0o777 == 0o600


def test_has_ended_runs_alone_and_spares_reading_them(root, index, plain):
    assert sorted(row.name for _, row in read(root, RunRow).values()) == ["bad", "good"]
    for path in root.iterdir():
        if "good" not in path.name and "bad-" not in path.name and path.is_dir():
            shutil.rmtree(path)
    assert [row.name for row in listed(root)] == ["bad", "good"]


def test_gives_what_the_folders_give(root, index):
    assert listed(root) == without(root)
    assert [row.name for row in listed(root, states=["failed"])] == ["bad"]


def test_is_used_from_any_folder(root, index, monkeypatch):
    monkeypatch.chdir(root.parent)
    assert [row.folder for row in listed("runs")] == [f"runs/{Path(row.folder).name}" for row in listed(root)]


@pytest.mark.parametrize("change", ["replaced", "written over", "removed", "moved", "resumed", "new", "another's"])
def test_is_not_believed_where_a_folder_is_another(root, index, change):
    (good,) = (Path(row.folder) for row in listed(root) if row.name == "good")
    (bad,) = (Path(row.folder) for row in listed(root) if row.name == "bad")
    if change == "replaced":
        rewrite_manifest(good, name="other")
    elif change == "written over":
        data = (good / "run.json").read_bytes()
        (good / "run.json").unlink()
        (good / "run.json").write_bytes(data[:-3])
    elif change == "removed":
        shutil.rmtree(good)
    elif change == "moved":
        good.rename(good.with_name("elsewhere"))
    elif change == "resumed":
        Status.resume(bad).complete()
    elif change == "new":
        record("new", 4)
    else:
        shutil.rmtree(good)
        bad.rename(good)
    assert listed(root) == without(root)
    assert listed(root) == without(root), "and so the next time"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other", "version", "folder", "link"])
def test_that_is_damaged_is_none_and_is_made_anew(root, index, damage):
    data = index.read_bytes()
    if damage == "flip":
        flip(index)
    elif damage == "cut":
        index.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        index.write_bytes(b"")
    elif damage == "other":
        index.write_bytes(b'{"kind":"index"}\n[1,2]\n\xff')
    elif damage == "version":
        index.write_bytes(data.replace(b'"version":1', b'"version":2'))
    else:
        index.unlink()
        index.mkdir() if damage == "folder" else index.symlink_to("/etc/passwd")
    assert read(root, RunRow) == {}
    index_was_a_file = index.is_file() and not index.is_symlink()
    assert [row.name for row in listed(root) if row.state in ("completed", "failed")] == ["damaged", "bad", "good"]
    assert (len(read(root, RunRow)) == 2) == (index_was_a_file or damage == "link")
    assert Path("/etc/passwd").read_bytes().startswith(b"root:")


def test_that_can_not_be_written_is_done_without(root, monkeypatch):
    record("good", 1)
    monkeypatch.setattr(os, "open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    found = list(scan(root, index=True))
    monkeypatch.undo()
    assert len(found) == 1
    assert not (root / layout.INDEX_FILE).exists()


def test_is_rewritten_once_it_is_worth_it(root, monkeypatch):
    for day in range(1, 4):
        record(f"{day}", day)
    listed(root, index=True)
    before = (root / layout.INDEX_FILE).stat().st_ino
    listed(root)
    assert (root / layout.INDEX_FILE).stat().st_ino == before
    record("new", 5)
    listed(root)
    assert len(read(root, RunRow)) == 4


def test_that_is_left_off_early_loses_nothing(root, index):
    before = index.read_bytes()
    record("new", 5)
    assert next(scan(root)) is not None
    assert index.read_bytes() == before
    assert "new" in [row.name for row in listed(root)]


def test_rows_are_those_of_their_folders(root, index):
    (row,) = (row for row in listed(root) if row.name == "good")
    assert row == structs.replace(row, folder=str(root / row.run_id))


def test_has_no_folder_whose_name_is_no_text(root, index):
    (good,) = (Path(row.folder) for row in listed(root) if row.name == "good")
    good.rename(os.fsdecode(os.fsencode(root) + b"/odd\xff"))
    index.unlink()
    assert listed(root, index=True) == without(root)
    assert [row.name for _, row in read(root, RunRow).values()] == ["bad"]
