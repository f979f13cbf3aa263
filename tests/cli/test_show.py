"""`runfolio show`: a run in sections."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from runfolio import Executor, Status, load_run, provenance
from runfolio.catalog import scan
from runfolio.records import Repository
from runfolio.spelling import duration, size, stamp

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, flip, kill, people, record, rewrite_manifest


def show(cli: Cli, *args: str) -> str:
    result = cli("show", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def section(out: str, title: str) -> list[list[str]]:
    """The words of a section's lines, without its titles."""
    _, _, rest = out.partition(f"\n{title}\n")
    return [line.split() for line in rest.partition("\n\n")[0].splitlines()][1:]


class TestRuns:
    def test_a_run_is_named_by_id_prefix_latest_or_path(self, cli: Cli):
        record("older", 1)
        folder = record("people", 22)
        expected = show(cli, folder.name)
        assert expected.startswith(folder.name)
        for name in ("latest", "20261122", str(folder), f"{folder}/"):
            assert show(cli, name) == expected
        assert show(cli, folder.name, "--root", str(folder.parent)) == expected

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("nope", "no run 'nope' under "),
            ("2026", "2 runs begin with '2026': "),
            ("./nope", "no run folder at ./nope"),
            (f"{HOSTILE}/", f"no run folder at {NEUTRAL}/"),
        ],
    )
    def test_a_run_that_is_not_there_or_not_the_only_one_is_an_error(self, cli: Cli, name: str, message: str):
        record("older", 1)
        record("people", 22)
        result = cli("show", name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"runfolio: {message}")
        assert result.stderr.count("\n") == 1

    def test_a_newer_format_and_a_folder_that_is_no_run_are_errors(self, cli: Cli, tmp_path: Path):
        folder = record("people")
        rewrite_manifest(folder, format_version=2)
        assert "upgrade runfolio" in cli("show", "latest").stderr
        (tmp_path / "empty").mkdir()
        assert "is no run folder" in cli("show", str(tmp_path / "empty")).stderr
        assert cli("show", str(tmp_path / "empty")).exit_code == cli("show", "latest").exit_code == 1


