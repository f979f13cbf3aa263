"""Reports of other packages take the form that a run stores, and nothing of tables is changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from runfolio import Status
from runfolio.integrations.reports import spelled, storable

FRAME = pd.DataFrame({"a": [1, 2]})
PAIRS = pd.DataFrame({"score": [0.5]}, index=pd.MultiIndex.from_tuples([("a", "b")], names=["one", "two"]))


@pytest.mark.parametrize(
    ("given", "form"),
    [
        (None, None),
        ({}, {}),
        ({1: {2, 1}, None: 0.5}, {"1": [1, 2], "null": 0.5}),
        ({1: "int", "1": "text"}, {"1": "int", "'1'": "text"}),
        ({("a", 1): None}, {'["a",1]': None}),
        ([float("nan"), np.int64(3), np.array([1.5]), pd.Index([1])], ["NaN", 3, [1.5], [1]]),
        (np.array(["x"]), ["x"]),
    ],
)
def test_what_is_no_table_is_spelled_as_json_has_it(given: object, form: object, status: Status):
    assert storable(given) == form
    status.store_result("report", storable(given))
    assert status.results["report"]["data"] == form


def test_tables_at_any_depth_are_themselves(status: Status):
    form = storable({"details": [{"first": FRAME}, None], "pairwise": PAIRS, 3: {"n": 1}})
    assert form["details"]["0"]["first"] is FRAME
    status.store_result("nested", form)
    found = status.results["nested"]["data"]
    pd.testing.assert_frame_equal(found["pairwise"], PAIRS)
    pd.testing.assert_frame_equal(found["details"]["0"]["first"], FRAME)
    assert (found["details"]["1"], found["3"]) == (None, {"n": 1})


def test_cells_that_no_file_holds_are_spelled_and_the_frame_given_stays_as_it_is():
    given = {"odd": pd.DataFrame({"id": [1, 2], "odd": [len, None], "text": ["a", None]}), "n": 1}
    found, columns = spelled(given)
    assert columns == ["odd"]
    assert found["odd"]["odd"].tolist() == ["<built-in function len>", None]
    assert given["odd"].loc[0, "odd"] is len
    assert found["odd"].columns.tolist() == ["id", "odd", "text"]
