"""Emptying a run: its tables go and nothing else does; it is as before or without them, and never half."""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Executor, Status, exchange, list_runs, load_run, making, salvage
from runfolio.errors import WithheldError
from runfolio.files import result_files
from runfolio.journal import Tail
from runfolio.records import Pruned, converted
from runfolio.retention import prune, remove
from runfolio.sidebyside import compare_runs
from runfolio.verification import verify

from .cuts import cut_at_calls
from .damage import record_interrupted
from .test_redaction import sums_hold

REPORTS = ["count-rows.json", "evaluator-quality.parquet"]
TABLE, REPORT = "Loader[csv]", "Loader[csv]_Splitter[half]_Count[rows]"


def record(*, name: str = "people", fails: bool = False, rows: int = 50) -> Path:
    """A run of a table, a dict of two tables, a report as JSON and one as a small frame."""
    frame = pd.DataFrame({"age": range(rows), "city": ["Ulm", "Bonn"] * (rows // 2)})
    status = Status(name=name)
    with status.step("Loader", "csv") as step:
        step.result(frame)
    with status.step("Splitter", "half", data=frame) as step:
        step.result({"train": frame, "test": frame.iloc[:5]})
    with status.step("Count", "rows", data=frame) as step:
        step.result({"rows": rows, "share": 0.5})
    with status.step("Evaluator", "quality", data=frame) as step:
        step.result(pd.DataFrame({"score": [0.25, 0.75]}, index=["ks", "tv"]))
    status.fail("no") if fails else status.complete()
    assert status.folder is not None
    return status.folder


def emptied(folder: Path) -> int:
    """Prune the data of all runs under its root; how many had some."""
    return len(remove(prune(folder.parent, keep_last=0, data_only=True)).runs)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fails", [False, True])
def test_all_that_was_recorded_stays(fails: bool):
    folder = record(fails=fails)
    before, history = load_run(folder), load_run(folder).column_history("city")
    assert emptied(folder) == 1
    run = load_run(folder)
    assert (run.run_id, run.state, run.start_time, run.end_time) == (
        before.run_id,
        before.state,
        before.start_time,
        before.end_time,
    )
    assert run.snapshots == before.snapshots
    assert [(one.change_id, one.after) for one in run.changes] == [(one.change_id, one.after) for one in before.changes]
    assert run.get_metadata("Loader")["age"].statistics is not None
    assert run.column_history("city") == history
    assert run.timing_records == before.timing_records


def test_reports_stay_and_runs_are_compared_by_them():
    folder = record()
    before = compare_runs([folder])
    assert emptied(folder) == 1
    assert load_run(folder).results[REPORT]["data"] == {"rows": 50, "share": 0.5}
    told = [name for name in before.columns if "share" in name or "rows" in name or "score" in name]
    assert any("share" in name for name in told) and any("score" in name for name in told)
    pd.testing.assert_frame_equal(compare_runs([folder])[told], before[told])


def test_tables_are_withheld_and_readers_say_why():
    folder = record()
    emptied(folder)
    stored = load_run(folder).results[TABLE]
    assert stored.is_withheld and stored["schema"]["age"].nulls == 0
    with pytest.raises(WithheldError, match="was pruned") as caught:
        stored["data"]
    assert (caught.value.reason, caught.value.key) == ("pruned", TABLE)
    assert sorted(Path(name).name[7:] for name, _ in result_files(folder)) == REPORTS


def test_the_run_is_sound_and_tells_what_went():
    folder = record()
    tables = [size for name, size in result_files(folder) if Path(name).name[7:] not in REPORTS]
    emptied(folder)
    assert verify(folder).findings == []
    assert sums_hold(folder)
    (event,) = (event for event in load_run(folder).events if event.type == "prune")
    assert converted(event.context, Pruned) == Pruned(results=3, files=len(tables), bytes=sum(tables))
    assert "removed the data of 3 results" in event.message
    (row,) = list_runs(folder.parent).itertuples()
    assert (row.results, row.bytes) == (4, sum(path.stat().st_size for path in folder.rglob("*") if _counts(path)))


def _counts(path: Path) -> bool:
    return path.suffix == ".jsonl" or path.parent.name == "results"


def test_what_is_freed_is_told_before():
    folder = record()
    tables = sum(size for name, size in result_files(folder) if Path(name).name[7:] not in REPORTS)
    found = prune(keep_last=0, data_only=True)
    assert (found.bytes, [run.bytes for run in found.runs]) == (tables, [tables])


def test_runs_without_tables_are_kept():
    with Status() as status:
        status.log("nothing to do")
    folder = record()
    found = prune(keep_last=0, data_only=True)
    assert ([run.folder for run in found.runs], found.kept, found.left) == ([str(folder)], 1, [])
    assert emptied(folder) == 1
    assert emptied(folder) == 0  # there is nothing more to remove


def test_a_size_takes_the_data_of_as_many_as_it_needs():
    folders = [record(rows=1000) for _ in range(4)]
    free = prune(keep_last=0, data_only=True).runs[0].bytes
    take = sum(list_runs()["bytes"]) - free - 1
    found = prune(max_size=take, data_only=True)
    assert {run.folder for run in found.runs} < set(map(str, folders))
    assert len(found.runs) == 2
    remove(found)
    assert sum(list_runs()["bytes"]) <= take


def test_an_interrupted_run_stays_interrupted(tmp_path: Path):
    folder = record_interrupted(tmp_path / "runs")
    assert load_run(folder).state == "interrupted"
    has_data = bool(list(result_files(folder)))
    assert emptied(folder) == has_data
    assert load_run(folder).state == "interrupted"
    assert verify(folder).findings == []


def test_an_executors_run_is_resumed_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pd.DataFrame({"age": [1, 2]}).to_csv(tmp_path / "in.csv", index=False)
    source = tmp_path / "late_steps.py"
    source.write_text("def late(data):\n    raise ValueError('not yet')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    executor = Executor(
        {"Loader": {"a": {"path": str(tmp_path / "in.csv")}}, "Late": {"b": {"method": "late_steps:late"}}}
    )
    with pytest.raises(ValueError, match="not yet"):
        executor.run()
    folder = executor.status.folder
    assert emptied(folder) == 1
    source.write_text("def late(data):\n    return data.assign(age=data['age'] + 1)\n")
    monkeypatch.delitem(sys.modules, "late_steps")
    again = Executor.resume(folder)
    again.run()
    assert again.status.results["Loader[a]_Late[b]"]["data"]["age"].tolist() == [2, 3]
    assert verify(folder).findings == []


def test_a_live_run_and_a_damaged_one_are_left():
    with Status() as status:
        with status.step("Loader", "csv") as step:
            step.result(pd.DataFrame({"age": [1]}))
        assert prune(keep_last=0, data_only=True).runs == []
    journal = status.folder / "changes.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"age", b"agf"))
    done = remove(prune(keep_last=0, data_only=True))
    assert done.runs == []
    assert ["damaged" in left.why for left in done.left] == [True]
    assert [Path(name).suffix for name, _ in result_files(status.folder)] == [".parquet"]


def test_one_that_was_resumed_meanwhile_is_left():
    folder = record(fails=True)
    found = prune(keep_last=0, data_only=True)
    with Status.resume(folder) as status:
        status.log("on")
        assert remove(found).left[0].folder == str(folder)
    assert [Path(name).suffix for name, _ in result_files(folder)].count(".parquet") > 0


def test_where_folders_can_not_be_exchanged_nothing_is_changed(monkeypatch: pytest.MonkeyPatch):
    folder = record()
    before = contents(folder)
    monkeypatch.setattr(exchange, "_EXCHANGE", 0x7FFF0000)  # the system knows no such flag
    done = remove(prune(keep_last=0, data_only=True))
    assert (done.runs, done.bytes) == ([], 0)
    assert "can't exchange two folders" in done.left[0].why
    assert contents(folder) == before


def test_a_kill_at_any_call_leaves_one_whole_run():
    cuts = cut_at_calls(
        "from runfolio.retention import prune, remove\n"
        "act = lambda folder: remove(prune(folder.parent, keep_last=0, data_only=True))",
        record(),
        every=3,
    )
    seen = []
    for copy in cuts:
        (row,) = list_runs(copy.parent).itertuples()
        run = load_run(copy)
        is_done = any(event.type == "prune" for event in run.events)
        assert (row.name, run.state, run.damage) == ("people", "completed", [])
        assert run.results[TABLE].is_withheld == is_done
        assert verify(copy).findings == []
        seen.append(is_done)
        remove(prune(copy.parent, keep_last=5))
        assert [path.name for path in copy.parent.iterdir()] == [copy.name]
    assert len(seen) > 20
    assert seen == sorted(seen) and set(seen) == {False, True}  # from one instant on it has no tables


@pytest.mark.parametrize("unread", ["count-rows.json", "events.jsonl", "changes.jsonl"])
def test_what_can_not_be_read_just_then_is_not_lost(unread: str, monkeypatch: pytest.MonkeyPatch):
    folder = record()
    before = contents(folder)
    copy, made = making.open_within, salvage.Tail

    def no_descriptor(path: Path, name: str) -> int:
        if name.endswith(unread):
            raise OSError(errno.EMFILE, "Too many open files")
        return copy(path, name)

    def no_tail(path: Path) -> Tail:
        if path.name == unread:
            raise OSError(errno.EMFILE, "Too many open files")
        return made(path)

    monkeypatch.setattr(making, "open_within", no_descriptor)
    monkeypatch.setattr(salvage, "Tail", no_tail)
    done = remove(prune(keep_last=0, data_only=True))
    monkeypatch.undo()
    assert (done.runs, len(done.left)) == ([], 1)
    assert "read" in done.left[0].why
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_files_that_no_line_names_go_as_well():
    folder = record()
    (path, *_) = (folder / name for name, _ in result_files(folder))
    shutil.copy(path, path.with_name("000099-left.parquet"))
    emptied(folder)
    assert verify(folder).notes == []
