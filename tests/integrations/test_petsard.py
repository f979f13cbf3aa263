"""PETsARD's real Executor, tracked: each run is held against an independent record of what happened.

Skipped where petsard is not installed; `.ci/run` makes an environment that has it. What PETsARD imports without need is
stood in for if it is missing.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from runfolio import Executor as OurExecutor
from runfolio import Schema, Status, load_run
from runfolio.cli.commands import commands
from runfolio.clock import Clock
from runfolio.errors import ConfigError, UsageError, WriteError, WriteWarning
from runfolio.integrations import operators
from runfolio.integrations.petsard import plan_of, track
from runfolio.steptable import steps_of
from runfolio.verification import verify

STAND_INS = Path(__file__).parent / "stand_ins"
EXAMPLES = Path(__file__).parents[2] / "examples"

if importlib.util.find_spec("petsard") is None:
    pytest.skip("petsard is not installed: pip install 'runfolio[petsard]'", allow_module_level=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sys.path.append(str(STAND_INS))
    import petsard
    from petsard import Executor
    from petsard.status import Status as TheirStatus

from .witness import Witness, check_same, read  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore", "error::runfolio.errors.WriteWarning")

QUIET = "Executor: {log_output_type: stdout, log_level: CRITICAL}\n"
GRID = (
    QUIET
    + """
Loader:
  a: {filepath: people.csv}
  b: {filepath: others.csv}
Splitter:
  s: {num_samples: 2, train_split_ratio: 0.8, random_state: 3}
