"""Every code block of the specification, of a run that is live and of the run loaded again.

The code is the specification's own use of the API, with other imports, and a configuration of this project's modules.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import runfolio
from runfolio import Executor, Schema, Status, load_run

from . import kept

CONFIG = """
Loader:
  people: {method: kept:load, rows: 20}
Preprocessor:
  drop: {method: kept:drop_missing}
  ratio: {method: kept:add_ratio}
Splitter:
  half: {method: random, ratio: 0.5}
Synthesizer:
  copy: {method: kept:fit, scale: 2}
"""

RUN = """
from runfolio import Executor

executor = Executor(config='config.yaml')
executor.run()
"""

BLOCKS = {
    "access through executor": RUN
    + """
# Access Status through Executor
status = executor.status

# Get execution status
is_completed = status.is_completed()
print(f"Execution completed: {is_completed}")
""",
    "get results": RUN
    + """
results = executor.get_result()
same = executor.status.get_result()
assert list(results) == list(same) and len(results) == 2
""",
    "get timing": RUN
    + """
timing = executor.get_timing()
same = executor.status.get_timing()
assert timing.equals(same) and len(timing) == 7
""",
    "constructor": """
from runfolio.status import Status

# Direct instantiation (advanced usage)
status = Status()
assert status.snapshots == [] and status.get_result() == {}
""",
    "result retrieval": RUN
    + """
# Get all results
results = executor.status.get_result()

# Access specific experiment
exp_key = list(results.keys())[0]
exp_result = results[exp_key]

data = exp_result['data']
schema = exp_result['schema']

print(f"Data shape: {data.shape}")
print(f"Schema columns: {len(schema.columns)}")
""",
    "snapshot access": RUN
    + """
# Access snapshots (advanced usage)
snapshots = executor.status.snapshots

print(f"Total snapshots: {len(snapshots)}")

for snapshot in snapshots:
    print(f"Snapshot: {snapshot['snapshot_id']}")
    print(f"  Module: {snapshot['module_name']}")
    print(f"  Experiment: {snapshot['experiment_name']}")
    print(f"  Time: {snapshot['timestamp']}")
    assert isinstance(snapshot['context'], dict)
    before, after = snapshot['metadata']['schema_before'], snapshot['metadata']['schema_after']
""",
    "change access": RUN
    + """
# Access change history (advanced usage)
changes = executor.status.changes

print(f"Total changes: {len(changes)}")

for change in changes:
    print(f"Change: {change['change_id']}")
    print(f"  Type: {change['type']}")
    print(f"  Target: {change['target']}")
    print(f"  Time: {change['timestamp']}")
""",
    "timing retrieval": RUN
    + """
# Get timing DataFrame
timing = executor.status.get_timing()

# Analyze timing
total_time = timing['duration_seconds'].sum()
print(f"Total execution time: {total_time:.2f}s")

# Time by module
module_times = timing.groupby('module_name')['duration_seconds'].sum()
print("\\nTime by module:")
print(module_times)
assert abs(module_times.sum() - total_time) < 1e-9 and total_time > 0
""",
    "summary": RUN
    + """
# Get status summary (advanced usage)
summary = executor.status.get_status_summary()

print("Status Summary:")
print(f"  Execution sequence: {summary['sequence']}")
print(f"  Active modules: {summary['active_modules']}")
print(f"  Total snapshots: {summary['total_snapshots']}")
print(f"  Total changes: {summary['total_changes']}")
print(f"  Last snapshot: {summary['last_snapshot']}")
assert {'metadata_modules', 'last_change'} <= set(summary)
""",
    "automatic status management": """
from runfolio import Executor

# Executor creates and manages Status
executor = Executor(config='config.yaml')

# Status is initialized
assert executor.status is not None

# Execute workflow
executor.run()

# Status is updated automatically
assert executor.status.is_completed()
""",
    "direct status access": RUN
    + """
# Access Status directly (advanced)
status = executor.status

# Check completion
if status.is_completed():
    print("Execution completed")

# Get result count
results = status.get_result()
print(f"Total results: {len(results)}")

# Get snapshot count
print(f"Total snapshots: {len(status.snapshots)}")

# Get change count
print(f"Total changes: {len(status.changes)}")
""",
    "status inspection": RUN
    + """
status = executor.status

# Inspect execution sequence
print("Execution Sequence:")
for i, snapshot in enumerate(status.snapshots, 1):
    print(f"{i}. {snapshot['module_name']}[{snapshot['experiment_name']}]")
    print(f"   Time: {snapshot['timestamp']}")
""",
    "custom status analysis": RUN
    + """
import pandas as pd

status = executor.status

# Analyze Schema changes
print("Schema Evolution:")
for change in status.changes:
    if change['type'] == 'UPDATE':
        print(f"  {change['target']}: {change['before']} → {change['after']}")

