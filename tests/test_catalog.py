"""The catalog: one row a run, newest first, whatever state or shape each is in."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec import structs

from runfolio import Status, layout, list_runs, load_run
from runfolio.catalog import RunRow, row_of, scan
from runfolio.clock import Clock
from runfolio.errors import NotFoundError, UsageError

from .cli.samples import begin, flip, kill, record, rewrite_manifest


def names(**filters: object) -> list[str | None]:
    return [row.name for row in scan(**filters)]


class TestTagsAndTimes:
    def test_by_tags_takes_runs_that_have_each(self):
        for name, tags in (("one", ["a"]), ("two", ["a", "b"]), ("none", [])):
            Status(name=name, tags=tags).start()
        assert set(names(tags=["a"])) == {"one", "two"}
        assert names(tags=["a", "b"]) == ["two"]
        assert list(list_runs(tags=["b", "a"])["name"]) == ["two"]
        with pytest.raises(UsageError):
            list_runs(tags="a")

    @pytest.mark.parametrize(
        ("since", "until", "found"),
        [
            ("2026-11-02T12:00:00Z", None, ["3", "2"]),
            ("2026-11-02T12:00:02Z", None, ["3", "2"]),
            ("2026-11-02T12:00:10Z", None, ["3"]),
            ("2026-11-02T14:00:00+02:00", "2026-11-03T00:00Z", ["2"]),
            (None, "2026-11-02T12:00:01Z", ["1"]),
            (None, datetime(2026, 11, 2, 12, 0, 10, tzinfo=UTC), ["2", "1"]),
            (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), ["3", "2", "1"]),
        ],
    )
    def test_by_time_takes_runs_that_began_in_between(self, since, until, found):
        for day in (1, 2, 3):
            record(f"{day}", day)
        assert list(list_runs(since=since, until=until)["name"]) == found

    def test_by_a_span_takes_runs_that_began_so_long_ago(self):
        record("old", 1)
        Status(name="new").start()
        assert list(list_runs(since="1h")["name"]) == ["new"]
        assert list(list_runs(since=timedelta(hours=1))["name"]) == ["new"]
        assert list(list_runs(until="1h")["name"]) == ["old"]

    def test_by_time_reads_no_run_whose_id_tells_that_it_is_none(self):
        folder = record("old", 1)
        (folder / "run.json").write_text("damaged")
        for path in folder.glob("*.jsonl"):
            path.unlink()
        assert list(scan(since=datetime(2026, 11, 2, tzinfo=UTC))) == []
        folder.rename(folder.with_name("renamed"))
        record("other", 3)
        assert names(since=datetime(2026, 11, 2, tzinfo=UTC)) == ["other"], "a damaged one began at no time"

    def test_by_time_finds_a_renamed_folder_by_what_the_run_says(self):
        folder = record("one", 2)
        folder.rename(folder.with_name("renamed"))
        assert names(since=datetime(2026, 11, 2, tzinfo=UTC)) == ["one"]
        assert names(since=datetime(2026, 11, 3, tzinfo=UTC)) == []

    @pytest.mark.parametrize("since", ["soon", "", 7, "2026-13-01", "999999999999d", timedelta.max])
    def test_by_what_is_no_time_is_refused(self, since):
        with pytest.raises(UsageError, match="since is"):
            list_runs(since=since)


class TestRows:
    def test_rows_in_and_out_are_those_of_the_first_and_the_last_step_with_a_table(self):
        with Status(name="people") as status:
            with status.step("Loader", "csv") as step:
                step.result(pd.DataFrame({"age": range(5)}))
            with status.step("Clean", "old") as step:
                step.result(pd.DataFrame({"age": range(2)}))
            with status.step("Report", "text") as step:
                step.result({"rows": 2})
        with Status(name="given") as other, other.step("Clean", "x", data=pd.DataFrame({"age": range(9)})) as step:
            step.result(pd.DataFrame({"age": range(4)}))
        Status(name="none").complete()
        found = {row.name: (row.rows_in, row.rows_out) for row in scan()}
        assert found == {"people": (5, 2), "given": (9, 4), "none": (None, None)}
        for row in scan():
            assert row == row_of(load_run(row.folder))

    def test_rows_of_a_run_with_guests_and_of_a_resumed_one_are_those_of_all(self):
        status = Status(name="joined")
        with status.step("Loader", "csv") as step:
            step.result(pd.DataFrame({"age": range(5)}))
        with Status.join(status.folder) as guest, guest.step("Clean", "x", after=[("Loader", "csv")]) as step:
            step.result(pd.DataFrame({"age": range(3)}))
        status.complete()
        failed = Status(name="failed")
        with failed.step("Loader", "csv") as step:
            step.result(pd.DataFrame({"age": range(7)}))
        failed.fail("no")
        with Status.resume(failed.folder) as again, again.step("Clean", "x") as step:
            step.result(pd.DataFrame({"age": range(6)}))
        found = {row.name: (row.rows_in, row.rows_out) for row in scan()}
        assert found == {"joined": (5, 3), "failed": (7, 6)}
        for row in scan():
            assert row == row_of(load_run(row.folder))

    def test_the_newest_run_comes_first(self):
        for name, day in (("second", 2), ("third", 3), ("first", 1)):
            record(name, day)
        assert names() == ["third", "second", "first"]

    def test_an_ended_run_has_by_its_manifest_the_row_that_it_has_by_its_journals(self):
        for folder in (record("completed"), record("failed", error=ValueError("no column 'x'\nand more"))):
            (row,) = scan(folder.parent, name=layout.slug(folder.name.split("-")[1]))
            assert row == row_of(load_run(folder))

    def test_a_completed_run_is_summed_up(self):
        folder = record("people", day=22)
        (row,) = scan()
        size = sum(path.stat().st_size for path in [*folder.glob("*.jsonl"), *folder.glob("results/*")])
        assert structs.asdict(row) == {
            "run_id": folder.name,
            "folder": str(folder),
            "name": "people",
            "tags": ["test"],
            "state": "completed",
            "state_reason": None,
            "start_time": load_run(folder).start_time,
            "end_time": load_run(folder).end_time,
            "duration_seconds": load_run(folder).duration_seconds,
            "steps": 2,
            "rows_in": 3,
            "rows_out": 1,
            "changes": 5,
            "results": 2,
            "bytes": size,
            "error": None,
            "damage": None,
        }

    def test_why_a_run_failed_is_one_line(self):
        record("failed", error=ValueError("no column 'x'\nand more"))
        (row,) = scan()
        assert (row.state, row.error) == ("failed", "ValueError: no column 'x'")

    def test_an_ended_run_is_listed_without_reading_its_journals(self):
        folder = record("people")
        before = list(scan())
        shutil.rmtree(folder / layout.RESULTS_FOLDER)
        for path in folder.glob("*.jsonl"):
            path.write_bytes(bytes(path.stat().st_size))
        assert list(scan()) == before

    @pytest.mark.parametrize("damage", ["is missing", "cut"])
    def test_one_whose_journals_are_no_longer_whole_is_marked_and_hides_no_other(self, damage):
        folder, other = record("people"), record("others")
        path = folder / "changes.jsonl"
        path.unlink() if damage == "is missing" else os.truncate(path, path.stat().st_size - 1)
        rows = {row.folder: row.damage for row in scan()}
        assert rows[str(folder)] is not None and rows[str(other)] is None

    def test_a_live_run_has_taken_the_time_since_its_start(self):
        status = begin("live")
        now = status.start_time + timedelta(hours=3)
        (row,) = scan(clock=Clock(now=lambda: now))
        assert (row.state, row.duration_seconds, row.end_time) == ("in_progress", 3 * 3600, None)
        assert "holds its lock" in row.state_reason
        assert (row.steps, row.results, row.changes) == (1, 1, 3)
        status.complete()

    def test_a_killed_run_has_taken_the_time_to_its_last_record(self):
        run = load_run(kill())
        (row,) = scan()
        assert row.state == "interrupted"
        assert "is gone" in row.state_reason
        assert row.duration_seconds == (run.events[-1].timestamp - run.start_time).total_seconds()

    def test_times_of_another_zone_are_given_in_utc(self):
        folder = record("people")
        away = datetime(2026, 11, 1, 3, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
        rewrite_manifest(folder, start_time=away)
        (row,) = scan()
        assert row.start_time.isoformat() == "2026-11-01T01:00:00.000001+00:00"

    def test_the_root_is_by_default_that_of_the_environment(self, root: Path):
        record("people")
        assert list(scan()) == list(scan(root)) == list(scan(str(root)))

    def test_a_root_that_is_not_there_has_no_runs(self, tmp_path: Path):
        assert list(scan(tmp_path / "nowhere")) == []

    def test_a_root_that_is_a_file_is_refused(self, tmp_path: Path):
        (tmp_path / "file").touch()
        with pytest.raises(NotFoundError, match="is a file"):
            list(scan(tmp_path / "file"))

    def test_what_is_no_run_folder_is_not_listed(self, root: Path):
        record("people")
        (root / "README.md").write_text("about runs")
        (root / "notes").mkdir()
        assert names() == ["people"]

    def test_a_run_that_is_removed_while_others_are_listed_is_left_out(self):
        gone = record("gone", 1)
        record("stays", 2)
        rows = scan()
        assert next(rows).name == "stays"
        shutil.rmtree(gone)
        assert list(rows) == []


def in_progress_but_cut(folder: Path) -> None:
    rewrite_manifest(folder, state="in_progress", end_time=None)
    flip(folder / "events.jsonl")


def links_elsewhere(folder: Path) -> None:
    (folder / "run.json").rename(folder.parent / "elsewhere")
    (folder / "run.json").symlink_to(folder.parent / "elsewhere")


def put(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "run.json").unlink()
        make(folder / "run.json")

    return change


class TestDamage:
    CASES = {
        "a bit of run.json is flipped": (lambda folder: flip(folder / "run.json"), "run.json: its checksum"),
        "run.json is empty": (put(Path.touch), "run.json: it does not end in a checksum"),
        "run.json is a pipe": (put(os.mkfifo), "no regular file"),
        "run.json is a folder": (put(Path.mkdir), "no regular file"),
        "run.json is a link": (links_elsewhere, "run.json"),
        "run.json is too long": (put(lambda path: path.write_bytes(b"x" * 20_000_000)), "run.json: it does not end"),
        "the format is newer": (lambda folder: rewrite_manifest(folder, format_version=2), "format version 2"),
        "the journal of an unended run is damaged": (in_progress_but_cut, "events.jsonl, line 1, byte 0"),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_a_damaged_run_says_so_and_hides_no_other(self, case: str):
        folder = record("damaged", 2)
        record("older", 1)
        record("newer", 3)
        damage, reason = self.CASES[case]
        damage(folder)
        newer, damaged, older = scan()
        assert (newer.name, newer.damage, older.name, older.damage) == ("newer", None, "older", None)
        assert damaged.folder == str(folder)
        assert reason in damaged.damage

    def test_a_run_whose_manifest_is_damaged_is_told_by_its_journals(self):
        folder = record("damaged")
        (sound,) = scan()
        flip(folder / "run.json")
        (row,) = scan()
        assert row == structs.replace(sound, damage="run.json: its checksum does not match")

    def test_a_run_that_can_not_be_read_has_no_state(self):
        folder = record("newer")
        rewrite_manifest(folder, format_version=2)
        (row,) = scan()
        assert (row.run_id, row.state, row.steps, row.bytes) == (folder.name, None, None, None)


class TestFilters:
    @pytest.fixture(autouse=True)
    def runs(self):
        record("Nightly [full]", 1)
        record("nightly quick", 2, error=ValueError("no"))
        record("weekly", 3)
        record(None, 4)

    def test_runs_are_chosen_by_one_state_or_several(self):
        assert names(states=["failed"]) == ["nightly quick"]
        assert names(states=["failed", "completed"]) == names()

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ("night", ["nightly quick", "Nightly [full]"]),
            ("LY", ["weekly", "nightly quick", "Nightly [full]"]),
            ("[full]", ["Nightly [full]"]),
            ("n*", ["nightly quick", "Nightly [full]"]),
            ("*ly", ["weekly"]),
            ("week?y", ["weekly"]),
            ("* [f*]", ["Nightly [full]"]),
            ("week.y", []),
            ("", [None, "weekly", "nightly quick", "Nightly [full]"]),
        ],
    )
    def test_runs_are_chosen_by_a_part_of_the_name_or_a_pattern_of_all_of_it(self, wanted: str, found: list[str]):
        assert names(name=wanted) == found

    def test_an_unknown_state_is_refused_with_those_there_are(self):
        with pytest.raises(UsageError, match="'done'; a run's state is one of .*completed"):
            list_runs(state="done")

    @pytest.mark.parametrize("wanted", [{"state": 5}, {"state": [5]}, {"name": 5}, {"name": ["a"]}])
    def test_what_is_no_text_is_refused(self, wanted: dict[str, Any]):
        with pytest.raises(UsageError):
            list_runs(**wanted)

    def test_a_pattern_is_not_tried_in_all_ways_on_a_strangers_name(self):
        record("a" * 300, 1)
        before = time.process_time()
        assert names(name="*a*a*a*a*a*a*b") == []
        assert time.process_time() - before < 60  # all ways take longer than the universe is old


class TestFrame:
    def test_a_run_is_a_row_and_its_fields_are_the_columns(self):
        record("people", 2)
        record(None, 1, error=ValueError("no"))
        frame = list_runs()
        assert list(frame.columns) == list(RunRow.__struct_fields__)
        for (_, found), row in zip(frame.iterrows(), scan(), strict=True):
            for field, value in structs.asdict(row).items():
                assert found[field] == value if value is not None else pd.isna(found[field]), field

    def test_columns_have_their_types_also_without_a_run(self):
        empty = list_runs()
        record("people")
        kill()
        assert len(empty) == 0
        assert empty.dtypes.equals(list_runs().dtypes)
        assert str(empty["start_time"].dtype) == "datetime64[us, UTC]"
        assert str(empty["steps"].dtype) == "Int64"

    def test_a_state_and_a_name_choose(self):
        record("people", 1)
        record("people", 2, error=ValueError("no"))
        record("penguins", 3)
        assert list_runs(state="completed", name="people")["start_time"].dt.day.tolist() == [1]
        assert len(list_runs(state=["completed", "failed"])) == 3

    def test_a_year_that_no_run_began_in_is_no_obstacle(self):
        folder = record("people")
        rewrite_manifest(folder, start_time=datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
        assert list_runs()["start_time"].dt.year.tolist() == [1]
        rewrite_manifest(folder, start_time=datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))))
        assert list_runs()["start_time"].isna().tolist() == [True]

    def test_a_live_status_is_listed_too(self):
        with Status(name="live") as status:
            status.log("begun")
            assert list_runs()["state"].tolist() == ["in_progress"]
