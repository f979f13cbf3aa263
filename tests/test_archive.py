"""Archiving a run: one zip file that reads as the folder does, and refuses what no archive of ours is."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from msgspec import to_builtins

from runfolio import Run, Status, follow, load_run
from runfolio.archive import archive
from runfolio.errors import DamageError, DamageWarning, FormatError, NotFoundError, UsageError, WriteError
from runfolio.limits import MAX_DIRECTORY
from runfolio.repair import repair
from runfolio.verification import verify

from .damage import harm, record_golden, record_interrupted
from .test_repair import answers


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_golden(tmp_path_factory.mktemp("golden"))


@pytest.fixture
def folder(golden: Path, root: Path) -> Path:
    copy = Path(shutil.copytree(golden, root / golden.name))
    for lock in copy.glob("*.lock"):  # in a copy it looks young, and a run without an end alive
        lock.unlink()
    return copy


def rewritten(source: str | Path, target: Path, change) -> Path:
    """A zip of the same files, each as this function makes of its entry and bytes; None leaves it out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            for made in change(info, old.read(info)):
                new.writestr(*made)
    return target


class TestReadingOne:
    def test_gives_all_that_the_folder_gives(self, folder):
        archived = archive(folder)
        assert (Path(archived.path), archived.run_id) == (folder.with_name(f"{folder.name}.zip"), folder.name)
        shutil.move(folder, folder.with_name("elsewhere"))
        assert answers(load_run(archived.path)) == answers(load_run(folder.with_name("elsewhere")))
        found = verify(archived.path)
        assert found.findings == []
        assert found.lines == verify(folder.with_name("elsewhere")).lines

    def test_gives_results_in_every_way(self, root):
        frame = pd.DataFrame({"age": [31, 40], "name": ["Ada", None]}, index=["a", "b"])
        with Status(root=root) as status, status.step("Split", "two") as step:
            step.result({"train": frame, "report": {"rows": [1, 2]}})
        run = load_run(archive(status.folder).path)
        (result,) = run.get_result().values()
        pd.testing.assert_frame_equal(result["data"]["train"], frame)
        assert result["data"]["report"] == {"rows": [1, 2]}
        assert result.read("train", columns=["age"], as_="arrow").to_pydict() == {"age": [31, 40]}
        assert [len(one) for one in result.batches("train", size=1)] == [1, 1]
        with pytest.raises(UsageError, match="is an archive, and a dataset is read by its path"):
            result.dataset("train")

    def test_again_finds_the_same_and_nothing_twice(self, folder):
        run = load_run(archive(folder).path)
        before = answers(run)
        run.refresh()
        assert answers(run) == before

    def test_is_by_its_path_or_its_name_under_the_root(self, folder, root, monkeypatch):
        archived = Path(archive(folder).path)
        monkeypatch.chdir(root)
        assert load_run(archived.name).run_id == folder.name
        monkeypatch.chdir("/")
        assert load_run(archived.name, root=root).run_id == folder.name
        assert load_run(f"{archived}").run_id == folder.name
        with pytest.raises(NotFoundError):
            load_run(f"{archived}.zip")

    def test_is_what_follow_gives_too(self, folder):
        archived = archive(folder).path
        assert list(follow(archived)) == list(follow(folder))

    def test_leaves_no_descriptor_and_no_file(self, folder, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies"))
        (tmp_path / "copies").mkdir()
        run = load_run(archive(folder).path)
        open_before = len(list(Path("/proc/self/fd").iterdir()))
        for result in run.get_result().values():
            assert result["data"] is not None
        assert (len(list(Path("/proc/self/fd").iterdir())), list((tmp_path / "copies").iterdir())) == (open_before, [])

    def test_without_room_for_a_copy_says_so(self, folder, monkeypatch):
        archived = archive(folder).path
        monkeypatch.setattr("tempfile.tempdir", "/dev/full/none")
        with pytest.raises(FormatError, match="no copy in temporary storage, the folder that TMPDIR names"):
            load_run(archived)


class TestMakingOne:
    def test_unpacks_to_the_folder_that_it_was(self, folder, tmp_path):
        archived = archive(folder, to=tmp_path / "kept.zip")
        with zipfile.ZipFile(archived.path) as found:
            assert found.testzip() is None
            assert {info.compress_type for info in found.infolist()} == {zipfile.ZIP_STORED}
            found.extractall(tmp_path / "unpacked")
        unpacked = tmp_path / "unpacked" / folder.name
        sums = subprocess.run(
            ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=unpacked, capture_output=True, check=False
        )
        assert (sums.returncode, sums.stdout) == (0, b"")
        assert answers(load_run(unpacked)) == answers(load_run(folder))

    def test_keeps_the_folder_and_leaves_out_what_is_not_the_runs(self, folder):
        before = sorted(path.name for path in folder.iterdir())
        (folder / "notes.txt").write_text("mine")
        archived = archive(folder)
        assert archived.left_out == ["notes.txt"]
        assert sorted(path.name for path in folder.iterdir()) == sorted([*before, "notes.txt"])
        assert verify(archived.path).notes == [one for one in verify(folder).notes if one.file != "notes.txt"]

    def test_of_an_interrupted_run_is_interrupted(self, root):
        folder = record_interrupted(root)
        run = load_run(archive(folder).path)
        assert run.state == "interrupted"
        assert len(run.snapshots) == len(load_run(folder).snapshots)

    @pytest.mark.parametrize("seed", range(8))
    def test_of_a_damaged_run_is_damaged_alike(self, folder, seed):
        harm(folder, Random(seed))
        archived = archive(folder).path
        assert verify(archived).findings == verify(folder).findings != []
        with pytest.warns(DamageWarning) if Run(folder).damage else nullcontext():
            load_run(archived)

    def test_of_a_live_run_is_refused(self, root):
        with Status(root=root) as status:
            status.log("begun")
            with pytest.raises(UsageError, match="it is still written to"):
                archive(status.folder)

    def test_takes_no_ones_place(self, folder, tmp_path):
        (tmp_path / "mine.zip").write_text("mine")
        for to, why in (("mine.zip", "is there already"), ("mine.tar", "has no name of an archive")):
            with pytest.raises(UsageError, match=why):
                archive(folder, to=tmp_path / to)
        with pytest.raises(UsageError, match="is in the run's own folder"):
            archive(folder, to=folder / "x.zip")
        with pytest.raises(WriteError):
            archive(folder, to=tmp_path / "nowhere" / "x.zip")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.zip", "runs"]
        with pytest.raises(UsageError, match="is an archive"):
            archive(archive(folder).path)

    def test_that_is_killed_leaves_no_archive(self, folder, tmp_path):
        code = (
            "import os, sys, runfolio.archive as a\n"
            "a._compare = lambda *_: os._exit(9)\n"
            "a.archive(sys.argv[1], to=sys.argv[2])\n"
        )
        target = tmp_path / "x.zip"
        assert subprocess.run([sys.executable, "-c", code, str(folder), str(target)], check=False).returncode == 9
        assert not target.exists()
        assert archive(folder, to=target).path == str(target)

    def test_that_does_not_read_as_the_folder_is_an_error(self, folder, monkeypatch):
        def write_less(folder, names, temporary, write=archive.__globals__["_write"]):
            write(folder, [name for name in names if not name.startswith("results/")], temporary)

        monkeypatch.setitem(archive.__globals__, "_write", write_less)
        with pytest.raises(DamageError, match="does not read as the folder does"):
            archive(folder)
        assert not list(folder.parent.glob("*.zip"))


class TestWriting:
    def test_into_one_is_refused(self, root):
        archived = archive(record_interrupted(root)).path
        for write in (Status.resume, Status.join, repair):
            with pytest.raises(UsageError, match="is an archive, which is only read"):
                write(archived)


def _twice(info, data):
    return (
        [(info.filename, data), (info.filename, data)]
        if info.filename.endswith("run.json")
        else [(info.filename, data)]
    )


def _deflated(info, data):
    return [(info.filename, data, zipfile.ZIP_DEFLATED if info.filename.endswith("events.jsonl") else None)]


class TestAStrangers:
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (_twice, "is there twice"),
            (_deflated, "is compressed or encrypted"),
            (lambda info, data: [("x", data)], "is in no folder"),
            (lambda info, data: [(info.filename, data), (f"other{info.filename}", data)], "it holds 2 folders"),
        ],
    )
    def test_archive_of_another_form_is_refused(self, folder, tmp_path, change, why):
        forged = rewritten(archive(folder).path, tmp_path / "forged.zip", change)
        for read in (load_run, verify):
            with pytest.raises(FormatError, match=why):
                read(forged)

    def test_paths_in_it_never_become_paths(self, folder, tmp_path):
        def outside(info, data):
            names = ("../../stray", "results/../../../stray", "results//x", "/etc/x", "C:\\x")
            strays = [(f"{folder.name}/{name}", b"{}") for name in names if info.filename.endswith("run.json")]
            return [(info.filename, data), *strays]

        forged = rewritten(archive(folder).path, tmp_path / "forged.zip", outside)
        assert answers(load_run(forged)) == answers(load_run(folder))
        assert verify(forged).findings == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["forged.zip", "runs"]

    def test_file_that_is_no_zip_is_refused(self, tmp_path):
        for data in (b"", b"PK", b"{}" * 100, struct.pack("<4s8xLLH", b"PK\5\6", MAX_DIRECTORY + 1, 0, 0)):
            (tmp_path / "x.zip").write_bytes(data)
            with pytest.raises(FormatError, match="can't be read as an archived run"):
                load_run(tmp_path / "x.zip")

    def test_any_byte_may_be_another(self, folder, tmp_path):
        """A flipped bit is told, or is in what nobody reads; nothing but our errors comes out."""
        data = Path(archive(folder).path).read_bytes()
        expected, forged, told = answers(load_run(folder)), tmp_path / "x.zip", 0
        for place in range(len(data) - 1, -1, -max(len(data) // 120, 1)):
            forged.unlink(missing_ok=True)
            forged.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
            try:
                found = verify(forged)
            except FormatError:
                told += 1
                continue
            told += bool(found.findings)
            if not found.findings:
                assert answers(load_run(forged)) == expected
        assert told > 60

    @pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.999])
    def test_part_of_one_is_refused(self, folder, tmp_path, left):
        data = Path(archive(folder).path).read_bytes()
        (tmp_path / "x.zip").write_bytes(data[: int(len(data) * left)])
        with pytest.raises(FormatError, match="can't be read as an archived run"):
            load_run(tmp_path / "x.zip")

    def test_sparse_giant_is_refused_without_being_read(self, tmp_path):
        with (tmp_path / "x.zip").open("wb") as file:
            file.truncate(2**40)
            file.seek(-22, os.SEEK_END)
            file.write(struct.pack("<4s8xLLH", b"PK\5\6", 2**32 - 2, 0, 0))
        with pytest.raises(FormatError, match="its directory takes 4,294,967,294 bytes"):
            load_run(tmp_path / "x.zip")

    def test_link_to_one_is_followed_for_the_user_named_it(self, folder, tmp_path):
        (tmp_path / "link.zip").symlink_to(archive(folder).path)
        assert load_run(tmp_path / "link.zip").run_id == folder.name


def test_what_was_archived_is_told_as_plain_values(folder):
    assert set(to_builtins(archive(folder))) == {"run_id", "path", "files", "bytes", "left_out"}
