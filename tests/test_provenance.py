"""Provenance: what a run says that is needed to repeat it, live, ended, killed, resumed and joined."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runfolio import Executor, Status, load_run, manifest, packages, provenance, repository
from runfolio.errors import UsageError
from runfolio.records import Configuration, Provenance, Repository, Seed, Version
from runfolio.repair import repair

CANARY = "canary-3f81-Zürich"
OLD = Path(__file__).parent.parent / "runs" / "20261123T085921Z-penguins-cfy9"

COMMIT = Repository(commit="0" * 40, branch="main", dirty=False)


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code of a certain commit, run by a certain command."""
    monkeypatch.setattr(provenance, "repository_of", lambda *folders: COMMIT)
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", "--rows", "5"])


def run_script(text: str, *words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    script = folder / "train.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, str(script), *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def load(rows: int, seed: int, random_state: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"a": range(rows)})


def shuffle(frame: pd.DataFrame, random_seed: int) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=random_seed)


def summary(status: Status) -> Provenance | None:
    return manifest.read(status.folder).provenance


class TestWhatIsTold:
    def test_command_commit_seed_and_packages(self, code: None):
        with Status(seed=7) as status:
            found = status.provenance
            assert (found.command, found.git, found.seeds) == (
                ["python", "train.py", "--rows", "5"],
                COMMIT,
                [Seed("seed", "7")],
            )
            assert {one.name for one in found.packages} >= {"python", "runfolio", "pandas", "numpy"}
            assert (status.folder / found.folder).resolve() == Path.cwd()
        assert found["git"]["commit"] == "0" * 40

    def test_live_and_loaded_and_as_of_a_snapshot_and_run_json_agree(self, code: None):
        status = Status(seed=1)
        status.start()
        assert status.provenance == load_run(status.folder).provenance == summary(status) != None  # noqa: E711
        with status.step("Loader", "a") as step:
            step.input(__file__)
        status.complete()
        assert status.provenance == load_run(status.folder).provenance == summary(status)
        assert [file.path for file in status.provenance.inputs] == [__file__]
        assert status.at(status.snapshots[0].snapshot_id).provenance.inputs == []

    def test_a_configuration_with_its_digest_and_seeds(self, code: None, tmp_path: Path):
        loader = {"a": {"method": load, "rows": 2, "seed": 3, "random_state": 4}, "b": {"method": load, "rows": 3}}
        loader["b"]["seed"] = 5
        calls = [{"method": "filter", "not_null": ["a"]}, {"method": shuffle, "random_seed": 6}]
        executor = Executor({"Loader": loader, "Preprocessor": {"c": calls}}, root=tmp_path)
        status = executor._begin()
        told = status.provenance
        assert told.configuration == Configuration("config.yaml", None, executor._provenance.told.sha256)
        assert told.seeds == [
            Seed("Loader.a.seed", "3"),
            Seed("Loader.a.random_state", "4"),
            Seed("Preprocessor.c[1].random_seed", "6"),
            Seed("Loader.b.seed", "5"),
        ]
        assert summary(status) == told
        status.complete()
        assert summary(status) == status.provenance

    def test_packages_that_are_imported_while_it_runs(self, monkeypatch: pytest.MonkeyPatch):
        first, last = [Version("python", "3")], [Version("python", "3"), Version("late", "1")]
        monkeypatch.setattr(packages, "imported", lambda *, thorough: last if thorough else first)
        with Status() as status:
            assert status.provenance.packages == first
        assert status.provenance.packages == summary(status).packages == last

    @pytest.mark.parametrize("seed", [0, -1, 2**127, np.int64(3), np.uint64(2**63)])
    def test_a_seed_is_any_whole_number(self, seed: int):
        with Status(seed=seed) as status:
            pass
        assert load_run(status.folder).provenance.seeds == [Seed("seed", str(int(seed)))]

    @pytest.mark.parametrize("seed", ["7", 7.0, True, [1]])
    def test_another_seed_is_refused(self, seed: object):
        with pytest.raises(UsageError, match="pass a whole number"):
            Status(seed=seed)

    def test_inputs_are_as_they_were_read_last_and_run_json_has_the_first_hundred(self, tmp_path: Path):
        file = tmp_path / "a.csv"
        with Status() as status, status.step("Loader", "a") as step:
            for text in ("1", "22"):
                file.write_text(text)
                step.input(file, name="a.csv")
            for number in range(150):
                step.input(file, name=f"{number}.csv")
        assert len(status.provenance.inputs) == 151 and status.provenance.inputs[0].bytes == 2
        assert summary(status).inputs == status.provenance.inputs[:100]

    def test_a_run_of_before_has_none(self):
        assert load_run(OLD).provenance is None
        assert Status().provenance is None


