"""Retention: which runs go by which rule; each is there whole or gone, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from msgspec import structs

from runfolio import Status, codec, layout, list_runs
from runfolio.clock import Clock
from runfolio.errors import NotFoundError, UsageError, WriteError
from runfolio.retention import Pruning, prune, remove
from runfolio.verification import verify

from .damage import record_interrupted

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(time: datetime) -> Clock:
    """A clock that stands still."""
    return Clock(now=lambda: time, monotonic=lambda: 0.0, cpu=lambda: 0.0)


def record(root: Path, day: int, *, name: str = "people", tags=(), error: bool = False, rows: int = 3) -> Path:
    """The folder of a run of that day of November."""
    status = Status(name=name, root=root, tags=tags, clock=at(datetime(2026, 11, day, 12, tzinfo=UTC)))
    with status.step("Loader", "csv") as step:
        step.result(pd.DataFrame({"age": range(rows)}))
    status.fail("no") if error else status.complete()
    assert status.folder is not None
    return status.folder


def days(found: Pruning) -> list[int]:
    return [int(Path(run.folder).name[6:8]) for run in found.runs]


@pytest.fixture
def runs(root: Path) -> Path:
    """Runs of six days; those of even days failed, those of the first three have a tag."""
    for day in range(1, 7):
        record(root, day, error=day % 2 == 0, tags=["t", f"d{day}"] if day < 4 else [], name=f"n{day % 3}")
    return root


class TestRules:
    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ({"keep_last": 4}, [2, 1]),
            ({"keep_last": 0}, [6, 5, 4, 3, 2, 1]),
            ({"keep_last": 10}, []),
            ({"older_than": "27d"}, [2, 1]),
            ({"older_than": timedelta(days=27)}, [2, 1]),
            ({"older_than": "27d", "keep_last": 5}, [1]),
            ({"state": "failed"}, [6, 4, 2]),
            ({"state": ["failed"], "keep_last": 1}, [4, 2]),
            ({"state": ["failed", "completed"], "older_than": "27d"}, [2, 1]),
            ({"tags": ["t"]}, [3, 2, 1]),
            ({"tags": ["t", "d2"]}, [2]),
            ({"name": "n1"}, [4, 1]),
            ({"name": "n*", "keep_last": 5}, [1]),
            ({"max_size": 0}, [6, 5, 4, 3, 2, 1]),
            ({"max_size": "1GB"}, []),
            ({"max_size": 0, "keep_last": 2}, [4, 3, 2, 1]),
            ({"max_size": 0, "older_than": "27d", "keep_last": 5}, [1]),
        ],
    )
    def test_choose_what_goes(self, runs, rules, expected):
        found = prune(runs, clock=at(NOW), **rules)
        assert (days(found), found.left, found.removed) == (expected, [], False)
        assert len(list_runs(runs)) == 6

    def test_take_as_many_as_a_size_needs(self, runs):
        sizes = {int(Path(row.folder).name[6:8]): row.bytes for row in list_runs(runs).itertuples()}
        most = sizes[6] + sizes[5] + sizes[4]
        assert days(prune(runs, max_size=most, clock=at(NOW))) == [3, 2, 1]
        assert days(prune(runs, max_size=most - 1, clock=at(NOW))) == [4, 3, 2, 1]
        old = prune(runs, max_size=most, older_than="28d", clock=at(NOW))
        assert [run.why[:8] for run in old.runs] == ["all take", "all take", "ended be"]

    def test_are_told_with_what_they_free(self, runs):
        found = prune(runs, keep_last=4)
        assert (found.kept, found.bytes) == (4, sum(list_runs(runs)["bytes"][-2:]))
        assert {run.why for run in found.runs} == {"not of the newest 4"}

    def test_are_needed(self, runs):
        with pytest.raises(UsageError, match="there is no rule"):
            prune(runs)

    @pytest.mark.parametrize(
        "rules",
        [
            *({"keep_last": -1}, {"keep_last": True}, {"older_than": "soon"}, {"older_than": timedelta(-1)}),
            *({"max_size": "-1"}, {"max_size": 1.5}, {"max_size": "1i"}, {"state": "gone"}, {"tags": "t"}),
        ],
    )
    def test_that_are_none_are_refused(self, runs, rules):
        with pytest.raises(UsageError):
            prune(runs, **rules)

    def test_of_no_root_find_nothing(self, tmp_path):
        found = prune(tmp_path / "none", keep_last=1)
        assert (found.runs, remove(found).runs) == ([], [])
        (tmp_path / "file").touch()
        with pytest.raises(NotFoundError):
            prune(tmp_path / "file", keep_last=1)


class TestRemoving:
    def test_takes_away_just_these(self, runs):
        (runs / "mine").mkdir()
        removed = remove(prune(runs, keep_last=4))
        assert (days(removed), removed.removed) == ([2, 1], True)
        assert sorted(path.name[6:8] for path in runs.iterdir()) == ["", "03", "04", "05", "06"]
        assert len(list_runs(runs)) == 4
        assert all(verify(folder).is_sound for folder in list_runs(runs)["folder"])

    def test_never_takes_a_live_run(self, root):
        with Status(root=root, name="live") as status:
            status.log("begun")
            assert prune(root, keep_last=0).runs == []
            status.log("still there")

    def test_never_takes_one_that_a_guest_still_writes(self, root):
        status = Status(root=root)
        status.log("begun")
        guest = Status.join(status.folder)
        status.complete()
        found = prune(root, keep_last=0)
        assert (found.runs, [one.why.partition(":")[0] for one in found.left]) == ([], ["it is written to"])
        guest.close()
        assert len(prune(root, keep_last=0).runs) == 1

    def test_leaves_one_that_was_resumed_meanwhile(self, root):
        folder = record(root, 1, error=True)
        found = prune(root, keep_last=0)
        with Status.resume(folder) as status:
            assert [one.why for one in remove(found).left] == ["it is in_progress now"]
            status.log("goes on")
        (left,) = remove(found).left
        assert left.why == "it is completed now"
        assert verify(folder).is_sound

    def test_leaves_one_that_somebody_resumes_just_then(self, root, monkeypatch):
        folder = record(root, 1, error=True)
        found, rename, resumed = prune(root, keep_last=0), os.rename, []

        def resume_first(source, target, **options):
            if not resumed:
                resumed.append(Status.resume(folder))
            rename(source, target, **options)

        monkeypatch.setattr(os, "rename", resume_first)
        assert [one.why.partition(":")[0] for one in remove(found).left] == ["it is written to"]
        resumed[0].complete()
        assert verify(folder).is_sound

    def test_passes_over_what_is_gone_already(self, runs):
        found = prune(runs, keep_last=4)
        shutil.rmtree(found.runs[0].folder)
        assert days(remove(found)) == [1]

    def test_takes_interrupted_runs(self, root):
        folder = record_interrupted(root)
        for lock in folder.glob("*.lock"):
            lock.unlink()
        assert len(remove(prune(root, state="interrupted")).runs) == 1
        assert not folder.exists()


class TestLeaving:
    @pytest.mark.parametrize("name", ["notes.txt", "results/mine.CSV", ".hidden", "sub/x"])
    def test_a_folder_with_files_of_ones_own(self, root, name):
        folder = record(root, 1)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
        (left,) = prune(root, keep_last=0).left
        assert left.why.endswith("which is no file of a run")
        assert remove(prune(root, keep_last=0)).runs == []
        assert (folder / name).read_text() == "mine"

    def test_files_that_came_meanwhile(self, root):
        folder = record(root, 1)
        found = prune(root, keep_last=0)
        (folder / "notes.txt").write_text("mine")
        assert remove(found).runs == []
        assert (folder / "notes.txt").read_text() == "mine"

    def test_a_link_in_place_of_a_run(self, root, tmp_path):
        folder = record(root, 1)
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
        assert prune(root, keep_last=0).runs == []

    def test_a_link_that_took_a_runs_place_meanwhile(self, root, tmp_path):
        folder = record(root, 1)
        found = prune(root, keep_last=0)
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
        remove(found)
        assert verify(tmp_path / "elsewhere").is_sound

    @pytest.mark.parametrize("name", ["results", "changes.jsonl", "results/000001-loader-csv.parquet"])
    def test_what_links_in_a_run_lead_to(self, root, tmp_path, name):
        folder = record(root, 1)
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "mine").write_text("mine")
        shutil.rmtree(folder / name) if name == "results" else (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / "there")
        assert remove(prune(root, keep_last=0)).runs == []
        assert (tmp_path / "there" / "mine").read_text() == "mine"

    def test_a_folder_that_does_not_say_it_is_a_run(self, root):
        folder = record(root, 1)
        for path in folder.glob("*.json*"):
            path.write_text("{}\n")
        found = prune(root, keep_last=0)
        assert (found.runs, found.left, found.kept) == ([], [], 1)

    def test_a_run_of_a_later_version(self, root):
        folder = record(root, 1)
        manifest = codec.decode_manifest((folder / "run.json").read_bytes())
        (folder / "run.json").write_bytes(codec.encode(structs.replace(manifest, format_version=99)))
        found = prune(root, keep_last=0)
        assert (found.runs, [one.why for one in found.left]) == ([], ["it can't be read as a run"])

    def test_where_it_may_not_remove(self, runs, monkeypatch):
        found = prune(runs, keep_last=5)

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "rename", refuse)
        removed = remove(found)
        assert (removed.runs, [one.why for one in removed.left]) == ([], ["it can't be removed: Permission denied"])

    def test_a_root_that_is_gone(self, runs):
        found = prune(runs, keep_last=5)
        shutil.rmtree(runs)
        with pytest.raises(WriteError):
            remove(found)


_KILLED = """
import os, sys
from runfolio.retention import prune, remove
found, left = prune(sys.argv[1], keep_last=1), [int(sys.argv[2])]
def counted(call):
    def wrapped(*args, **options):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return call(*args, **options)
    return wrapped
