"""The benchmark beside other trackers: what needs none of them, and that its page is that of the committed results."""

from __future__ import annotations

import copy
import json
import platform
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

PEERS = Path(__file__).parent.parent / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))

from beside import environments, findings, jobs, numbers, page, plots, trackers, worker  # noqa: E402
from beside.side import Side  # noqa: E402

HERE = ("runfolio", *environments.STANDARD)
"""Trackers that need nothing but what runfolio needs."""


@pytest.fixture
def found() -> findings.Findings:
    return findings.read(findings.RESULTS)


# -------------------------------------------------------------------------------------------- the committed results


def test_the_page_its_plots_and_the_headline_are_those_of_the_committed_results(found):
    for path, text in page.made(found).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run: python benchmarks/peers --page"


def test_a_figure_that_changes_changes_the_page(found):
    other = copy.deepcopy(found)
    other["jobs"]["log"]["logs"]["ratios"]["p50"] = 123.0
    assert page.tables(other) != page.tables(found)


def test_the_results_have_every_tracker_at_every_job(found):
    others = {name for name in trackers.NAMES if name != "runfolio"}
    assert {job: set(peers) for job, peers in found["jobs"].items()} == dict.fromkeys(page.SECTIONS, others)
    assert not found["quick"]


def test_who_is_ahead_is_named_with_the_reason(found):
    told = page.tables(found)
    for what, name, _ in page.ahead(found):
        reason = trackers.tracker(name).AHEAD.get(what)
        assert reason, f"{name} is ahead at {what}: say why"
        assert reason in told


def test_the_results_name_no_machine_and_no_path(found):
    text = findings.RESULTS.read_text(encoding="utf-8")
    assert platform.node() not in text
    assert not [part for part in ("/tmp", "/home", "/root", "/work", "://") if part in text]


# ------------------------------------------------------------------------------------------------------- trackers


@pytest.mark.parametrize("name", trackers.NAMES)
def test_each_job_has_its_call_or_a_reason_why_not(name):
    module = trackers.tracker(name)
    assert {job: (job in module.CALLS) + (job in module.CANNOT) for job in trackers.JOBS} == dict.fromkeys(
        trackers.JOBS, 1
    )
    assert callable(module.session) and callable(module.count)


@pytest.mark.parametrize("name", HERE)
def test_records_are_there_for_another_reader(name, tmp_path):
    module = trackers.tracker(name)
    for number in range(2):
        module.session(tmp_path, lambda run: [run.log(n) for n in range(3)], number)
    assert (module.table(tmp_path), module.records(tmp_path)) == (2, 6)


@pytest.mark.parametrize("name", ["runfolio", "pickled", "sqlite"])
def test_frames_are_compared_with_all_that_they_have(name, tmp_path):
    module, data = trackers.tracker(name), worker.frame(50)
    module.session(tmp_path, lambda run: run.store("frame0", data))
    assert (worker.difference(module.fetch(tmp_path, "frame0"), data) == "") == (name != "sqlite")


def test_a_frame_that_differs_says_in_what():
    one = pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5]})
    assert worker.difference(one.copy(), one) == ""
    assert worker.difference(one.rename(columns={"a": "c"}), one) == "columns"
    assert worker.difference(one.set_index([[1, 2]]), one) == "the index"
    assert worker.difference(one.astype({"a": "int32"}), one) == "int64 became int32"
    assert worker.difference(one.astype("str"), one) == "dtypes of 2 of 2 columns"
    assert worker.difference(one.assign(b=[1.5, 2.5000001]), one) == "values"


# ----------------------------------------------------------------------------------------------------------- jobs