class TestEnds:
    def test_a_killed_run_has_it(self, tmp_path: Path):
        text = "import os\nfrom runfolio import Status\nStatus(seed=5).log('x')\nos._exit(9)"
        assert run_script(text, "--rows", "5", folder=tmp_path).returncode == 9
        run = load_run("latest")
        assert run.state == "interrupted"
        assert run.provenance.command[1:] == [str(tmp_path / "train.py"), "--rows", "5"]
        assert run.provenance.seeds == [Seed("seed", "5")]
        assert manifest.read(run.folder).provenance == run.provenance

    def test_a_resumed_run_has_that_of_the_last_attempt_and_the_inputs_and_seed_of_all(
        self, code: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        file = tmp_path / "a"
        file.write_text("a")
        status = Status(seed=3)
        with status.step("Loader", "a") as step:
            step.input(file, name="a")
        status.fail("stopped")
        monkeypatch.setattr(sys, "orig_argv", ["python", "again.py"])
        with Status.resume(status.folder) as resumed, resumed.step("Loader", "b") as step:
            step.input(file, name="b")
        found = load_run(status.folder).provenance
        assert (found.command, found.seeds) == (["python", "again.py"], [Seed("seed", "3")])
        assert [one.path for one in found.inputs] == ["a", "b"]
        assert summary(status) == found
        first = next(event for event in resumed.events if event.type == "state")
        assert first.context["provenance"]["command"] == ["python", "train.py", "--rows", "5"]

    def test_a_guest_has_none_and_what_it_reads_is_told(self, code: None, monkeypatch: pytest.MonkeyPatch):
        with Status() as status:
            monkeypatch.setattr(sys, "orig_argv", ["python", "worker.py"])
            guest = Status.join(status.folder)
            with guest.step("Loader", "a") as step:
                step.input(__file__, name="early")
            assert guest.provenance.command == ["python", "train.py", "--rows", "5"]
            late = Status.join(status.folder)
            guest.close()
            with late.step("Loader", "b") as step:
                step.input(__file__, name="late")
        late.close()  # after the run's end
        assert [one.path for one in load_run(status.folder).provenance.inputs] == ["early", "late"]
        assert summary(status) == load_run(status.folder).provenance

    def test_a_repaired_run_keeps_it(self, code: None):
        with Status(seed=2) as status, status.step("Loader", "a") as step:
            step.input(__file__, name="a")
        (status.folder / "snapshots.jsonl").write_bytes(b"")
        done = load_run(repair(status.folder).folder)
        assert done.provenance == manifest.read(done.folder).provenance
        assert (done.provenance.seeds, done.provenance.git) == ([Seed("seed", "2")], COMMIT)


class TestPrivacy:
    def test_no_secret_of_a_command_line_is_in_any_file(self, tmp_path: Path):
        words = ["--password", CANARY, f"--token={CANARY}", f"sql://ada:{CANARY}@host", f"db.secret={CANARY}", "--rows"]
        done = run_script(
            "from runfolio import Status\nwith Status() as status: status.log('x')", *words, folder=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, "")
        folder = load_run("latest").folder
        texts = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert b"--rows" in texts and CANARY.encode() not in texts and b"canary" not in texts

    def test_no_value_of_an_environment_variable_is_in_any_file(self, tmp_path: Path):
        text = "from runfolio import Status\nwith Status() as status: status.log('x')"
        assert run_script(text, folder=tmp_path, SOME_SETTING=CANARY).returncode == 0
        folder = load_run("latest").folder
        assert CANARY.encode() not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    def test_without_it_nothing_is_taken_nor_by_who_resumes(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(provenance, "taken", lambda seed: pytest.fail("it was taken"))
        with pytest.raises(KeyError), Status(provenance=False) as status:
            raise KeyError
        with Status.resume(status.folder) as resumed:
            pass
        assert resumed.provenance is None and summary(status) is None

    def test_a_long_command_is_cut(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "orig_argv", ["python", "x" * 5000, *["y"] * 5000, "\udcff"])
        with Status() as status:
            pass
        found = status.provenance.command
        assert len(found) == 1000 and found[1] == "x" * 1000 + "…"


class TestRepository:
    def test_it_is_looked_for_around_the_script_and_then_in_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (tmp_path / "a").mkdir()
        monkeypatch.chdir(tmp_path / "a")
        monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "b" / "train.py"))
        assert provenance._places() == [str(tmp_path / "b"), str(tmp_path / "a")]
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "b"))  # a script that is installed is not the code
        assert provenance._places() == [str(tmp_path / "a")]

    @pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
    def test_it_is_that_of_the_script(self, tmp_path: Path):
        for words in (("init", "-q"), ("add", "."), ("-c", "user.name=A", "-c", "user.email=a", "commit", "-qm", "x")):
            (tmp_path / ".gitignore").write_text("runs\n")
            subprocess.run(["git", *words], cwd=tmp_path, check=True)
        done = run_script("from runfolio import Status\nStatus().complete()", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout
        assert load_run("latest").provenance.git.commit == told.strip()

    def test_a_hanging_git_neither_fails_nor_holds_up_a_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / ".git").mkdir()
        (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(repository, "SECONDS", 0.05)
        monkeypatch.setattr(repository, "_answers", {})
        monkeypatch.setattr(provenance, "_places", lambda: [tmp_path])
        with Status() as status:
            pass
        assert status.is_completed() and status.provenance.git is None

    def test_a_current_folder_that_was_removed(self, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        with Status(root=root) as status:
            pass
        assert load_run(status.folder).provenance.folder is None


def test_what_is_no_provenance_is_none_and_hides_nothing():
    with Status() as status:
        pass
    events = status.events
    (begun,) = (place for place, event in enumerate(events) if event.state == "in_progress")
    events[begun].context["provenance"] = {"command": "one text"}
    assert provenance.told(events) is None
    events[begun].context["provenance"] = {}
    events[-1].context["packages"] = "none"
    assert provenance.told(events) == Provenance()


def test_taking_it_imports_neither_a_registry_of_packages_nor_pandas(tmp_path: Path):
    text = """
import sys
from runfolio import Status
Status().log("x")
print({"importlib.metadata", "subprocess", "pandas", "numpy"} & set(sys.modules))
"""
    assert run_script(text, folder=tmp_path).stdout == "set()\n"
