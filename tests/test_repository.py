"""The repository that code is of: what git tells, and that nothing it does is in the way of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runfolio import repository
from runfolio.records import Repository
from runfolio.repository import repository_of

GIT = shutil.which("git") or ""
pytestmark = pytest.mark.skipif(not GIT, reason="git is not installed")

OTHER_USER = 12345


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(
        [GIT, *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was asked before."""
    monkeypatch.setattr(repository, "_answers", {})


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A clean repository with one commit."""
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "train.py").write_text("print(1)\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Let `git` be a shell script, which tells of each call in a file."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    (folder / "git").write_text(f'#!/bin/sh\necho "$*" >> {calls}\n{script}\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return calls


class TestTold:
    def test_commit_and_branch_of_a_clean_tree(self, code: Path):
        expected = Repository(commit=git(code, "rev-parse", "HEAD"), branch="main", dirty=False)
        assert repository_of(code) == expected
        assert str(expected) == f"{expected.commit[:12]} on main, unchanged"

    def test_it_is_found_from_a_folder_inside_and_the_first_folder_that_has_one_counts(
        self, code: Path, tmp_path: Path
    ):
        (code / "a" / "b").mkdir(parents=True)
        found = repository_of(tmp_path, code / "a" / "b", Path("/"))
        assert found is not None and found.commit == git(code, "rev-parse", "HEAD")

    def test_a_changed_file_makes_it_dirty_and_so_does_a_staged_one(self, code: Path, no_answers: None):
        (code / "train.py").write_text("print(2)\n")
        assert repository_of(code).dirty
        git(code, "add", ".")
        repository._answers.clear()
        assert repository_of(code).dirty

    def test_files_that_git_does_not_know_do_not_count(self, code: Path):
        (code / "runs").mkdir()
        (code / "runs" / "run.json").write_text("{}")
        assert not repository_of(code).dirty

    def test_where_no_branch_is_checked_out_there_is_none(self, code: Path):
        git(code, "checkout", "-q", "--detach")
        assert repository_of(code) == Repository(commit=git(code, "rev-parse", "HEAD"), branch=None, dirty=False)

    def test_a_work_tree_beside_is_one_as_well(self, code: Path, tmp_path: Path):
        git(code, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        assert repository_of(tmp_path / "side").branch == "side"

    def test_a_hook_of_another_repository_does_not_mislead(
        self, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
        assert repository_of(code) is not None


class TestNothing:
    def unborn(self, code: Path) -> None:
        git(code, "checkout", "-q", "--orphan", "new")

    def bare(self, code: Path) -> None:
        git(code, "config", "core.bare", "true")

    def broken(self, code: Path) -> None:
        shutil.rmtree(code / ".git")
        (code / ".git").write_text("gitdir: /nowhere\n")

    def none(self, code: Path) -> None:
        shutil.rmtree(code / ".git")

    def others(self, code: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        for path in (code, *code.rglob("*")):
            os.chown(path, OTHER_USER, OTHER_USER)

    @pytest.mark.parametrize("what", [unborn, bare, broken, none, others])
    def test_there_is_nothing_to_tell_and_no_error(
        self, what: Callable[[TestNothing, Path], None], code: Path, capfd: pytest.CaptureFixture[str]
    ):
        what(self, code)
        assert repository_of(code) is None
        assert capfd.readouterr() == ("", "")

    def test_inside_a_bare_repository(self, tmp_path: Path):
        git(tmp_path, "init", "-q", "--bare", "bare.git")
        assert repository_of(tmp_path / "bare.git") is None

    def test_without_git(self, code: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("PATH", "/nowhere")
        assert repository_of(code) is None

    def test_of_no_folder(self, tmp_path: Path):
        assert repository_of() is None
        assert repository_of(tmp_path / "gone", Path("a\0b")) is None


class TestCost:
    def test_nothing_in_the_repository_is_written(self, code: Path):
        os.utime(code / "train.py", (0, 0))  # git would write down that it is as it was
        before = {path: path.stat().st_mtime_ns for path in (code, *code.rglob("*"))}
        assert not repository_of(code).dirty
        assert {path: path.stat().st_mtime_ns for path in (code, *code.rglob("*"))} == before

    def test_no_program_that_the_repository_names_is_run(self, code: Path, tmp_path: Path):
        script = tmp_path / "monitor"
        script.write_text(f"#!/bin/sh\ntouch {tmp_path}/run\n")
        script.chmod(0o755)
        git(code, "config", "core.fsmonitor", str(script))
        assert repository_of(code) is not None
        assert not (tmp_path / "run").exists()

    def test_a_git_that_hangs_is_given_up(self, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        calls = fake_git(tmp_path, monkeypatch, "exec sleep 60")
        monkeypatch.setattr(repository, "SECONDS", 0.1)
        assert repository_of(code) is None
        assert len(calls.read_text().splitlines()) == 2
        assert repository_of(code) is None  # it is not asked again so soon
        assert len(calls.read_text().splitlines()) == 2

    def test_a_tree_that_takes_too_long_to_look_at_has_a_commit_all_the_same(
        self, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        fake_git(tmp_path, monkeypatch, f'case "$*" in *status*) exec sleep 60;; esac\nexec {GIT} "$@"')
        monkeypatch.setattr(repository, "SECONDS", 1.0)
        found = repository_of(code)
        assert found == Repository(commit=git(code, "rev-parse", "HEAD"), branch="main", dirty=None)
        assert str(found).endswith(" on main, perhaps changed since")

    def test_an_answer_is_kept_in_proportion_to_what_it_took(self, code: Path, monkeypatch: pytest.MonkeyPatch):
        ticks = iter([0.0, 2.0, 41.0, 42.0, 42.5])
        monkeypatch.setattr(repository.time, "monotonic", lambda: next(ticks))
        asked = []
        monkeypatch.setattr(repository, "_asked", asked.append)
        repository_of(code)
        repository_of(code)  # 39 seconds later
        assert asked == [str(code)]
        repository_of(code)
        assert asked == [str(code)] * 2