def test_a_run_measures_both_sides_and_keeps_what_was_there(tmp_path):
    file = tmp_path / "found.json"
    for job in ("log", "follow"):
        command = [sys.executable, str(PEERS), "--quick", "--here", "--peer", "logs", "--only", job]
        done = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())["jobs"]
    assert list(told) == ["log", "follow"]
    for side in ("peer", "runfolio"):
        assert told["log"]["logs"][side]["kept"] == jobs.QUICK.records
        assert told["follow"]["logs"][side]["at_once"] == jobs.LOOKS
        assert told["follow"]["logs"][side]["seen"] == jobs.QUICK.followed


def test_what_only_memory_had_is_lost_by_a_kill(tmp_path):
    figures = jobs.log(Side("pickled_last", environments.here(), tmp_path), jobs.QUICK)
    assert (figures["records"], figures["kept"]) == (jobs.QUICK.records, 0)


def test_a_tracker_that_is_not_there_is_a_row_that_says_so(tmp_path, found):
    ours, theirs = (Side(name, environments.here(), tmp_path) for name in ("runfolio", "aims"))
    figures = jobs.beside("follow", theirs, ours, jobs.QUICK)
    assert figures == {"failed": "ModuleNotFoundError: No module named 'aim'"}
    found["jobs"]["follow"]["aims"] = {**figures, "load_average": 0}
    assert "| Aim | failed: ModuleNotFoundError: No module named 'aim' |" in page.tables(found)


def test_a_tracker_that_cannot_be_installed_is_a_row_with_the_reason(tmp_path):
    told = "WARNING: retrying\nERROR: Could not find a version\nERROR: No matching distribution found for aim\n"
    missing = environments.Environment(tmp_path, environments.reason(told))
    figures = jobs.beside("log", Side("aims", missing, tmp_path), Side("runfolio", missing, tmp_path), jobs.QUICK)
    assert figures == {"failed": "it can't be installed: No matching distribution found for aim"}


def test_figures_are_medians_and_ratios_those_of_the_turns():
    theirs = [{"seconds": 2.0, "bytes": 10}, {"seconds": 30.0, "bytes": 10}, {"seconds": 8.0, "bytes": 10}]
    mine = [{"seconds": 1.0, "bytes": 5}, {"seconds": 10.0, "bytes": 5}, {"seconds": 2.0, "bytes": 5}]
    figures = jobs.together(theirs, mine)
    assert (figures["peer"]["seconds"], figures["runfolio"]["seconds"]) == (8.0, 2.0)
    assert figures["ratios"] == {"seconds": 3.0, "bytes": 2.0}


# ------------------------------------------------------------------------------------------------------ rendering


@pytest.mark.parametrize(
    ("seconds", "told"), [(2.5, "2.5 s"), (0.0125, "12 ms"), (6.3e-6, "6.3 µs"), (4e-7, "400 ns"), (1234.0, "1,234 s")]
)
def test_a_time_has_the_unit_that_suits_it(seconds, told):
    assert numbers.spell(seconds) == told


@pytest.mark.parametrize(("ratio", "told"), [(0.085, "0.085x"), (3.0, "3x"), (349.2, "349x"), (None, "")])
def test_a_ratio_is_told_in_two_or_three_digits(ratio, told):
    assert numbers.times(ratio) == told


def test_a_plot_has_every_tracker_by_its_value_those_without_one_last():
    points = [
        plots.Point("none", None, "can't"),
        plots.Point("slow <1>", 2.0, "2 s"),
        plots.Point("fast", 3e-6, "3 µs"),
    ]
    root = ET.fromstring(plots.plot("Times", points))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text for text in root.iter(f"{space}text") if "name" in text.get("class").split()]
    assert [text.text for text in texts] == ["fast", "slow <1>", "none"]
    across = [float(dot.get("cx")) for dot in root.iter(f"{space}circle")]
    assert len(across) == 2 and across[0] < across[1]


@pytest.mark.parametrize(("power", "told"), [(-7, "100 ns"), (-6, "1 µs"), (-2, "10 ms"), (1, "10 s")])
def test_a_tick_is_a_power_of_ten_of_a_second(power, told):
    assert plots.tick(power) == told