Preprocessor:
  label: {method: custom, config: {encoder: {job: encoder_label, sex: encoder_label}}}
  one]_y[/hot: {method: custom, config: {encoder: {job: encoder_onehot}}}
"""
)
EVERY = (
    QUIET
    + """
Loader:
  a: {filepath: people.csv}
Splitter:
  s: {num_samples: 1, train_split_ratio: 0.8, random_state: 3}
Preprocessor:
  onehot: {method: custom, config: {encoder: {job: encoder_onehot, sex: encoder_label}}}
Synthesizer:
  again: {method: custom_method, module_path: kit.py, class_name: Again}
Postprocessor:
  back: {method: default}
Constrainer:
  kept: {method: resample, field_constraints: ["age >= 20"], target_rows: 30, max_trials: 5}
  one: {method: validate, field_constraints: ["age >= 30"]}
  two: {method: validate, field_constraints: ["age >= 30"], source: [Loader, Splitter.validation]}
Reporter:
  data: {method: save_data, source: Postprocessor}
  checks: {method: save_validation}
  schema: {method: save_schema, source: [Loader, Preprocessor]}
"""
)
DESCRIBED = (
    QUIET
    + """
Loader:
  a: {filepath: people.csv}
Splitter:
  s: {num_samples: 1, train_split_ratio: 0.8, random_state: 3}
Describer:
  one: {source: Loader}
  two: {source: {base: Splitter.train, target: Splitter.validation}}
Reporter:
  timing: {method: save_timing}
"""
)
FAILS = (
    QUIET
    + """
Loader:
  a: {filepath: people.csv}
  b: {filepath: others.csv}
Synthesizer:
  again: {method: custom_method, module_path: kit.py, class_name: Again}
  second: {method: custom_method, module_path: kit.py, class_name: CLASS}
"""
)
KIT = '''
import os, signal

class Again:
    def __init__(self, config, metadata):
        pass
    def fit(self, data):
        self.data = data
    def sample(self):
        return self.data.sample(len(self.data), replace=True, random_state=1).reset_index(drop=True)

class Fails(Again):
    def fit(self, data):
        raise ValueError("told to")

class FailsOnce(Again):
    """Fails where the first file's data come in."""
    def fit(self, data):
        self.data = data
        if len(data) == 40:
            raise ValueError("told to")

class Dies(Again):
    """Dies where the second file's data come in."""
    def fit(self, data):
        self.data = data
        if len(data) == 30:
            os.kill(os.getpid(), signal.SIGKILL)

class Odd(Again):
    def sample(self):
        return self.data.assign(odd=[object()] + ["text"] * (len(self.data) - 1))
'''


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with two files of data and a module; PETsARD's handlers are gone at the end."""
    monkeypatch.chdir(tmp_path)
    numbers = range(40)
    people = pd.DataFrame(
        {
            "age": [20 + number for number in numbers],
            "income": [1000.5 + 7 * number for number in numbers],
            "job": [("cook", "clerk", "nurse")[number % 3] for number in numbers],
            "sex": [("f", "m")[number % 2] for number in numbers],
        }
    )
    people.to_csv("people.csv", index=False)
    people.iloc[10:].to_csv("others.csv", index=False)
    Path("kit.py").write_text(KIT)
    root_logger = logging.getLogger()
    handlers = list(root_logger.handlers)
    yield tmp_path
    root_logger.handlers = handlers
    theirs = logging.getLogger("PETsARD")
    for handler in list(theirs.handlers):
        theirs.removeHandler(handler)
        handler.close()
    gc.collect()


def seen(config: str, **options: Any) -> tuple[Witness, Status]:
    """Run a pipeline, tracked and witnessed."""
    with Witness().watching() as witness:
        executor = Executor(config)
        with track(executor, **options) as status:
            executor.run()
    assert executor.is_execution_completed()
    return witness, status


def check(run: Any, witness: list[Any]) -> None:
    """Hold a run's committed steps against those that were witnessed."""
    rows = {row.path: row for row in steps_of(run) if row.outcome == "completed"}
    assert [key for key in run.results if not key.endswith(".validation")] == [one.key for one in witness]
    assert len(rows) == len(witness)
    after = [one for one in run.snapshots if one.context["point"] == "after"]
    for one, snapshot, row in zip(witness, after, rows.values(), strict=True):
        stored = run.results[one.key]
        check_same(stored["data"], one.result)
        assert one.key.endswith(f"{snapshot.module_name}[{snapshot.experiment_name}]")
        assert row.duration_seconds >= one.seconds
        if isinstance(one.data, pd.DataFrame):
            assert snapshot.metadata.schema_before == Schema.from_data(one.data)
        elif isinstance(one.data, dict) and snapshot.module_name != "Reporter":
            assert snapshot.metadata.schema_before == {name: Schema.from_data(data) for name, data in one.data.items()}
        if isinstance(one.result, pd.DataFrame):
            assert snapshot.metadata.schema_after == Schema.from_data(one.result)
        if one.validation is not None and not isinstance(one.result.get("total_rows"), int):
            check_same(run.results[f"{one.key}.validation"]["data"], one.validation)
    assert verify(run.folder).findings == []


class TestWhatIsRecorded:
    def test_of_a_grid_every_branch_is_what_happened(self):
        witness, status = seen(GRID)
        assert len(witness.seen) == 2 + 2 * 2 + 2 * 2 * 2
        run = load_run(status.folder)
        assert (run.state, run.damage) == ("completed", [])
        check(run, witness.seen)
        assert set(run.get_result()) == {one.key for one in witness.seen if "Preprocessor" in one.key}

    @pytest.mark.parametrize("config", [EVERY, DESCRIBED], ids=["every module", "describers"])
    def test_of_each_module_that_runs_offline_it_is_what_happened(self, config: str):
        witness, status = seen(config)
        modules = {key.partition("[")[0] for one in witness.seen for key in one.key.split("]_")}
        assert modules == set(petsard_modules(config))
        check(load_run(status.folder), witness.seen)

    def test_one_hot_columns_are_created_and_the_column_that_they_come_from_is_deleted(self):
        _, status = seen(GRID)
        changes = {(one.type, one.target) for one in status.changes if one.experiment_name == "one]_y[/hot"}
        assert {("DELETE", "job"), ("CREATE", "job_cook"), ("CREATE", "job_nurse")} <= changes

    def test_a_constrainer_that_validates_changes_nothing(self):
        _, status = seen(EVERY)
        changed = {one.experiment_name for one in status.changes if one.module_name == "Constrainer"}
        assert changed <= {"kept"}

    def test_the_plan_is_recorded_before_anything_runs(self):
        executor = Executor(GRID)
        keys = [step.key for step in plan_of(executor)]
        with track(executor) as status:
            progress = status.get_progress()
            assert (progress.steps_total, progress.steps_done, len(progress.waiting)) == (14, 0, 14)
            executor.run()
        assert list(status.results) == keys
        assert status.get_progress().waiting == []

    def test_durations_are_those_of_the_operators_alone(self, monkeypatch: pytest.MonkeyPatch):
        now = [0.0]

        def taking(seconds: float, function: Any) -> Any:
            def longer(*args: Any) -> Any:
                now[0] += seconds
                return function(*args)

            return longer

        adapter = petsard.adapter.LoaderAdapter
        monkeypatch.setattr(adapter, "_run", taking(5.0, adapter._run))
        monkeypatch.setattr(adapter, "get_result", taking(100.0, adapter.get_result))
        monkeypatch.setattr(TheirStatus, "put", taking(1000.0, TheirStatus.put))
        _, status = seen(
            QUIET + "Loader: {a: {filepath: people.csv}}",
            clock=Clock(lambda: datetime(2026, 1, 1, tzinfo=UTC), lambda: now[0], lambda: now[0]),
        )
        (timing,) = status.timing_records
        assert (timing.duration_seconds, timing.cpu_seconds) == (5.0, 5.0)

    def test_the_files_that_are_read_are_recorded_with_their_digests(self):
        _, status = seen(GRID)
        inputs = [(one.module_name, one.context["path"]) for one in status.events if one.type == "input"]
        assert inputs == [("Loader", "people.csv"), ("Loader", "others.csv")]
        digests = [one.context["sha256"] for one in status.events if one.type == "input"]
        assert digests == [sha256(Path(path).read_bytes()).hexdigest() for _, path in inputs]

    def test_configuration_and_versions_are_recorded_and_secrets_are_masked(self):
        parameters = "{method: custom_method, module_path: kit.py, class_name: Again, api_key: sesame}"
        config = f"{GRID}Synthesizer:\n  again: {parameters}  # the last\n"
        executor = Executor(config)
        with track(executor, config=config) as status:
            executor.run()
        (told,) = [event.context for event in status.events if event.type == "config"]
        assert told["engine"] == f"petsard {petsard_version()}"
        assert {"petsard", "scikit-learn", "pandas", "runfolio"} <= {one["name"] for one in told["versions"]}
        text = (status.folder / "config.yaml").read_text()
        assert "sesame" not in text
        assert "# the last" in text
        assert all(b"sesame" not in path.read_bytes() for path in status.folder.rglob("*") if path.is_file())

    def test_without_the_file_the_configuration_has_what_operators_took_out_of_it(self):
        _, status = seen(DESCRIBED)
        text = (status.folder / "config.yaml").read_text()
        assert "base: Splitter.train" in text

    def test_a_cell_that_no_file_holds_is_text_and_is_told(self):
        synthesizer = "{odd: {method: custom_method, module_path: kit.py, class_name: Odd}}"
        config = f"{QUIET}Loader: {{a: {{filepath: people.csv}}}}\nSynthesizer: {synthesizer}"
        with pytest.warns(WriteWarning, match="stored as text: odd"):
            _, status = seen(config)
        assert status.results["Loader[a]_Synthesizer[odd]"]["data"]["odd"].tolist()[1:3] == ["text"] * 2
        assert [event.level for event in status.events if event.type == "log"] == ["warning"]


class TestWhatFails:
    def test_a_step_that_raises_fails_and_the_rest_is_not_reached(self):
        with Witness().watching() as witness:
            executor = Executor(FAILS.replace("CLASS", "Fails"))
            with pytest.raises(Exception, match="told to") as raised, track(executor) as status:
                executor.run()
        run = load_run(status.folder)
        assert run.state == "failed"
        outcomes = {row.path[0].experiment_name + row.experiment_name: row.outcome for row in steps_of(run)}
        assert outcomes == {
            "aa": "completed",
            "aagain": "completed",
            "asecond": "failed",
            "bb": "not reached",
            "bagain": "not reached",
            "bsecond": "not reached",
        }
        (timing,) = [one for one in run.timing_records if one.outcome == "failed"]
        assert timing.context["error"].startswith(f"{type(raised.value).__name__}: ")
        assert [module for module, _ in witness.failed] == ["Synthesizer"]
        check(run, witness.seen)

    def test_a_step_whose_input_is_missing_fails_too(self):
        executor = Executor(QUIET + "Splitter: {s: {num_samples: 1, train_split_ratio: 0.5}}")
        with pytest.raises(petsard.exceptions.ConfigError), track(executor) as status:
            executor.run()
        assert [(row.module_name, row.outcome) for row in steps_of(load_run(status.folder))] == [("Splitter", "failed")]

    def test_an_error_that_the_block_catches_fails_the_run_all_the_same(self):
        executor = Executor(FAILS.replace("CLASS", "FailsOnce"))
        with track(executor) as status:
            with pytest.raises(Exception, match="told to"):
                executor.run()
            executor.run()  # PETsARD goes on behind the step that failed
        assert executor.is_execution_completed()
        assert status.state == "failed"
        assert [row.outcome for row in steps_of(status)].count("completed") == 5

    def test_an_executor_that_is_not_run_has_not_completed(self):
        with track(Executor(GRID)) as status:
            pass
        assert (status.state, {row.outcome for row in steps_of(status)}) == ("failed", {"not reached"})
        assert "0 of 14 steps ran" in status.events[-1].message

    def test_a_process_that_dies_leaves_what_it_had_finished(self, project: Path):
        (project / "p.yaml").write_text(FAILS.replace("CLASS", "Dies"))
        child = Path(__file__).with_name("child.py")
        path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(STAND_INS)])
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(child), "p.yaml", "seen"],
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        run = load_run("latest")
        assert run.state == "interrupted"
        assert [row.outcome for row in steps_of(run)] == [*["completed"] * 5, "unfinished"]
        witnessed = read(project / "seen")
        assert list(run.results) == [one.key for one in witnessed]
        for one in witnessed:
            check_same(run.results[one.key]["data"], one.result)


class TestTheTracker:
    def test_afterwards_everything_is_as_it_was(self):
        executor = Executor(FAILS.replace("CLASS", "Fails"))
        theirs = list(executor.config.config.queue)
        theirs[0].run = mine = lambda input: type(theirs[0]).run(theirs[0], input)
        before = set(vars(executor.status))
        with track(executor), pytest.raises(Exception, match="told to"):
            executor.run()
        assert theirs[0].run is mine
        assert [set(vars(one)) & {"run", "set_input"} for one in theirs] == [{"run"}, *[set()] * 5]
        assert set(vars(executor.status)) == before

    def test_no_operator_is_kept_alive(self):
        executor = Executor(GRID)
        first = weakref.ref(executor.config.config.queue[0])
        replaced = weakref.ref(executor.config.config.queue[2])
        gc.disable()
        try:
            with track(executor):
                executor.run()
                assert (first(), replaced()) == (None, None)
        finally:
            gc.enable()

    def test_a_second_run_is_recorded_as_the_nothing_that_it_is(self):
        executor = Executor(GRID)
        with track(executor) as first:
            executor.run()
        with pytest.warns(WriteWarning, match="ran before: 0 of its steps are left"), track(executor) as second:
            executor.run()
        assert [len(one.results) for one in (first, second)] == [14, 0]
        assert [one.state for one in (first, second)] == ["completed", "completed"]

    def test_what_is_left_after_an_error_can_be_tracked(self):
        executor = Executor(FAILS.replace("CLASS", "Fails"))
        with pytest.raises(Exception, match="told to"):
            executor.run()
        with pytest.warns(WriteWarning, match="3 of its steps are left"), pytest.raises(Exception, match="told to"):
            with track(executor) as status:
                executor.run()
        assert [row.outcome for row in steps_of(status)] == ["completed", "completed", "failed"]

    def test_two_may_track_one_executor_at_once(self):
        with Witness().watching() as witness:
            executor = Executor(GRID)
            with track(executor) as one, track(executor) as two:
                executor.run()
        for status in (one, two):
            check(load_run(status.folder), witness.seen)
        assert "put" not in vars(executor.status)

    def test_blocks_may_end_in_any_order(self):
        executor = Executor(GRID)
        with ExitStack() as outer:
            one = track(executor)
            one.__enter__()
            two = outer.enter_context(track(executor))
            executor.run()
            one.__exit__(None, None, None)
        assert [len(status.results) for status in (one, two)] == [14, 14]

    def test_two_executors_may_run_at_once(self):
        found: dict[str, Status] = {}
        both = threading.Barrier(2)

        def go(name: str, config: str) -> None:
            executor = Executor(config)
            both.wait()
            with track(executor, name=name) as found[name]:
                executor.run()

        with Witness().watching() as witness:
            threads = [threading.Thread(target=go, args=one) for one in (("grid", GRID), ("described", DESCRIBED))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        of_grid = [one for one in witness.seen if one.key in found["grid"].results]
        keys = {one.key for one in witness.seen}
        assert [found[name].state for name in ("grid", "described")] == ["completed", "completed"]
        assert keys == set(found["grid"].results) | set(found["described"].results)
        for one in of_grid:
            if "Preprocessor" in one.key:
                check_same(found["grid"].results[one.key]["data"], one.result)

    def test_what_it_can_not_do_changes_nothing_and_is_told(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(operators, "storable", lambda data: 1 / 0)
        executor = Executor(GRID)
        with pytest.warns(WriteWarning, match="could not store the result of .*ZeroDivisionError") as warned:
            with track(executor) as status:
                executor.run()
        assert executor.is_execution_completed()
        assert (status.state, len(status.results), len(warned)) == ("completed", 0, 14)
        assert [event.level for event in status.events if event.type == "log"] == ["error"] * 14
        assert [row.outcome for row in steps_of(status)] == ["completed"] * 14

    def test_where_warnings_are_errors_the_pipeline_runs_to_its_end_before_they_are_raised(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(operators, "storable", lambda data: 1 / 0)
        executor = Executor(GRID)
        with pytest.raises(WriteWarning, match="ZeroDivisionError"), track(executor) as status:
            executor.run()
        assert executor.is_execution_completed()
        assert status.state == "completed"

    def test_a_root_that_can_not_be_made_changes_nothing_unless_that_is_to_be_raised(self, project: Path):
        (project / "file").touch()
        executor = Executor(GRID)
        with pytest.warns(WriteWarning), track(executor, root=project / "file") as status:
            executor.run()
        assert executor.is_execution_completed()
        assert status.folder is None
        with pytest.raises(WriteError), track(Executor(GRID), root=project / "file", on_write_error="raise"):
            pytest.fail("the block was entered")

    def test_what_is_no_executor_is_refused(self):
        with pytest.raises(UsageError, match="a dict is no Executor of PETsARD"):
            track({})
        with pytest.raises(ConfigError, match=r"this one has no Splitter\[s_\[2-1\]\]"):
            track(Executor(GRID), config="Loader: {a: {}}")

    def test_its_runs_are_not_resumed_by_our_own_executor(self):
        _, status = seen(QUIET + "Loader: {a: {filepath: people.csv}}")
        with pytest.raises(UsageError):
            OurExecutor.resume(status.folder)
        with track(Executor(GRID)) as unfinished:
            pass
        with pytest.raises(UsageError, match=r"was run by petsard 1\."):
            OurExecutor.resume(unfinished.folder)


class TestTheCommand:
    def test_the_example_runs_as_it_is(self, project: Path):
        (project / "examples").mkdir()
        for name in ("petsard.yaml", "penguins-raw.csv"):
            (project / "examples" / name).write_bytes((EXAMPLES / name).read_bytes())
        done = CliRunner().invoke(commands, ["petsard", "examples/petsard.yaml", "--tag", "x"])
        assert done.exit_code == 0, done.output
        assert "completed in" in done.stdout
        run = load_run("latest")
        assert (run.name, run.tags, run.state) == ("petsard", ["x"], "completed")
        assert (run.folder / "config.yaml").read_bytes() == (EXAMPLES / "petsard.yaml").read_bytes()

    def test_a_step_that_fails_ends_it_with_1(self, project: Path):
        (project / "p.yaml").write_text(FAILS.replace("CLASS", "Fails"))
        done = CliRunner().invoke(commands, ["petsard", "p.yaml"])
        assert done.exit_code == 1
        assert "Synthesizer[second]" in done.stdout
        assert "told to" in done.stderr

    def test_a_wrong_configuration_ends_it_with_2_and_nothing_is_run(self, project: Path, root: Path):
        (project / "p.yaml").write_text("Loader: {a: {filepat: people.csv}}")
        done = CliRunner().invoke(commands, ["petsard", "p.yaml"])
        assert (done.exit_code, root.exists()) == (2, False)
        assert "unexpected keyword argument 'filepat'" in done.stderr
        assert CliRunner().invoke(commands, ["petsard", "missing.yaml"]).exit_code == 2


def petsard_modules(config: str) -> list[str]:
    return [line[:-1] for line in config.splitlines() if line.endswith(":") and not line.startswith(" ")]


def petsard_version() -> str:
    from importlib.metadata import version

    return version("petsard")
