"""Naming a run: by path, by id, by a unique prefix, as the latest."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from runfolio import Status, load_run
from runfolio.catalog import scan
from runfolio.errors import FormatError, NotFoundError
from runfolio.root import find, folders

from .users import as_another_user


def record(name: str, root: Path | None = None) -> Path:
    with Status(name=name, root=root) as status:
        status.log(name)
    assert status.folder is not None
    return status.folder


def test_by_path_id_prefix_and_latest(root, monkeypatch):
    first, second = record("first"), record("second")
    assert load_run(first).run_id == load_run(str(first)).run_id == first.name
    assert load_run(first.name).name == "first"
    assert load_run(first.name[:-2]).name == "first"
    assert load_run("latest").name == "second"
    monkeypatch.chdir(root)
    assert load_run(f".{os.sep}{second.name}").name == "second"
    assert load_run(second.name, root=root).name == "second"


def test_the_latest_of_one_second_is_told_by_its_start():
    names = [f"run-{n}" for n in "zyxwvu"]
    for name in names:
        record(name)
        assert load_run("latest").name == name


def test_a_folder_that_was_renamed_keeps_its_place_in_time(root):
    old = record("old")
    new = record("new")
    old.rename(root / "zzz copy")
    assert load_run("latest").folder == new
    assert load_run("zzz copy").name == "old" and load_run("zzz").run_id == old.name


def test_a_prefix_of_several_names_them(root):
    first, second = record("first"), record("second")
    with pytest.raises(NotFoundError, match="2 runs begin with '20'.*write more of the id") as caught:
        find("20")
    assert first.name in str(caught.value) and second.name in str(caught.value) and caught.value.key == "20"


@pytest.mark.parametrize("name", ["nothing", "latest", "", "./nothing", "/nothing/at/all"])
def test_what_is_not_there_is_told(name):
    with pytest.raises(NotFoundError, match="no run"):
        find(name)


def test_a_root_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotFoundError, match="is a file; name the folder that holds the runs"):
        find("latest", tmp_path / "file")


def test_what_may_not_be_read_is_told_and_not_left_out():
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        run = record("closed", base)
        run.chmod(0o700 if os.geteuid() == 0 else 0)
        with as_another_user():
            assert folders(base) == [run.name]
            (row,) = scan(base)
            assert "can't be read" in (row.damage or "")
        run.chmod(0o755)
        base.chmod(0o711 if os.geteuid() == 0 else 0o311)
        with as_another_user(), pytest.raises(FormatError, match="can't be read: Permission denied; ask its owner"):
            find("latest", base)
        base.chmod(0o755)


def test_folders_without_a_manifest_are_no_runs(root):
    run = record("real")
    (root / "notes").mkdir()
    (root / "file").write_text("x")
    (root / "link").symlink_to(run)
    assert folders(root) == [run.name]
