"""SQL over runs: views with the types of the format, over whatever is there, and nothing outside of the root."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

from runfolio import Status, list_runs, load_run, sql
from runfolio.catalog import RunRow
from runfolio.codec import LINE_TYPES
from runfolio.errors import NotFoundError, UsageError
from runfolio.queries import VIEWS, columns_of

from .cli.samples import flip, kill, record
from .damage import record_golden


def rows(query: str, *parameters: object) -> list[list[object]]:
    found = sql(None, query, list(parameters) or None)
    return found.astype(object).where(found.notna(), None).to_numpy().tolist()


class TestViews:
    def test_have_every_record_of_every_run(self, root):
        runs = [load_run(folder) for folder in (record("a", 1), record("b", 2, error=ValueError("no")))]
        for view, name in (("snapshots", "snapshots"), ("changes", "changes"), ("timings", "timing_records")):
            assert rows(f"SELECT count(*) FROM {view}") == [[sum(len(getattr(run, name)) for run in runs)]]
        assert rows("SELECT run_id, count(*) FROM events GROUP BY ALL ORDER BY ALL") == sorted(
            [run.run_id, len(run.events)] for run in runs
        )
        assert rows("SELECT key, rows FROM results ORDER BY ALL") == [
            ["Loader[csv]", 3],
            ["Loader[csv]", 3],
            ["Loader[csv]_Clean[drop_na]", 1],
        ]

    def test_have_those_of_all_writers(self, root):
        folder = record_golden(root)
        run = load_run(folder)
        found = rows("SELECT writer, count(*) FROM events GROUP BY writer ORDER BY writer")
        assert sum(count for _, count in found) == len(run.events)
        assert len(found) == len(list(folder.glob("events*.jsonl"))) > 1

    def test_have_the_runs_as_a_list_has_them(self, root):
        record("a", 1)
        record("b", 2, error=ValueError("no"))
        kill()
        told = list_runs()
        found = sql(None, "SELECT * FROM runs")
        assert list(found.columns) == list(told.columns) == list(RunRow.__struct_fields__)
        for column in ("run_id", "name", "state", "steps", "rows_in", "bytes", "error"):
            assert (
                found[column].astype(object).where(found[column].notna(), None).tolist()
                == told[column].astype(object).where(told[column].notna(), None).tolist()
            )
        assert rows("SELECT state FROM runs ORDER BY state") == [["completed"], ["failed"], ["interrupted"]]

    def test_have_a_column_for_each_field_of_the_format(self, root):
        for view, kind in VIEWS.items():
            names = {name for name, *_ in rows(f"DESCRIBE {view}")}
            fields = set(columns_of(LINE_TYPES[kind])) - {"parts", "fields", "seq" if view == "fields" else ""}
            assert fields <= names | {"path"}

    def test_have_the_same_types_whether_there_are_runs_or_not(self, root, tmp_path):
        record("a", 1)
        for view in ("runs", *VIEWS):
            assert sql(root, f"DESCRIBE {view}").equals(sql(tmp_path / "none", f"DESCRIBE {view}"))

    @pytest.mark.parametrize("named", ["Changes", '"changes"', "main.changes"])
    def test_are_there_however_they_are_named(self, root, named):
        record("a", 1)
        assert rows(f"SELECT count(*) > 0 FROM {named}") == [[True]]
        assert {name for (name,) in rows("SHOW TABLES")} == {"runs", *VIEWS}

    def test_have_contexts_as_json_whatever_is_in_them(self, root):
        status = Status()
        for context in ({"a": 1}, {"a": "x"}, {"a": [1, {"b": None}]}):
            status.log("m", context=context)
        status.complete()
        found = rows("SELECT context->'$.a' FROM events WHERE type = 'log' ORDER BY seq")
        assert [json.loads(value) for (value,) in found] == [1, "x", [1, {"b": None}]]

    def test_have_times_in_utc(self, root):
        record("a", 1)
        (found,) = sql(None, "SELECT start_time FROM runs")["start_time"]
        assert found == load_run("latest").start_time
        assert str(found.tzinfo) == "UTC"

    def test_give_the_file_of_each_part(self, root):
        frame = pd.DataFrame({"age": [31, 40]})
        with Status() as status, status.step("Split", "x") as step:
            step.result({"train": frame, "report": {"rows": 2}})
        (train, report) = rows("SELECT part, file, format FROM results ORDER BY format DESC")
        assert (train[0], report[0]) == ("train", "report")
        pd.testing.assert_frame_equal(pd.read_parquet(train[1]), frame)
        assert rows("SELECT sum(age) FROM read_parquet(?)", train[1]) == [[71]]

    def test_have_a_row_for_each_column_of_a_schema(self, root):
        record("a", 1)
        found = rows("SELECT position, name, dtype, nulls FROM fields WHERE rows = 3 ORDER BY position")
        assert [(place, name, nulls) for place, name, _, nulls in found] == [
            (1, "name", 1),
            (2, "age", 0),
            (3, "weight", 1),
        ]


class TestOdd:
    def test_lines_hide_nothing_else(self, root):
        folder = record("a", 1)
        changes, events = rows("SELECT change_id FROM changes"), rows("SELECT event_id FROM events")
        with (folder / "changes.jsonl").open("ab") as file:
            file.write(b'{"kind":"change","seq":')
        with (folder / "events.jsonl").open("ab") as file:
            file.write(b"\x00\xff\xfe\nnothing\n[1]\n" + b'{"kind":"later","seq":9}\n{"kind":"event","seq":"x"}\n')
        assert rows("SELECT change_id FROM changes") == changes
        assert rows("SELECT event_id FROM events WHERE event_id IS NOT NULL") == events

    def test_runs_hide_no_others(self, root):
        flip(record("a", 1) / "run.json")
        record("b", 2)
        (root / "mine").mkdir()
        assert rows("SELECT name FROM runs ORDER BY name") == [["a"], ["b"]]
        assert rows("SELECT count(DISTINCT run_id) FROM changes") == [[2]]

    def test_names_of_folders_are_no_sql(self, tmp_path):
        odd = tmp_path / 'it\'s "odd" [*] {x}, ünï'
        with Status(root=odd, name="a") as status:
            status.log("m")
        assert sql(odd, "SELECT message FROM events WHERE type = 'log'").values.tolist() == [["m"]]

    def test_live_runs_are_there_as_far_as_they_are(self, root):
        with Status(name="live") as status:
            status.log("begun")
            query = "SELECT runs.state, message FROM events JOIN runs USING (run_id) WHERE type = 'log'"
            assert rows(query) == [["in_progress", "begun"]]


class TestRefused:
    @pytest.mark.parametrize(
        ("query", "why"),
        [
            ("DROP TABLE runs", "is not one SELECT"),
            ("SELECT 1; SELECT 2", "is not one SELECT"),
            ("", "is not one SELECT"),
            ("COPY runs TO 'stolen.csv'", "is not one SELECT"),
            ("EXPLAIN ANALYZE COPY runs TO 'stolen.csv'", "is not one SELECT"),
            ("SET enable_external_access = true", "is not one SELECT"),
            ("ATTACH 'x.db'", "is not one SELECT"),
            ("SELEC 1", "Parser Error"),
            ("SELECT nothing FROM runs", "Binder Error"),
            ("SELECT * FROM nothing", "Catalog Error"),
            ("SELECT 1 / 'x'", "Conversion Error"),
            ("SELECT ?", "parameter"),
            ("SELECT * FROM read_csv('/etc/passwd')", "reads what is under its root alone"),
            ("SELECT * FROM '/etc/passwd'", "."),
            ("SELECT * FROM read_text('{root}/../secret')", "reads what is under its root alone"),
            ("SELECT * FROM glob('/etc/*')", "."),
            ("SELECT * FROM read_csv('http://127.0.0.1:1/x')", "."),
            ("SELECT * FROM people", "Catalog Error"),
        ],
    )
    def test_queries_do_nothing_and_say_why(self, root, tmp_path, monkeypatch, query, why):
        people = pd.DataFrame({"a": [1]})  # which DuckDB would find by its name
        assert len(people) == 1
        monkeypatch.chdir(tmp_path)
        record("a", 1)
        (tmp_path / "secret").write_text("secret")
        with pytest.raises(UsageError, match=why) as raised:
            sql(None, query.format(root=root))
        assert raised.value.key == "query"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "secret"]

    def test_a_root_that_is_a_file_is(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(NotFoundError):
            sql(tmp_path / "file", "SELECT 1")

    def test_without_duckdb_the_extra_is_named(self, root):
        code = "import sys; sys.modules['duckdb'] = None; import runfolio; runfolio.sql('x', 'SELECT 1')"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert found.stderr.endswith("DuckDB is not installed; pip install 'runfolio[sql]'\n")
