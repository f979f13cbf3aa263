"""Kedro's sessions, by each of its runners, recorded by the hooks: a real project, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runfolio import load_run
from runfolio.errors import UsageError

pytest.importorskip("kedro", reason="Kedro is not installed: pip install 'runfolio[kedro]'")

from runfolio.integrations.kedro import RunfolioHooks

from . import kedro_project

NODES = ["load", "clean", "split", "oldest"]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the runs, by the names of their sessions, and what was printed."""
    folder = kedro_project.make(tmp_path_factory.mktemp("kedro"))
    done = subprocess.run(
        [sys.executable, kedro_project.__file__, str(folder)],
        env={**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "runs", done.stdout


@pytest.mark.parametrize("runner", ["sequential", "thread", "fork"])
def test_each_node_is_a_step_of_its_pipeline_by_any_runner(sessions, runner):
    run = load_run("latest", root=sessions[0] / runner)
    assert (run.state, run.damage, run.name, run.tags) == ("completed", [], "default", ["kedro"])
    rows = run.get_timing()
    assert rows["experiment_name"].to_list() == NODES
    assert set(rows["module_name"]) == {"__default__"} and set(rows["outcome"]) == {"completed"}
    paths = ["_".join(f"__default__[{name}]" for name in NODES[: length + 1]) for length in range(4)]
    assert list(run.results) == paths
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=run.folder, check=True)


@pytest.mark.parametrize("runner", ["sequential", "fork"])
def test_datasets_that_are_tables_are_results_with_true_changes(sessions, runner):
    run = load_run("latest", root=sessions[0] / runner)
    results = {result.record.path[-1].experiment_name: result for result in run.results.values()}
    assert results["clean"]["data"]["city"].to_list() == ["Lima", "Lima"]
    assert results["split"].parts == ["train", "test"]
    assert results["oldest"]["data"].to_dict("list") == {"age": [52.0], "city": ["Lima"], "of": [2]}
    changes = [(change.experiment_name, change.type, change.target) for change in run.changes]
    assert changes[:3] == [("load", "CREATE", "age"), ("load", "CREATE", "city"), ("clean", "UPDATE", "*")]
    (last,) = [one for one in run.snapshots if one.experiment_name == "oldest" and one.context["point"] == "after"]
    assert last.context["inputs"] == ["train", "test", "counts"] and last.context["outputs"] == ["oldest"]


@pytest.mark.parametrize("runner", ["sequential", "thread", "fork"])
def test_a_tracked_function_in_a_node_is_a_timing_inside_of_its_step(sessions, runner):
    run = load_run("latest", root=sessions[0] / runner)
    ids = {timing.experiment_name: timing.record_id for timing in run.timing_records}
    (inner,) = [timing for timing in run.timing_records if timing.module_name == "Helper"]
    assert inner.parent_id == ids["clean"]


def test_a_node_that_raises_fails_the_run_at_its_step(sessions):
    run = load_run("latest", root=sessions[0] / "failing")
    assert run.state == "failed" and "failing ValueError no use for 2 rows" in sessions[1]
    assert (run.error.type, run.error.module_name, run.error.experiment_name) == ("ValueError", "failing", "fail")
    assert run.get_timing()["outcome"].to_list() == ["completed", "completed", "failed"]
    assert run.damage == []


def test_a_worker_that_dies_fails_the_run_and_what_it_recorded_is_there(sessions):
    run = load_run("latest", root=sessions[0] / "dying")
    assert (run.state, run.error.type, run.damage) == ("failed", "BrokenProcessPool", [])
    assert run.get_timing()["experiment_name"].to_list() == ["load", "clean"]
    assert [event.experiment_name for event in run.events if event.type == "step"][-1] == "die"


def test_where_workers_load_no_hooks_the_run_tells_of_the_nodes(sessions):
    run = load_run("latest", root=sessions[0] / "spawn")
    (event,) = [event for event in run.events if event.type == "log"]
    assert event.level == "warning" and event.message.startswith("4 of 4 nodes were not recorded")
    assert event.context == {"nodes": NODES}


def test_sessions_in_a_run_are_part_of_it_under_names_of_their_own(sessions):
    run = load_run("latest", root=sessions[0] / "current")
    assert (run.name, run.state) == ("mine", "completed") and not (sessions[0] / "none").exists()
    assert run.get_timing()["module_name"].to_list() == ["__default__"] * 4 + ["__default___2"] * 4
    assert "variable False" in sessions[1]


def test_options_are_those_of_a_status_and_refused_at_once():
    with pytest.raises(UsageError, match="profile is 'some'"):
        RunfolioHooks(profile="some")


def test_nodes_that_are_run_without_a_session_are_not_recorded(root):
    hooks = RunfolioHooks()
    hooks.before_node_run(node=None, inputs={})
    assert not root.exists()


def test_where_the_package_is_missing_the_error_says_what_to_install():
    code = (
        "import sys\nsys.modules['kedro'] = None\n"
        "try:\n    import runfolio.integrations.kedro\nexcept Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "UsageError Kedro is not installed; pip install 'runfolio[kedro]'\n"
