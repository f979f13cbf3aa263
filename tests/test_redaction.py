"""Redacting a run: no byte of the modules' data is left in it, the rest is, and it is whole at every instant."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Executor, Field, Schema, Status, exchange, list_runs, load_run, redaction
from runfolio.amendments import note, rename
from runfolio.archive import archive
from runfolio.errors import NotFoundError, UsageError, WithheldError
from runfolio.files import journals
from runfolio.records import Redaction, converted
from runfolio.redaction import redact
from runfolio.retention import prune, remove
from runfolio.verification import verify

from .cuts import cut_at_calls
from .test_privacy import found_in, needles, secrets

CANARIES = set(needles())


def record(*, fails: bool = False, resumed: bool = False) -> Path:
    """A run whose first module has the canaries; the second renames and thins their columns, the third drops them."""
    frame = secrets()
    status = Status(name="people", tags=["new"])
    with suppress(ValueError), status:
        with status.step("Loader", "csv") as step:
            step.log(f"the first is {frame['text'].iloc[0]}")
            step.result(frame)
        with status.step("Loader", "report", data=frame) as step:
            step.result({"worst": frame["text"].iloc[0], "most": float(frame["amount"].max())})
        with status.step("Clean", "thin", data=frame) as step:
            thin = frame.rename(columns={"amount": "sum"}).iloc[:2]
            step.result(thin)
        status.record_change("UPDATE", "text", before=frame["text"].iloc[0], after="y", module="Loader")
        with status.step("Count", "rows", data=thin) as step:
            step.result(pd.DataFrame({"rows": [len(thin)], "number": [3]}))
        if fails:
            with status.step("Last", "x", data=thin):
                raise ValueError(f"can't have {frame['text'].iloc[0]} nor {frame['amount'].iloc[0]}")
    assert status.folder is not None
    if resumed:
        with Status.resume(status.folder) as again, again.step("Last", "x", data=thin) as step:
            step.result(pd.DataFrame({"rows": [1]}))
    return status.folder


def sums_hold(folder: Path) -> bool:
    found = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)
    return found.returncode == 0 and all(f"{path.name}: OK" in found.stdout for _, _, path in journals(folder))


@pytest.mark.parametrize(("fails", "resumed"), [(False, False), (True, False), (True, True)])
def test_no_byte_of_the_data_is_left_anywhere(fails: bool, resumed: bool):
    folder = record(fails=fails, resumed=resumed)
    assert found_in(folder) == CANARIES  # the control
    redact(folder, modules=["Loader", "Clean"])
    assert found_in(folder) == set()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_columns_that_later_steps_dropped_leave_nothing_with_their_own_module_alone(people: pd.DataFrame):
    with Status() as status:
        with status.step("Loader", "csv") as step:
            frame = step.result(secrets())
        with status.step("Drop", "all", data=frame) as step:
            step.result(pd.DataFrame({"rows": [len(frame)]}))
    assert found_in(status.folder) == CANARIES
    redact(status.folder, modules=["Loader"])
    assert found_in(status.folder) == set()
    assert load_run(status.folder).results["Loader[csv]_Drop[all]"]["data"]["rows"].tolist() == [3]


def test_statistics_go_of_columns_that_tell_of_the_same_values_and_stay_of_others():
    folder = record()
    redact(folder, modules=["Loader"])
    run = load_run(folder)
    schema = run.get_metadata("Clean")
    assert schema["text"].statistics is None and schema["number"].statistics is None
    assert schema["sum"].statistics is None  # it was renamed, and has the canary as its maximum still
    assert run.get_metadata("Count")["rows"].statistics is not None
    assert run.get_metadata("Count")["number"].statistics is not None  # its values are others


def test_what_is_not_the_modules_stays(people: pd.DataFrame):
    folder = record()
    before = load_run(folder)
    kept = before.results["Loader[csv]_Loader[report]_Clean[thin]"]["data"]
    redact(folder, modules=["Loader"])
    run = load_run(folder)
    pd.testing.assert_frame_equal(run.results["Loader[csv]_Loader[report]_Clean[thin]"]["data"], kept)
    assert list(run.results) == list(before.results)
    same = ("run_id", "name", "tags", "state", "start_time", "end_time", "duration_seconds", "sequence")
    assert [getattr(run, name) for name in same] == [getattr(before, name) for name in same]
    assert [one.snapshot_id for one in run.snapshots] == [one.snapshot_id for one in before.snapshots]
    assert [one.rows_after for one in run.snapshots] == [one.rows_after for one in before.snapshots]
    assert [(one.type, one.target) for one in run.changes] == [(one.type, one.target) for one in before.changes]
    assert run.get_metadata("Loader").columns == before.get_metadata("Loader").columns
    pd.testing.assert_frame_equal(run.get_timing(nested=True), before.get_timing(nested=True))


def test_a_module_before_keeps_its_own_schema_though_the_next_one_is_redacted():
    folder = record()
    before = load_run(folder).results["Loader[csv]"]["schema"]
    redact(folder, modules=["Clean"])
    run = load_run(folder)
    assert run.results["Loader[csv]"]["schema"] == before
    (snapshot,) = (one for one in run.get_snapshots("Clean") if one.context["point"] == "before")
    assert all(field.statistics is None and field.digest is None for field in snapshot.metadata.schema_before.fields)


def test_readers_say_that_the_data_was_redacted():
    folder = record()
    redact(folder, modules=["Loader"])
    run = load_run(folder)
    parts = [part for key in ("Loader[csv]", "Loader[csv]_Loader[report]") for part in run.results[key].record.parts]
    assert {(part.file, part.bytes, part.sha256, part.withheld) for part in parts} == {(None, None, None, "redacted")}
    with pytest.raises(WithheldError, match="was removed: results of the module Loader were redacted"):
        _ = run.results["Loader[csv]"]["data"]


def test_the_run_verifies_and_its_sums_hold():
    folder = record(fails=True, resumed=True)
    rename(folder, "other")
    redact(folder, modules=["Loader", "Last"])
    found = verify(folder)
    assert (found.findings, found.notes) == ([], [])
    assert sums_hold(folder)
    assert load_run(folder).damage == []
    assert list_runs()["name"].tolist() == ["other"]


def test_the_run_tells_when_what_was_removed():
    folder = record(fails=True)
    files = {path.name: path.stat().st_size for path in (folder / "results").iterdir() if "loader" in path.name}
    told = redact(folder, modules=["Loader"])
    (event,) = (event for event in load_run(folder).events if event.type == "redact")
    found = converted(event.context, Redaction)
    assert found is not None
    assert (found.modules, found.results, found.files, found.bytes) == (["Loader"], 2, 2, sum(files.values()))
    assert (told.results, told.files, told.bytes, told.errors) == (found.results, found.files, found.bytes, 1)
    assert event.message == "redacted Loader"
    assert event.timestamp > load_run(folder).end_time


def test_messages_of_errors_go_and_their_types_stay():
    folder = record(fails=True)
    redact(folder, modules=["Loader"])
    run = load_run(folder)
    assert (run.error.type, run.error.module_name, run.state) == ("ValueError", "Last", "failed")
    assert "left out" in run.error.message and "left out" in run.error.traceback
    assert list_runs()["error"].tolist() == [f"ValueError: {run.error.message}"]


def test_an_index_of_the_root_does_not_keep_the_message_of_an_error():
    folder = record(fails=True)
    list_runs(index=True)
    assert found_in(folder.parent) == CANARIES
    redact(folder, modules=["Loader", "Clean"])
    assert found_in(folder.parent) == set()


def test_a_look_changes_nothing_and_tells_the_same():
    folder = record()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    look = redact(folder, modules=["Loader"], dry_run=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    done = redact(folder, modules=["Loader"])
    assert (look.done, done.done) == (False, True)
    assert (look.results, look.files, look.bytes, look.schemas) == (done.results, done.files, done.bytes, done.schemas)


def test_a_failed_run_is_resumed_after_it_was_redacted(people: pd.DataFrame):
    folder = record(fails=True)
    redact(folder, modules=["Loader"])
    with Status.resume(folder) as status, status.step("Last", "x", data=people) as step:
        step.result(people)
    assert load_run(folder).state == "completed"
    assert verify(folder).findings == []


def test_a_redacted_run_is_amended_and_redacted_again():
    folder = record()
    redact(folder, modules=["Loader"])
    note(folder, "clean now")
    redact(folder, modules=["Clean"])
    run = load_run(folder)
    assert found_in(folder) == set()
    assert [one.text for one in run.notes] == ["clean now"]
    assert sum(event.type == "redact" for event in run.events) == 2
    assert verify(folder).findings == []


def test_an_interrupted_run_is_redacted_and_stays_interrupted(tmp_path: Path):
    code = (
        "import os, pandas as pd; from runfolio import Status; s = Status(); s.start(); print(s.folder)\n"
        "bird = 'Zei' + 'sig'  # which is not in the command line, for that is kept\n"
        "with s.step('Loader', 'x') as step: step.result(pd.DataFrame({'a': [bird]}))\n"
        "(s.folder / 'results' / '000009-left.json').write_bytes(bird.encode())\n"
        "os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, check=False)
    folder = Path(ran.stdout.strip())
    assert found_in(folder, {"Zeisig": {b"Zeisig"}}) == {"Zeisig"}
    redact(folder, modules=["Loader"])
    assert found_in(folder, {"Zeisig": {b"Zeisig"}}) == set()
    assert load_run(folder).state == "interrupted"
    assert verify(folder).findings == []


def test_an_executors_run_is_redacted_and_resumed(tmp_path: Path):
    config = {"Loader": {"a": {"path": str(tmp_path / "in.csv")}}, "Describer": {"d": {}}}
    pd.DataFrame({"a": [1, 2, 3]}).to_csv(tmp_path / "in.csv", index=False)
    executor = Executor(config=config)
    executor.run()
    folder = executor.status.folder
    redact(folder, modules=["Loader"])
    assert verify(folder).findings == []
    assert load_run(folder).results["Loader[a]"].is_withheld


def test_what_was_recorded_by_hand_of_the_same_schema_goes_as_well():
    schema = Schema.of(3, [Field(name="a", dtype="int64", nullable=True, nulls=2)])
    with Status() as status:
        status.record_snapshot("Loader", "x", {"schema_before": None, "schema_after": schema})
        status.record_snapshot("Next", "y", {"schema_before": schema, "schema_after": None})
    redact(status.folder, modules=["Loader"])
    sides = [one.metadata for one in load_run(status.folder).snapshots if one.module_name in ("Loader", "Next")]
    assert [(found.schema_after or found.schema_before)["a"].nulls for found in sides[:2]] == [None, None]
    assert verify(status.folder).findings == []


def test_a_run_that_somebody_resumes_just_then_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    folder = record(fails=True)
    checked, resumed = redaction._checked, []

    def check_and_resume(*arguments):
        found = checked(*arguments)
        resumed.append(Status.resume(folder))
        return found

    monkeypatch.setattr(redaction, "_checked", check_and_resume)
    with pytest.raises(UsageError, match="holds its lock"):
        redact(folder, modules=["Loader"])
    resumed[0].complete()
    assert load_run(folder).state == "completed"
    assert found_in(folder) == CANARIES
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_live_run_is_refused():
    with Status() as status:
        status.log("at work")
        with pytest.raises(UsageError, match="holds its lock"):
            redact(status.folder, modules=["Loader"])


@pytest.mark.parametrize("modules", [[], "Loader", ["Nobody"]])
def test_modules_must_be_the_runs(modules):
    folder = record()
    with pytest.raises((UsageError, NotFoundError)):
        redact(folder, modules=modules)
    assert found_in(folder) == CANARIES


def test_a_damaged_run_is_refused():
    folder = record()
    path = next((folder / "results").iterdir())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError, match="it is damaged"):
        redact(folder, modules=["Loader"])


def test_an_archive_and_a_folder_with_other_files_are_refused():
    folder = record()
    with pytest.raises(UsageError, match="archive"):
        redact(archive(folder).path, modules=["Loader"])
    (folder / "mine.txt").write_text("a note")
    with pytest.raises(UsageError, match="mine.txt"):
        redact(folder, modules=["Loader"])
    assert (folder / "mine.txt").read_text() == "a note"


def test_where_folders_can_not_be_exchanged_nothing_is_changed(monkeypatch: pytest.MonkeyPatch):
    folder = record()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(exchange, "_EXCHANGE", 0x7FFF0000)  # the system knows no such flag
    with pytest.raises(UsageError, match="can't exchange two folders"):
        redact(folder, modules=["Loader"])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_modes_stay():
    folder = record()
    folder.chmod(0o750)
    (folder / "run.json").chmod(0o640)
    redact(folder, modules=["Loader"])
    assert (folder.stat().st_mode & 0o777, (folder / "run.json").stat().st_mode & 0o777) == (0o750, 0o640)


def test_a_kill_at_any_call_leaves_one_whole_run():
    with Status(name="people") as status:
        with status.step("Loader", "csv") as step:
            frame = step.result(secrets())
        with status.step("Count", "rows", data=frame) as step:
            step.result({"rows": len(frame)})
    cuts = cut_at_calls(
        "from runfolio.redaction import redact\nact = lambda folder: redact(folder, modules=['Loader'])",
        status.folder,
        every=3,
    )
    seen = []
    for copy in cuts:
        (row,) = list_runs(copy.parent).itertuples()
        run = load_run(copy)
        is_done = any(event.type == "redact" for event in run.events)
        assert (row.name, run.state, run.damage) == ("people", "completed", [])
        assert [run.results[key].is_withheld for key in run.results] == [is_done, False]
        assert verify(copy).findings == []
        assert bool(found_in(copy)) is not is_done
        seen.append(is_done)
    assert len(seen) > 30
    assert seen == sorted(seen) and set(seen) == {False, True}  # from one instant on it is redacted


def test_what_a_kill_left_is_removed_by_the_next_redaction_and_by_prune():
    folder = record()
    for clear in (lambda: redact(folder, modules=["Loader"]), lambda: remove(prune(keep_last=5))):
        left = folder.with_name(f".{folder.name}.abcdefgh.going")
        shutil.copytree(folder, left)
        clear()
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_two_redactions_at_once_leave_one_whole_run():
    folder = record()
    code = (
        "import sys\nfrom runfolio.redaction import redact\nfrom runfolio.errors import UsageError\n"
        "try: redact(sys.argv[1], modules=[sys.argv[2]])\n"
        "except UsageError as error: print(error)"
    )
    names = ("Loader", "Clean")
    running = [subprocess.Popen([sys.executable, "-c", code, folder, who], stdout=-1, text=True) for who in names]
    said = [one.communicate()[0] for one in running]
    assert [one.returncode for one in running] == [0, 0]
    done = {name for event in load_run(folder).events if event.type == "redact" for name in event.context["modules"]}
    assert done == {who for who, text in zip(names, said, strict=True) if not text}
    assert all(re.search("another process|written to|holds its lock", text) for text in said if text)
    assert verify(folder).findings == []
