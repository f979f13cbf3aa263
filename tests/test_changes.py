"""Changes of a step: those that were made, no more and no less, as far as input and output can tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from runfolio import Status, load_run


def start():
    return pd.DataFrame(
        {"a": [1, 2, 3, 4], "b": [0.5, None, 2.5, 3.5], "c": list("xyxy"), "d": [True, False, True, False]}
    )


def changed(frame, **columns):
    return frame.assign(**columns)


def in_place(change):
    def step(frame):
        change(frame)
        return frame

    return step


def double(frame):
    frame["b"] *= 2


def drop_two_rows(frame):
    del_rows = frame.index[:2]
    frame.drop(index=del_rows, inplace=True)


def double_and_drop(frame):
    double(frame)
    drop_two_rows(frame)


def write_into_the_array(frame):
    values = frame["a"].to_numpy()
    values.flags.writeable = True
    values[0] = 99


def pop(frame):
    frame.pop("c")


DROPPED = {"added": 0, "dropped": 1}
ROWS = ("UPDATE", "*", {})
RENAMED = [("DELETE", "a", {"renamed_to": "x"}), ("CREATE", "x", {"renamed_from": "a"})]

STEPS = {
    "nothing": (lambda f: f.copy(), []),
    "the very same": (lambda f: f, []),
    "filter": (lambda f: f[f["a"] != 2], [("UPDATE", "*", DROPPED)]),
    "filter and change": (
        lambda f: changed(f[f["a"] != 2], b=lambda g: g["b"] * 2),
        [("UPDATE", "*", DROPPED), ("UPDATE", "b", {})],
    ),
    "filter and rename": (
        lambda f: f[f["a"] != 2].rename(columns={"a": "x"}),
        [("UPDATE", "*", DROPPED), *RENAMED],
    ),
    "filter and cast": (
        lambda f: f[f["a"] != 2].astype({"a": "float64"}),
        [("UPDATE", "*", DROPPED), ("TRANSFORM", "a", {})],
    ),
    "filter and fill": (
        lambda f: f[f["a"] != 1].fillna({"b": 0.0}),
        [("UPDATE", "*", DROPPED), ("UPDATE", "b", {})],
    ),
    "drop what is missing": (lambda f: f.dropna(), [("UPDATE", "*", DROPPED)]),
    "filter all": (lambda f: f[f["a"] > 9], [ROWS]),
    "filter and sort": (
        lambda f: f[f["a"] != 2].sort_values("a", ascending=False),
        [("UPDATE", "*", {**DROPPED, "reordered": True})],
    ),
    "sort": (
        lambda f: f.sort_values("a", ascending=False),
        [("UPDATE", "*", {"added": 0, "dropped": 0, "reordered": True})],
    ),
    "tail": (lambda f: f.iloc[2:], [("UPDATE", "*", {"added": 0, "dropped": 2})]),
    "rows with new labels": (
        lambda f: pd.concat([f, f.iloc[:1].set_axis([10])]),
        [("UPDATE", "*", {"added": 1, "dropped": 0})],
    ),
    "rows in front": (
        lambda f: changed(pd.concat([f.iloc[:1].set_axis([10]), f]), a=lambda g: g["a"] + 1),
        [("UPDATE", "*", {"added": 1, "dropped": 0}), ("UPDATE", "a", {})],
    ),
    "labels twice": (lambda f: f.loc[[0, 0, 1]], [ROWS]),
    # A fresh index tells nothing: the rows that are left may be any.
    "head": (lambda f: f.head(2), [ROWS]),
    "filter and reset": (lambda f: f[f["a"] != 2].reset_index(drop=True), [ROWS]),
    "filter, reset and change": (
        lambda f: changed(f[f["a"] != 2].reset_index(drop=True), b=lambda g: g["b"] * 2),
        [ROWS],
    ),
    "filter, reset and cast": (
        lambda f: f[f["a"] != 2].reset_index(drop=True).astype({"a": "int32"}),
        [ROWS, ("TRANSFORM", "a", {})],
    ),
    "append and reset": (lambda f: pd.concat([f, f], ignore_index=True), [ROWS]),
    "shuffle and reset": (
        lambda f: f.iloc[[1, 0, 2, 3]].reset_index(drop=True),
        [("UPDATE", name, {}) for name in "abcd"],
    ),
    "reset": (lambda f: f.reset_index(drop=True), []),
    "reset into a column": (lambda f: f.reset_index(), [("CREATE", "index", {})]),
    "set the index": (lambda f: f.set_index("a"), [("DELETE", "a", {})]),
    "filter and set the index": (lambda f: f[f["a"] != 2].set_index("a"), [ROWS, ("DELETE", "a", {})]),
    "scale": (lambda f: changed(f, b=f["b"] / 2), [("UPDATE", "b", {})]),
    "fill": (lambda f: f.fillna({"b": 0.0}), [("UPDATE", "b", {})]),
    "fill with nothing to fill": (lambda f: f.fillna({"a": 0}), []),
    "cast": (lambda f: f.astype({"a": "float64"}), [("TRANSFORM", "a", {})]),
    "cast to itself": (lambda f: f.astype({"a": "int64"}), []),
    "make a category": (lambda f: f.astype({"c": "category"}), [("TRANSFORM", "c", {})]),
    "rename": (lambda f: f.rename(columns={"a": "x"}), RENAMED),
    "rename and change": (
        lambda f: changed(f, a=f["a"] + 1).rename(columns={"a": "x"}),
        [("DELETE", "a", {}), ("CREATE", "x", {})],
    ),
    "swap two names": (
        lambda f: f.rename(columns={"a": "b", "b": "a"})[["a", "b", "c", "d"]],
        [("TRANSFORM", "a", {}), ("TRANSFORM", "b", {})],
    ),
    "drop": (lambda f: f.drop(columns=["c", "a"]), [("DELETE", "a", {}), ("DELETE", "c", {})]),
    "add": (lambda f: changed(f, e=1), [("CREATE", "e", {})]),
    "add a copy": (lambda f: changed(f, e=f["a"]), [("CREATE", "e", {})]),
    "one-hot": (
        lambda f: pd.get_dummies(f, columns=["c"]),
        [("DELETE", "c", {}), ("CREATE", "c_x", {}), ("CREATE", "c_y", {})],
    ),
    "order of columns": (lambda f: f[["b", "a", "c", "d"]], [("UPDATE", "*", {"columns_reordered": True})]),
    "all of them in place": (in_place(double), [("UPDATE", "b", {})]),
    "drop a column in place": (in_place(pop), [("DELETE", "c", {})]),
    "drop rows in place": (in_place(drop_two_rows), [("UPDATE", "*", {"added": 0, "dropped": 2})]),
    "change and drop rows in place": (
        in_place(double_and_drop),
        [("UPDATE", "*", {"added": 0, "dropped": 2}), ("UPDATE", "b", {})],
    ),
    "write into the array and drop a row": (
        lambda f: in_place(write_into_the_array)(f).iloc[1:],
        [("UPDATE", "*", DROPPED), ("UPDATE", "a", {})],
    ),
    "write into the array": (in_place(write_into_the_array), [("UPDATE", "a", {})]),
}


def recorded(frame, step, **face):
    with Status(**face) as status:
        with status.step("Module", "x", data=frame) as running:
            running.result(step(frame))
    assert load_run(status.folder).changes == status.changes
    return [(change.type, change.target, change.details) for change in status.changes]


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("name", STEPS)
def test_the_changes_of_a_step(name):
    step, expected = STEPS[name]
    assert recorded(start(), step) == expected


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("name", STEPS)
def test_digests_tell_the_same_as_statistics_with_them(name):
    step, expected = STEPS[name]
    assert recorded(start(), step, profile="digest") == expected


def test_names_alone_tell_names_types_and_rows():
    def step(frame):
        return changed(frame[frame["a"] != 2], b=1).rename(columns={"c": "x"})

    found = recorded(start(), step, profile="names")
    assert found == [ROWS, ("DELETE", "c", {}), ("TRANSFORM", "b", {}), ("CREATE", "x", {})]


def test_categories_that_were_added_are_an_update():
    frame = start().astype({"c": "category"})
    assert recorded(frame, lambda f: changed(f, c=f["c"].cat.add_categories(["z"]))) == [("UPDATE", "c", {})]
    assert recorded(frame, lambda f: changed(f, c=f["c"].cat.as_ordered())) == [("UPDATE", "c", {})]


def test_columns_with_equal_values_are_renamed_where_just_one_fits():
    frame = start().assign(twin=lambda f: f["a"])
    assert recorded(frame, lambda f: f.rename(columns={"a": "x"})) == RENAMED
    both = recorded(frame, lambda f: f.rename(columns={"a": "x", "twin": "y"}))
    assert both == [("DELETE", "a", {}), ("DELETE", "twin", {}), ("CREATE", "x", {}), ("CREATE", "y", {})]


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(list("pqrs"), name="key"),
        pd.date_range("2026-01-01", periods=4),
        pd.MultiIndex.from_product([[1, 2], ["u", "v"]]),
        pd.Index([0.5, np.nan, 1.5, 2.5]),
        pd.RangeIndex(10, 14),
    ],
    ids=lambda index: type(index).__name__ + str(index.names[0]),
)
def test_rows_are_matched_by_any_index_of_unique_labels(index):
    frame = start().set_axis(index)
    found = recorded(frame, lambda f: changed(f[f["a"] != 2], b=lambda g: g["b"] * 2))
    assert found == [("UPDATE", "*", DROPPED), ("UPDATE", "b", {})]


def test_an_index_made_of_other_values_matches_nothing():
    def other_labels(frame):
        return frame.iloc[:3].set_axis(pd.Index([2, 0, 1], name="rank"))

    assert recorded(start(), other_labels) == [ROWS]


def test_each_part_is_compared_with_the_frame_it_came_from():
    def split(frame):
        return {"train": frame.iloc[[0, 2]], "rest": changed(frame.iloc[[1, 3]], a=lambda f: f["a"] * 2)}

    with Status() as status, status.step("Splitter", "half", data=start()) as step:
        step.result(split(start()))
    assert [(change.part, change.type, change.target, change.details) for change in status.changes] == [
        ("train", "UPDATE", "*", {"added": 0, "dropped": 2}),
        ("rest", "UPDATE", "*", {"added": 0, "dropped": 2}),
        ("rest", "UPDATE", "a", {}),
    ]


def test_a_part_is_compared_with_that_of_its_name_else_with_the_first():
    parts = {"a": start(), "b": start().assign(a=0)}
    with Status() as status, status.step("Module", "x", data=parts) as step:
        step.result({"b": parts["b"], "c": parts["b"], "d": parts["a"]})
    assert [(change.part, change.type, change.target) for change in status.changes] == [("c", "UPDATE", "a")]


def test_without_the_data_itself_the_step_before_tells_what_came_in():
    with Status() as status:
        with status.step("Loader", "x") as step:
            frame = step.result(start())
        with status.step("Clean", "x") as step:
            step.result(frame[frame["a"] != 2].assign(e=1))
    changes = status.get_change_history("Clean")
    assert [(change.type, change.target, change.details) for change in changes] == [ROWS, ("CREATE", "e", {})]


def test_cells_that_have_no_digest_are_not_compared():
    def odd(frame):
        return frame.assign(f=pd.Series([print] * 4, dtype=object))

    assert recorded(odd(start()), lambda f: f.drop(columns="f").assign(a=0)) == [
        ("DELETE", "f", {}),
        ("UPDATE", "a", {}),
    ]


def test_the_evolution_of_a_schema_prints_as_the_specification_has_it(capsys):
    with Status() as status, status.step("Scale", "thousandth", data=start()) as step:
        step.result(start().iloc[1:].assign(b=lambda f: f["b"] / 1000))
    for change in status.changes:
        if change["type"] == "UPDATE":
            print(f"  {change['target']}: {change['before']} → {change['after']}")
    assert capsys.readouterr().out == (
        "  *: 4 rows → 3 rows\n  b: float64, 1 missing, 0.5 to 3.5 → float64, 1 missing, 0.0025 to 0.0035\n"
    )
