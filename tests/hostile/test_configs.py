"""Configurations that a hostile folder holds: `--resume` reads them, and executes nothing that they say but modules."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runfolio import Executor
from runfolio.errors import ConfigError, RunfolioError

from .forging import Lines, Seed, forge, read
from .reading import assert_neutral, on_pipe, on_terminal

PIPELINE = "Loader:\n  raw: {path: in.csv}\nPreprocessor:\n  cast: {method: cast, dtypes: {a: int64}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pipeline whose second step fails for want of a number, until that is mended."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # on which the command puts the configuration's folder
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "in.csv").write_text("a\n1\nx\n")
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return folder


@pytest.fixture
def failed(project: Path, tmp_path: Path) -> Seed:
    """Its run, to forge others from."""
    executor = Executor(project / "pipeline.yaml", root=tmp_path / "seed")
    with pytest.raises(RunfolioError):
        executor.run()
    assert executor.status.folder is not None
    return read(executor.status.folder)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + place)}: &{chr(98 + place)} [{', '.join([f'*{chr(97 + place)}'] * 9)}]\n" for place in range(12)
)
CONFIGS = {
    "a call": 'Loader:\n  raw: {path: !!python/object/apply:os.system ["touch owned"]}\n',
    "a call as the document": '!!python/object/apply:os.system ["touch owned"]\n',
    "an object": "Loader:\n  raw: !!python/object/new:subprocess.Popen [[touch, owned]]\n",
    "a module": "Loader:\n  raw: {path: !!python/module:antigravity ''}\n",
    "a name": "Loader:\n  raw: {path: !!python/name:os.system ''}\n",
    "a billion laughs": BOMB,
    "nested without end": "Loader: " + "[" * 100_000,
    "nested in blocks": "".join(f"{' ' * depth}a:\n" for depth in range(2000)),
    "a circle": "Loader: &a\n  raw: {path: *a}\n",
    "an endless line": "Loader: " + "x" * 2_000_000,
    "a huge number": "Loader:\n  raw: {path: in.csv, nrows: " + "9" * 5000 + "}\n",
    "a number of all digits": "Loader:\n  raw: {path: 0x" + "f" * 100_000 + "}\n",
    "sixties": "Loader:\n  raw: {path: " + ":".join(["59"] * 10_000) + "}\n",
    "a date that is none": "Loader:\n  raw: {path: 2026-99-99}\n",
    "what a terminal acts upon": 'Loader:\n  "raw\\e]0;owned\\a\\u202e": {pth: "\\x9b31m"}\n',
    "what is no YAML": "\x1b]0;owned\x07: [",
    "NUL": "Loader:\0\n",
    "keys that come twice": "Loader:\n  raw: {path: in.csv}\n  raw: {path: in.csv}\n",
    "several documents": "a: 1\n---\nb: 2\n",
    "a tag of its own": "Loader:\n  raw: {path: !secret x}\n",
    "nothing": "",
    "no mapping": "- 1\n",
    "a module that is none": "Loader:\n  raw: {method: 'os:system'}\n",
    "a method by a path": "Next:\n  a: {method: '../../evil:run'}\n",
    "a method of dunders": "Next:\n  a: {method: 'builtins:__import__.__globals__'}\n",
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_copy_that_means_ill_is_refused_in_a_moment(
    config: str, failed: Seed, home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(project)
    forge(home, failed._replace(files={**failed.files, "config.yaml": config.encode()}))
    before, begun = sorted(project.rglob("*")), time.process_time()
    for printed in (on_pipe(home, "resume"), on_pipe(home, "resume", "--json"), on_terminal(home, "resume")):
        assert_neutral(printed.replace("\x1b[", ""))
        assert printed.startswith("runfolio: "), printed
    with pytest.raises(RunfolioError):
        Executor.resume(home)
    assert time.process_time() - begun < 10
    assert sorted(project.rglob("*")) == before


def test_a_copy_that_is_not_utf_8_is_told(failed: Seed, home: Path):
    forge(home, failed._replace(files={**failed.files, "config.yaml": b"Loader: \xff\xfe\n"}))
    assert "config.yaml can't be read" in on_pipe(home, "resume")


COPIES = [
    "../../project/pipeline.yaml",
    "/etc/passwd",
    "config.yaml/../../x",
    "config.\x1b.yaml",
    "config\0.yaml",
    "",
    ".",
]


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_another_name_is_not_opened(copy: str, failed: Seed, home: Path):
    """The writer's own is taken instead; here it is gone."""
    files = {name: data for name, data in failed.files.items() if name != "config.yaml"}
    forge(home, failed._replace(files=files), told(copy=copy))
    printed = on_pipe(home, "resume")
    assert "config.yaml can't be read" in printed and str(home) in printed
    assert_neutral(printed)