for name in ("rename", "fsync", "unlink", "rmdir"):
    setattr(os, name, counted(getattr(os, name)))
remove(found)
"""


def test_one_that_is_killed_leaves_each_run_whole_or_gone(tmp_path):
    """Before each of its calls that change anything."""
    original = tmp_path / "original"
    for day in (1, 2, 3):
        record(original, day)
    for count in range(0, 100, 2):
        runs = Path(shutil.copytree(original, tmp_path / f"{count}"))
        code = subprocess.run([sys.executable, "-c", _KILLED, str(runs), str(count)], check=False).returncode
        there = list(list_runs(runs)["folder"])
        assert all(verify(folder).is_sound for folder in there)
        assert len(there) == len([path for path in runs.iterdir() if not path.name.startswith(".")]) >= 1
        remove(prune(runs, keep_last=1))
        assert [path.name[6:8] for path in runs.iterdir()] == ["03"], "the next one clears what the killed one left"
        if code == 0:
            break
    assert (code, count > 15) == (0, True)


def test_only_one_process_removes_at_a_time(runs):
    code = (
        "import fcntl, os, sys\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(runs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another process is removing runs"):
            remove(prune(runs, keep_last=0))
        other.stdin.close()
    assert len(remove(prune(runs, keep_last=0)).runs) == 6


def test_folders_of_others_with_such_a_name_stay(runs):
    (runs / ".mine.abcdefgh.going").mkdir()
    (runs / ".mine.abcdefgh.going" / "mine.txt").touch()
    remove(prune(runs, keep_last=0))
    assert [path.name for path in runs.iterdir()] == [".mine.abcdefgh.going"]


def test_what_is_removed_is_told_again_as_it_was_found(runs):
    found = prune(runs, keep_last=4)
    assert remove(found) == structs.replace(found, removed=True)
    assert layout.start_of(found.runs[0].run_id) is not None