class TestText:
    def test_it_begins_with_a_summary(self, cli: Cli):
        folder = record("people", 22)
        row = next(scan())
        assert show(cli, "latest").partition("\n\n")[0].splitlines() == [
            folder.name,
            "state    completed",
            "name     people",
            "tags     test",
            f"started  {stamp(row.start_time)}",
            f"took     {duration(row.duration_seconds)}",
            f"size     {size(row.bytes)}",
            f"folder   {folder}",
        ]

    def test_steps_have_durations_and_rows(self, cli: Cli):
        timings = load_run(record("people")).timing_records
        took = [duration(timing.duration_seconds) for timing in timings]
        assert section(show(cli, "latest"), "Steps") == [
            ["Loader[csv]", "completed", took[0], "-", "3", "2"],
            ["Clean[drop_na]", "completed", took[1], "3", "1", "-2", "0", "-2"],
        ]

    def test_nulls_that_were_not_counted_are_not_told_as_none(self, cli: Cli):
        with Status(profile="names") as status, status.step("Loader", "csv") as step:
            step.result(people())
        assert section(show(cli, "latest"), "Steps")[0][-2:] == ["3", "-"]

    def test_changes_of_a_step_stand_together(self, cli: Cli):
        record("people")
        lines = [" ".join(line) for line in section(show(cli, "latest"), "Schema changes")]
        assert lines == [
            "Loader[csv] CREATE name, age, weight",
            "Clean[drop_na] UPDATE *: 3 rows → 1 row",
            "TRANSFORM age: int64, 29 to 41 → float64, 36.0 to 36.0",
        ]

    def test_results_have_a_line_a_part(self, cli: Cli):
        with begin("parts") as status, status.step("Splitter", "half") as step:
            step.result({"train": people()[:2], "validation": people()[2:]})
        lines = section(show(cli, "latest"), "Results")
        assert [(*line[:-2], line[-1]) for line in lines] == [
            ("Loader[csv]", "3", "3", "results/000001-loader-csv.parquet"),
            ("Loader[csv]_Splitter[half]", "train", "2", "3", "results/000002-splitter-half-train.parquet"),
            ("Loader[csv]_Splitter[half]", "validation", "1", "3", "results/000003-splitter-half-validation.parquet"),
        ]

    def test_what_is_needed_to_repeat_it_is_told(self, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        commit = Repository(commit="3f2a91c0d5b8" + "0" * 28, branch="main", dirty=True)
        monkeypatch.setattr(provenance, "repository_of", lambda *folders: commit)
        monkeypatch.setattr(sys, "orig_argv", ["python", "a b.py", "--key", "x"])
        (tmp_path / "a.csv").write_text("a,b\n")
        config = {"Loader": {"a": {"method": people}}, "Splitter": {"b": {"seed": 1, "ratio": 0.5}}}
        executor = Executor(config)
        with executor._begin() as status, status.step("Loader", "a") as step:
            step.input(tmp_path / "a.csv", name="a.csv")
        lines = dict(line.split(maxsplit=1) for line in map(" ".join, section(show(cli, "latest"), "Provenance")))
        _, _, whole = show(cli, "latest").partition("\nProvenance\n")
        assert whole.startswith("command  python 'a b.py' --key '***'\n")
        assert lines["commit"] == "3f2a91c0d5b8 on main, changed since"
        assert lines["config"] == f"given in Python, sha256 {status.provenance.configuration.sha256[:12]}"
        assert (lines["seeds"], lines["inputs"]) == ("Splitter.b.seed 1", "a.csv 4B")
        assert lines["packages"].startswith("python 3.") and "pandas 2." in lines["packages"].replace(" 3.", " 2.")

    def test_a_run_without_it_has_no_such_section(self, cli: Cli):
        with Status(provenance=False):
            pass
        assert "Provenance" not in show(cli, "latest")

    def test_a_failed_run_shows_its_error_with_the_traceback(self, cli: Cli):
        record("people", error=ValueError("no column 'x'\nsecond line"))
        out = show(cli, "latest")
        assert "error    ValueError: no column 'x'\n" in out
        assert section(out, "Steps")[1][:6] == ["Clean[drop_na]", "failed:", "ValueError:", "no", "column", "'x'"]
        assert "\nError in Clean[drop_na]\nTraceback (most recent call last):\n" in out
        assert out.endswith("ValueError: no column 'x'\nsecond line\n")

    def test_a_run_that_failed_by_a_message_shows_that(self, cli: Cli):
        begin("people").fail("out of patience")
        assert show(cli, "latest").endswith("\nError\nout of patience\n")

    def test_a_killed_run_shows_how_far_it_was(self, cli: Cli):
        kill()
        out = show(cli, "latest")
        assert "\nstate    interrupted\nwhy      its writer, process " in out
        assert section(out, "Steps") == [
            ["Train[slow]", *["unfinished,", "412", "of", "1,000", "rows", "-", "-", "-", "-"]]
        ]

    def test_a_live_run_shows_what_is_running(self, cli: Cli):
        with begin("live") as status, status.step("Train", "slow") as step:
            step.progress(3, unit="epochs")
            with status.step("Inner", "one", after=None):
                lines = section(show(cli, "latest"), "Steps")
        assert [line[:4] for line in lines[1:]] == [
            ["Train[slow]", "running,", "3", "epochs"],
            ["run", "running", *lines[2][2:4]],
        ]

    def test_damage_is_shown_with_its_place_and_is_no_failure(self, cli: Cli):
        folder = record("people")
        flip(folder / "changes.jsonl")
        out = show(cli, "latest")
        assert "\nstate    completed\n" in out
        assert "\ndamage   changes.jsonl, line 1, byte 0: its checksum does not match, and 1 more\n" in out
        _, _, damage = out.partition("\nDamage\n")
        assert damage.splitlines() == [str(finding) for finding in sound(folder).damage]

    def test_texts_from_files_are_neutralised(self, cli: Cli):
        with Status(name=HOSTILE, tags=[HOSTILE]) as status:
            with status.step(HOSTILE, HOSTILE) as step:
                step.result({HOSTILE: pd.DataFrame({HOSTILE: [1]})})
            status.record_change("UPDATE", HOSTILE, before=HOSTILE, after=HOSTILE)
            status.fail(HOSTILE.replace("\n", ""), module=HOSTILE, experiment=HOSTILE)
        out = show(cli, "latest")
        assert set(out) - {"\n", "→"} <= set(map(chr, range(0x20, 0x7F)))
        assert f"name     {NEUTRAL}\n" in out
        assert f"{NEUTRAL}: {NEUTRAL} → {NEUTRAL}\n" in out

    def test_many_alike_are_shortened(self, cli: Cli):
        with begin("many") as status, status.step("Wide", "frame", after=None) as step:
            step.result(pd.DataFrame({f"c{number}": [1] for number in range(30)}))
            for number in range(25):
                status.record_change("UPDATE", f"c{number}")
                status.end_timing(status.start_timing("Wide", "frame", f"part {number}"))
        out = show(cli, "latest")
        assert "c18, c19 … and 10 more\n" in out
        assert len(section(out, "Steps")) == 2 + 20 + 1
        assert section(out, "Steps")[-1] == ["…", "and", "5", "more"]
        assert section(out, "Schema changes")[-1] == ["…", "and", "6", "more"]


def plain(records: object) -> object:
    return json.loads(msgspec.json.encode(records))


def sound(folder: Path):
    with pytest.warns(match="is damaged"):
        return load_run(folder)


class TestSteps:
    def steps(self, cli: Cli) -> list[dict[str, object]]:
        return json.loads(cli("show", "latest", "--json").stdout)["steps"]

    def test_a_path_that_ran_twice_has_the_rows_of_each_time(self, cli: Cli):
        with begin("twice") as status:
            with pytest.raises(ZeroDivisionError), status.step("Clean", "again", after=None, data=people()[:2]):
                raise ZeroDivisionError
            with status.step("Clean", "again", after=None, data=people()) as step:
                step.result(people()[:1])
        found = [(step["outcome"], step["rows_before"], step["rows_after"]) for step in self.steps(cli)[1:]]
        assert found == [("failed", 2, None), ("completed", 3, 1)]

    def test_nulls_are_those_of_all_columns_and_parts(self, cli: Cli):
        with begin("parts") as status, status.step("Splitter", "half", data=people()) as step:
            step.result({"train": people()[:2], "validation": people()[2:].assign(more=None)})
        found = [(step["nulls_before"], step["nulls_after"]) for step in self.steps(cli)]
        assert found == [(None, 2), (2, 3)]

    def test_a_timing_by_hand_has_the_rows_of_the_snapshot_by_hand(self, cli: Cli):
        status = begin("by hand")
        status.record_timing("Clean", "drop", "run", 0, 1)
        status.record_snapshot("Clean", "drop", {"schema_before": people(), "schema_after": people()[:2]})
        status.complete()
        (found,) = [step for step in self.steps(cli) if step["module_name"] == "Clean"]
        assert (found["rows_before"], found["rows_after"], found["duration_seconds"]) == (3, 2, 1.0)
        assert (found["nulls_before"], found["nulls_after"]) == (2, 1)

    def test_what_was_timed_inside_a_step_follows_it(self, cli: Cli):
        with begin("nested") as status, status.step("Train", "slow"):
            outer = status.start_timing("Train", "slow", "outer")
            status.end_timing(status.start_timing("Train", "slow", "inner"))
            status.end_timing(outer)
        found = [(step["step_name"], step["depth"]) for step in self.steps(cli)]
        assert found[1:] == [("run", 0), ("outer", 1), ("inner", 2)]


class TestJson:
    def test_it_is_one_object_with_every_section_in_full(self, cli: Cli):
        folder = record("people", error=ValueError("no\nyes"))
        run = load_run(folder)
        (row,) = scan()
        found = json.loads(cli("show", "latest", "--json").stdout)
        assert list(found) == [
            "run",
            "sequence",
            "steps",
            "changes",
            "results",
            "provenance",
            "error",
            "damage",
            "repairs",
            "amendments",
        ]
        assert found["provenance"] == plain(run.provenance)
        assert found["run"] == plain(row)
        assert found["sequence"] == ["Loader", "Clean"]
        assert found["changes"] == plain(run.changes)
        assert found["results"] == plain([stored.record for stored in run.results.values()])
        assert found["error"] == plain(run.error)
        assert found["damage"] == found["repairs"] == []
        assert [step["outcome"] for step in found["steps"]] == ["completed", "failed"]
        assert found["steps"][0]["start_time"].endswith("Z")

    def test_damage_is_listed_by_file_line_and_byte(self, cli: Cli):
        folder = record("people")
        flip(folder / "changes.jsonl")
        found = json.loads(cli("show", "latest", "--json").stdout)
        assert found["damage"] == plain(sound(folder).damage)
        assert {"file": "changes.jsonl", "line": 1, "byte": 0}.items() <= found["damage"][0].items()

    def test_it_is_the_same_from_a_copy_elsewhere_but_for_the_folder(self, cli: Cli, tmp_path: Path):
        folder = record("people")
        shutil.copytree(folder, tmp_path / "copy")
        here = json.loads(cli("show", str(folder), "--json").stdout)
        there = json.loads(cli("show", str(tmp_path / "copy"), "--json").stdout)
        assert here["run"].pop("folder") != there["run"].pop("folder")
        assert here == there