BASES = ["\0", "\x1b]0;owned\x07", "..\\..", "%2e%2e", "/nowhere", "x" * 5000, "\u202e", "../" * 500]


@pytest.mark.parametrize("base", BASES, ids=range(len(BASES)))
def test_a_base_that_is_none_is_an_error_of_ours(base: str, failed: Seed, home: Path):
    forge(home, failed, told(base=base, file=base))
    for printed in (on_pipe(home, "resume"), on_pipe(home, "resume", "--json")):
        assert_neutral(printed)
        assert "runfolio: " in printed
    with pytest.raises(RunfolioError) as error:
        Executor.resume(home).run()
    assert_neutral(str(error.value))


def test_plans_and_versions_that_no_writer_tells_are_differences(failed: Seed, home: Path):
    plan = [{"module_name": "\x1b[2J", "experiment_name": "\u202e", "parent": 2**63 - 1, "sha256": "x"}] * 3
    versions = [
        {"name": "../\x1b]0;x\x07", "version": "\x9b"},
        {"name": "", "version": ""},
        {"name": "\0", "version": "1"},
    ]
    forge(home, failed, told(plan=plan, versions=versions, on_error="x\x1b", sha256="\0"))
    for printed in (
        on_pipe(home, "resume"),
        on_pipe(home, "show"),
        on_pipe(home, "diff"),
        on_pipe(home, "show", "--json"),
    ):
        assert_neutral(printed)
    with pytest.raises(RunfolioError) as error:
        Executor.resume(home)
    assert_neutral(str(error.value))


INPUTS = [
    "\0",
    "/dev/zero",
    "/dev/stdin",
    "fifo",
    ".",
    "",
    "../" * 2000,
    "\x1b]0;x\x07",
    "x" * 5000,
    "%2e%2e/in.csv",
    "link",
]


@pytest.mark.parametrize("path", INPUTS, ids=range(len(INPUTS)))
def test_an_input_that_is_none_is_a_difference(path: str, failed: Seed, home: Path, project: Path):
    """It neither hangs nor is read on and on."""
    os.mkfifo(project / "fifo")
    (project / "link").symlink_to("/dev/zero")

    def change(lines: Lines) -> None:
        for line in lines["events.jsonl"]:
            if line["type"] == "input":
                line["context"]["path"] = path

    forge(home, failed, change)
    with pytest.raises(RunfolioError, match="input file") as error:
        Executor.resume(home)
    assert_neutral(str(error.value))
    assert_neutral(on_pipe(home, "resume"))


def test_a_plan_of_one_step_behind_the_other_takes_no_more_memory_than_its_first_ones(failed: Seed, home: Path):
    """The paths of these 100,000 steps together would take 40 GB."""
    step = {"module_name": "m", "experiment_name": "e", "sha256": "x"}
    forge(home, failed, told(plan=[{**step, "parent": place - 1 if place else None} for place in range(100_000)]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "not reached" in on_pipe(home, "show")
    on_pipe(home, "resume")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def told(**fields: object) -> Callable[[Lines], None]:
    """The change that has the run go by these."""

    def change(lines: Lines) -> None:
        for line in lines["events.jsonl"]:
            if line["type"] == "config":
                line["context"].update(fields)

    return change


def test_a_sound_copy_is_gone_on_with(failed: Seed, home: Path, project: Path):
    """The forger forges soundly: what is refused above is refused for what it says."""
    (project / "in.csv").write_text("a\n1\n2\n")
    forge(home, failed)
    with pytest.raises(ConfigError):
        Executor.resume(home, "Loader: 1\n")
    assert Executor.resume(home, anyway=True).status.folder == home
