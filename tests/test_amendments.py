"""Amending a run: each amendment is kept, the run verifies, and nothing that was there is touched."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from runfolio import Status, amendments, layout, list_runs, load_run, manifest
from runfolio.amendments import alone, note, rename, tag
from runfolio.archive import archive
from runfolio.errors import FormatError, RunfolioError, UsageError
from runfolio.files import journals
from runfolio.verification import verify

from .cuts import cut_at_calls


@pytest.fixture
def folder(people: pd.DataFrame) -> Path:
    """A run that was completed."""
    with Status(name="trial", tags=["new"]) as status, status.step("Loader", "csv") as step:
        step.result(people)
    assert status.folder is not None
    return status.folder


def failed() -> Path:
    status = Status(name="trial")
    with pytest.raises(KeyError), status, status.step("Loader", "csv"):
        raise KeyError
    assert status.folder is not None
    return status.folder


def sums_hold(folder: Path) -> bool:
    """Whether `sha256sum -c` finds every file as listed, and all journals are."""
    found = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)
    return found.returncode == 0 and all(f"{path.name}: OK" in found.stdout for _, _, path in journals(folder))


def test_a_run_has_the_name_tags_and_notes_that_it_was_given_last(folder: Path):
    rename(folder, "first")
    rename(folder, "baseline")
    tag(folder, "keep", "paper", remove=["new"])
    tag(folder, remove=["paper"])
    notes = [note(folder, "one"), note(folder, "two\nlines")]
    run = load_run(folder)
    assert (run.name, run.tags, [one.text for one in run.notes]) == ("baseline", ["keep"], ["one", "two\nlines"])
    assert [one.timestamp for one in run.notes] == [event.timestamp for event in notes]


def test_an_amended_run_verifies_and_its_sums_hold(folder: Path):
    for amend in (lambda: rename(folder, "baseline"), lambda: tag(folder, "keep"), lambda: note(folder, "good")):
        amend()
        found = verify(folder)
        assert (found.findings, found.notes) == ([], [])
        assert sums_hold(folder)


def test_run_json_alone_has_the_new_name_and_tags(folder: Path):
    rename(folder, "baseline")
    tag(folder, "keep")
    found = manifest.read(folder)
    assert (found.name, found.tags) == ("baseline", ["new", "keep"])
    assert list_runs()[["name", "tags"]].values.tolist() == [["baseline", ["new", "keep"]]]


def test_what_was_written_stays_byte_for_byte(folder: Path):
    before = {path: path.read_bytes() for _, _, path in journals(folder)}
    rename(folder, "baseline")
    assert {path: path.read_bytes() for path in before} == before
    assert len(journals(folder)) == len(before) + 1
    assert list(folder.glob("*.lock")) == []


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_state_and_times_do_not_change(folder: Path, state: str):
    place = folder if state == "completed" else failed()
    run = load_run(place)
    before = (run.state, run.start_time, run.end_time, run.duration_seconds, run.error)
    note(place, "much later")
    run = load_run(place)
    assert (run.state, run.start_time, run.end_time, run.duration_seconds, run.error) == before


def test_a_run_that_goes_on_is_amended_and_tells_of_it_at_its_end(people: pd.DataFrame):
    with Status(name="trial") as status:
        status.start()
        rename(status.folder, "live")
        tag(status.folder, "now")
        assert (status.name, status.tags, status.state) == ("live", ["now"], "in_progress")
    found = manifest.read(status.folder)
    assert (found.name, found.tags, found.state) == ("live", ["now"], "completed")
    assert verify(status.folder).notes == []


def test_an_interrupted_run_stays_interrupted():
    code = (
        "import os; from runfolio import Status; s = Status(name='trial'); s.start(); print(s.folder)\n"
        "os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, check=False)
    folder = Path(ran.stdout.strip())
    rename(folder, "dead")
    assert (load_run(folder).state, load_run(folder).name) == ("interrupted", "dead")
    assert manifest.read(folder).name == "dead"
    assert verify(folder).findings == []


def test_a_failed_run_is_resumed_after_it_was_amended(people: pd.DataFrame):
    folder = failed()
    rename(folder, "again")
    tag(folder, "second")
    with Status.resume(folder) as status, status.step("Loader", "csv") as step:
        step.result(people)
    run = load_run(folder)
    assert (run.state, run.name, run.tags) == ("completed", "again", ["second"])
    assert manifest.read(folder).name == "again"
    assert verify(folder).findings == []


def test_a_rename_while_a_run_is_resumed_is_the_one_that_counts():
    folder = failed()
    rename(folder, "second")
    with Status.resume(folder):
        assert manifest.read(folder).name == "second"
        rename(folder, "third")
    assert load_run(folder).name == manifest.read(folder).name == "third"


def test_what_processes_amend_at_once_is_all_kept(folder: Path):
    code = (
        "import sys\nfrom runfolio.amendments import alone, note, tag\n"
        "for n in range(6): note(sys.argv[1], f'{sys.argv[2]}-{n}'); tag(sys.argv[1], f'{sys.argv[2]}-{n}')"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, folder, who]) for who in "abc"]
    assert [one.wait() for one in running] == [0, 0, 0]
    every = {f"{who}-{n}" for who in "abc" for n in range(6)}
    run = load_run(folder)
    assert {one.text for one in run.notes} == every
    assert set(run.tags) == {*every, "new"} == set(manifest.read(folder).tags)
    assert verify(folder).findings == []


def test_an_amendment_waits_for_another(folder: Path):
    thread = threading.Thread(target=rename, args=(folder, "second"))
    with alone(folder):
        thread.start()
        while f":{folder.stat().st_ino} " not in "".join(re.findall(".*->.*", Path("/proc/locks").read_text())):
            assert thread.is_alive(), "it did not wait"
    thread.join()
    assert load_run(folder).name == "second"


def test_the_last_amendment_counts_though_the_clock_stands_still(folder: Path, monkeypatch: pytest.MonkeyPatch):
    now = load_run(folder).end_time
    monkeypatch.setattr(amendments, "SYSTEM", SimpleNamespace(now=lambda: now))
    for name in "abcdefgh":
        rename(folder, name)
    assert load_run(folder).name == "h"


@pytest.mark.parametrize(
    ("amend", "said"),
    [
        (lambda folder: rename(folder, " "), "name is empty"),
        (lambda folder: note(folder, ""), "note is empty"),
        (tag, "no tag is named"),
        (lambda folder: tag(folder, "a", remove=["a"]), "'a' is to be added and removed"),
        (lambda folder: tag(folder, 7), "tags"),
        (lambda folder: tag(folder, remove="abc"), "remove|tags"),
        (lambda folder: rename(folder, None), "name"),
        (lambda folder: rename(archive(folder).path, "x"), "is an archive"),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(folder: Path, amend, said: str):
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match=said):
        amend(folder)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_damaged_run_json_is_refused_before_anything_is_written(folder: Path):
    path = folder / layout.RUN_FILE
    path.write_bytes(path.read_bytes().replace(b"trial", b"tri@l"))
    before = sorted(one.name for one in folder.iterdir())
    with pytest.raises(FormatError, match="damaged"):
        rename(folder, "x")
    assert sorted(one.name for one in folder.iterdir()) == before


def test_a_stale_run_json_is_told_and_the_next_amendment_mends_it(folder: Path):
    old = (folder / layout.RUN_FILE).read_bytes(), (folder / layout.SUMS_FILE).read_bytes()
    rename(folder, "baseline")
    (folder / layout.RUN_FILE).write_bytes(old[0])
    (folder / layout.SUMS_FILE).write_bytes(old[1])
    found = verify(folder)
    assert found.findings == []
    assert any("stale" in one.reason for one in found.notes)
    assert load_run(folder).name == "baseline"
    note(folder, "mended")
    found = verify(folder)
    assert (found.findings, found.notes, manifest.read(folder).name) == ([], [], "baseline")


def test_readers_keep_amendments_that_they_do_not_know(folder: Path):
    event = rename(folder, "baseline")
    line = json.loads((folder / f"events.{event.event_id.split('-')[1]}.jsonl").read_bytes().splitlines()[1])
    assert (line["type"], line["message"], line["context"]["name"]) == ("amend", "renamed to baseline", "baseline")


def test_a_kill_at_any_call_leaves_the_run_as_before_or_after(folder: Path, tmp_path: Path):
    files = {path.name: path.read_bytes() for _, _, path in journals(folder)}
    names = set()
    cuts = cut_at_calls("from runfolio.amendments import rename\nact = lambda folder: rename(folder, 'new')", folder)
    for copy in cuts:
        run = load_run(copy)
        names.add(run.name)
        assert run.name in ("trial", "new")
        assert (run.state, run.damage) == ("completed", [])
        assert {name: (copy / name).read_bytes() for name in files} == files
        assert set(list_runs(copy.parent)["name"]) <= {"trial", "new"}
        note(copy, "mended")
        assert verify(copy).findings == []
        assert manifest.read(copy).name == run.name
    assert names == {"trial", "new"}
    assert len(cuts) > 10


def test_errors_are_the_packages_own(folder: Path):
    with pytest.raises(RunfolioError):
        rename("20200101T000000Z-nowhere", "x")
