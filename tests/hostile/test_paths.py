"""Paths of a hostile folder: none leads out of it, and none decides what a file is called that is written."""

from __future__ import annotations

import pickle
import re
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runfolio import Status, load_run
from runfolio.errors import RunfolioError
from runfolio.export import FORMATS, export
from runfolio.run import Run
from runfolio.verification import verify

from .forging import Lines, Place, Seed, everywhere, forge
from .reading import COMMANDS, answers, assert_neutral, on_pipe

SECRET = "the secret of another"

PATHS = {
    "up": "results/../../../canary.parquet",
    "up at once": "../../canary.parquet",
    "absolute": "{canary}",
    "absolute below results": "results/{canary}",
    "of a URL": "file://{canary}",
    "backslashes": "results\\..\\..\\..\\canary.parquet",
    "a fragment": "results/x.parquet#/../../../../canary.parquet",
    "parameters": "results/;/../../../../canary.parquet",
    "encoded": "results/%2e%2e/%2e%2e/%2e%2e/canary.parquet",
    "encoded twice": "results/%252e%252e/%252e%252e/%252e%252e/canary.parquet",
    "a NUL": "results/../../../canary.parquet\0.parquet",
    "a line end": "results/../../../canary.parquet\n",
    "a home folder": "~/canary.parquet",
    "a variable": "$HOME/canary.parquet",
    "the folder": "results/..",
    "hidden": "results/.canary.parquet",
    "itself": ".",
    "nothing": "",
}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A sound result of another, beside the root."""
    path = tmp_path / "canary.parquet"
    pd.DataFrame({"a": [SECRET]}).to_parquet(path)
    return path


@pytest.fixture(params=PATHS.values(), ids=PATHS)
def path(request: pytest.FixtureRequest, canary: Path) -> str:
    """A path that means ill."""
    return str(request.param).replace("{canary}", str(canary))


def naming(path: str, canary: Path) -> Any:
    """The change that has each result in the file of another, whose size and digest it tells rightly."""
    data = canary.read_bytes()

    def change(lines: Lines) -> None:
        for line in lines["results.jsonl"]:
            for part in line["parts"]:
                part.update(file=path, bytes=len(data), sha256=sha256(data).hexdigest())

    return change


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def loaded(folder: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_run(folder)


class TestResults:
    def test_data_is_not_read_from_elsewhere(self, path: str, canary: Path, seed: Seed, home: Path):
        run = loaded(forge(home, seed, naming(path, canary)))
        assert run.damage
        for key in run.results:
            with pytest.raises(RunfolioError) as error:
                run.results[key]["data"]
            assert_neutral(str(error.value))
        with pytest.raises(RunfolioError):
            run.get_data_by_module(["Loader", "Clean"])

    def test_nothing_of_elsewhere_is_exported(self, path: str, canary: Path, seed: Seed, home: Path, tmp_path: Path):
        run, before = loaded(forge(home, seed, naming(path, canary))), tree(tmp_path)
        for form in FORMATS:
            assert all(one.error and not one.path for one in export(run, tmp_path / "out", format=form))
        assert tree(tmp_path) == before

    def test_verification_finds_it(self, path: str, canary: Path, seed: Seed, home: Path):
        assert not verify(forge(home, seed, naming(path, canary))).is_sound

    def test_no_command_shows_or_changes_what_is_elsewhere(
        self, path: str, canary: Path, seed: Seed, home: Path, tmp_path: Path
    ):
        forge(home, seed, naming(path, canary))
        before = tree(tmp_path)
        for name in COMMANDS:
            for printed in (on_pipe(home, name), on_pipe(home, name, "--json")):
                assert_neutral(printed)
                assert SECRET not in printed
        assert tree(tmp_path) == before


NAMES = {
    "module_name",
    "experiment_name",
    "step_name",
    "name",
    "key",
    "run_id",
    "schema_id",
    "snapshot_id",
    "record_id",
}


class TestNames:
    """Names that are paths: run ids, keys, parts, modules and the like."""

    def test_they_decide_nothing_that_is_written(self, path: str, seed: Seed, home: Path, tmp_path: Path):
        def edit(place: Place, value: Any) -> Any:
            return path if isinstance(value, str) and NAMES & set(place) else value

        forge(home, seed, everywhere(edit))
        outside = tree(tmp_path)
        answers(home, tmp_path / "out")
        for form in ("csv", "parquet", "json", "arrow"):
            export(loaded(home), tmp_path / "out", format=form, force=True)
        written = tree(tmp_path).keys() - outside.keys()
        assert all(Path(name).is_relative_to(tmp_path / "out") or Path(name).is_relative_to(home) for name in written)
        below = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*")}
        assert all(name.count("/") <= 1 and ".." not in name and name.isascii() for name in below), below


class TestWriters:
    def test_a_header_of_any_writer_reads_and_writes_its_own_files(self, path: str, seed: Seed, home: Path, tmp_path):
        def change(lines: Lines) -> None:
            header = lines["events.jsonl"][0]["context"]
            header["writer"] = path
            header["continues"] = {"writer": path, "files": [{"file": path, "lines": 5, "bytes": 5}]}
            lines["run.json"][0]["segments"].append({"writer": path, "files": [{"file": path, "lines": 5, "bytes": 5}]})

        forge(home, seed, change)
        outside = {name: data for name, data in tree(tmp_path).items() if not name.startswith(str(home))}
        assert loaded(home).damage
        answers(home, tmp_path / "out")
        left = tree(tmp_path).items()
        assert outside.items() <= left
        new = {Path(name) for name, _ in left} - {Path(name) for name in outside}
        assert all(one.is_relative_to(home) or one.is_relative_to(tmp_path / "out") for one in new)

    def test_a_resumed_run_goes_on_under_a_writer_id_of_its_own(self, path: str, seed: Seed, home: Path):
        def change(lines: Lines) -> None:
            lines["events.jsonl"][0]["context"].update(writer=path, durability=path)

        forge(home, seed, change)
        before = set(home.rglob("*"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Status.resume(home) as status:
                status.log("here")
        new = sorted(one.name for one in set(home.rglob("*")) - before)
        assert len(new) == 4
        assert all(
            re.fullmatch(r"(events|schemas|snapshots)\.[a-z0-9]{1,32}\.jsonl|SHA256SUMS", name) for name in new
        ), new
        assert loaded(home).is_completed()


class TestSums:
    def test_lines_of_other_files_are_told_and_not_followed(self, path: str, canary: Path, seed: Seed, home: Path):
        forge(home, seed)
        digest = sha256(canary.read_bytes()).hexdigest()
        (home / "SHA256SUMS").write_bytes(f"{digest}  {path}\n{digest} *{path}\n\\{digest}  {path}\n".encode())
        found = verify(home)
        assert not found.is_sound
        for finding in found.findings:
            assert_neutral(str(finding))
        assert_neutral(on_pipe(home, "verify"))


class TestRoots:
    def test_a_run_is_looked_up_in_its_root_alone(self, path: str, root: Path, seed: Seed, home: Path):
        forge(home, seed)
        with pytest.raises(RunfolioError) as error:
            load_run(path, root=root)
        assert_neutral(str(error.value))


def test_a_pickle_of_a_run_holds_where_it_is_and_nothing_it_says(seed: Seed, home: Path):
    forge(home, seed)
    run = loaded(home)
    assert run.__reduce__() == (load_run, (str(home),))
    assert len(pickle.dumps(run)) < 100 + len(str(home))