# Timing analysis
timing = status.get_timing()
avg_time_per_module = timing.groupby('module_name')['duration_seconds'].mean()
print("\\nAverage time per module:")
print(avg_time_per_module)
""",
    "manual persistence": RUN
    + """
import pickle

# Save Status state (advanced)
with open('status_state.pkl', 'wb') as f:
    pickle.dump(executor.status, f)

# Load Status state (advanced)
with open('status_state.pkl', 'rb') as f:
    loaded_status = pickle.load(f)
assert loaded_status.get_status_summary() == executor.status.get_status_summary()
""",
    "memory optimization": RUN
    + """
# Get results and clear Status (if needed)
results = executor.get_result()

# Process results
for exp_key, exp_result in results.items():
    data = exp_result['data']
    # Process data...

# Delete executor to free memory
del executor
assert len(data) > 0
""",
    "check completion before access": RUN
    + """
# Always check completion
if executor.is_execution_completed():
    results = executor.get_result()
else:
    print("Execution incomplete")
assert len(results) == 2
""",
    "memory management": RUN
    + """
import os
os.mkdir('output')

results = executor.get_result()

# Process and save results
for exp_key, exp_result in results.items():
    data = exp_result['data']
    data.to_csv(f'output/{exp_key}.csv')

# Free memory
del executor
del results
assert len(os.listdir('output')) == 2
""",
}

DURING_ERRORS = """
from runfolio import Executor

executor = Executor(config='config.yaml')

try:
    executor.run()
except Exception as e:
    print(f"Execution error: {e}")

    # Check Status even after error
    if hasattr(executor, 'status'):
        status = executor.status

        # Get partial results (if any)
        try:
            partial_results = status.get_result()
            print(f"Partial results: {len(partial_results)}")
        except:
            print("No partial results available")

        # Check last snapshot
        if status.snapshots:
            last_snapshot = status.snapshots[-1]
            print(f"Last successful module: {last_snapshot['module_name']}")
"""


class LoadedExecutor(Executor):
    """An Executor whose status is, once it ran, the run loaded from its folder."""

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.status = load_run(self.status.folder)


@pytest.fixture(params=["live", "loaded"], autouse=True)
def executor_class(request, monkeypatch, ledger, tmp_path: Path):
    """The class that the blocks import, in a folder with the configuration that they name."""
    chosen = Executor if request.param == "live" else LoadedExecutor
    monkeypatch.setitem(vars(runfolio), "Executor", chosen)
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    return chosen


def run_block(code: str) -> dict:
    namespace: dict = {}
    exec(compile(code, "the specification", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_of_the_specification_runs(name, executor_class):
    namespace = run_block(BLOCKS[name])
    if "executor" in namespace:
        assert type(namespace["executor"]) is executor_class


def test_the_result_structure_is_data_and_schema_by_key():
    results = run_block(RUN)["executor"].get_result()
    assert list(results) == [
        f"Loader[people]_Preprocessor[{name}]_Splitter[half]_Synthesizer[copy]" for name in ("drop", "ratio")
    ]
    for result in results.values():
        assert set(result) == {"data", "schema"}
        assert isinstance(result["data"], pd.DataFrame) and isinstance(result["schema"], Schema)


def test_snapshots_changes_and_timings_print_what_happened(capsys):
    run_block(BLOCKS["custom status analysis"])
    assert "  *: 20 rows → 16 rows\n" in capsys.readouterr().out
    run_block(BLOCKS["snapshot access"])
    assert "Total snapshots: 16\n" in capsys.readouterr().out
    namespace = run_block(BLOCKS["summary"])
    assert namespace["summary"]["sequence"] == ["Loader", "Preprocessor", "Splitter", "Synthesizer"]
    assert namespace["summary"]["active_modules"] == namespace["summary"]["metadata_modules"]


def test_status_during_errors(trouble, capsys):
    trouble("Loader[people]_Preprocessor[ratio]", "raise")
    namespace = run_block(DURING_ERRORS)
    assert capsys.readouterr().out.splitlines() == [
        "Execution error: told to",
        "Partial results: 1",
        "Last successful module: Synthesizer",
    ]
    assert namespace["status"].state == "failed"


def test_status_during_an_error_of_the_second_step(trouble, capsys):
    trouble("Loader[people]_Preprocessor[drop]", "raise")
    run_block(DURING_ERRORS)
    assert capsys.readouterr().out.endswith("Partial results: 1\nLast successful module: Loader\n")


def test_states_go_from_not_started_over_in_progress_to_completed():
    seen = []
    config = {"Loader": {"a": {"method": lambda: seen.append(executor.status.state) or kept.made(2, 0)}}}
    executor = Executor(config)
    seen.append(executor.status.state)
    executor.run()
    assert [*seen, executor.status.state] == ["not_started", "in_progress", "completed"]
    assert isinstance(executor.status, Status)
