"""The benchmark suite runs, and prints each measurement beside its limit. What the numbers are is not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "run.py"

ROWS = {
    "record": 4,
    "result": 6,
    "stream": 4,
    "load": 1,
    "list": 1,
    "import": 3,
    "memory": 1,
    "pipeline": 2,
    "code": 4 if find_spec("sklearn") else 3,
    "follow": 31,
}
"""How many measurements each group has."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    """What a run of all groups with small sizes prints, and the JSON that it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "found.json"
    return run("--quick", "--json", str(file)), json.loads(file.read_text(encoding="utf-8"))


def run(*options: str) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(printed: str) -> list[list[str]]:
    """The cells of each row below the head."""
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_group_prints_its_rows(suite):
    printed = [row[0].partition(":")[0] for row in table(suite[0])]
    assert {name: printed.count(name) for name in ROWS} == ROWS
    assert len(printed) == sum(ROWS.values())


def test_every_row_has_both_sides_and_a_ratio(suite):
    for _, ours, limit, held_against, ratio, *_ in table(suite[0]):
        assert ours.endswith(("s", "MiB"))
        assert limit.endswith(("s", "MiB"))
        assert held_against
        assert float(ratio) >= 0


def test_a_bound_comes_with_a_verdict(suite):
    for *_, bound, verdict in table(suite[0]):
        assert verdict in (("ok", "over") if bound else ("",))


def test_the_json_has_the_rows_that_are_printed(suite):
    printed, found = suite
    assert [f"{row['group']}: {row['what']}" for row in found["rows"]] == [row[0] for row in table(printed)]
    for row in found["rows"]:
        assert row["runfolio"]["best"] <= row["runfolio"]["median"]
        assert row["limit"]["best"] <= row["limit"]["median"]


def test_the_environment_is_named_without_the_machine(suite):
    assert set(suite[1]["environment"]) == {
        *("Python", "on", "CPUs"),
        *("runfolio", "msgspec", "pandas", "numpy", "pyarrow"),
    }


def test_one_group_alone():
    assert {row[0].partition(":")[0] for row in table(run("--quick", "--only", "record"))} == {"record"}
