"""Splitter under attack: every row in exactly one part, as it was, and the same draw each time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio import Executor, load_run
from runfolio.errors import ConfigError
from runfolio.pipeline.modules.splitter import random

INDEXES = {
    "twins": [0, 0, 1, 1, 1, 0],
    "text": list("cabfed"),
    "levels": pd.MultiIndex.from_product([["x", "y"], [2, 1, 2]], names=["k", None]),
    "dates": pd.to_datetime(["2026-01-01"] * 3 + ["2025-01-01"] * 3),
    "range": pd.RangeIndex(10, 4, -1, name="n"),
}


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=30),
    ratio=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**70),
    sample=st.integers(1, 2**40),
)
def test_each_row_is_in_one_part_whatever_is_drawn(labels, ratio, seed, sample):
    frame = pd.DataFrame({"row": range(len(labels))}, index=labels)
    parts = random(frame, ratio=ratio, seed=seed, sample=sample)
    drawn = [part["row"].tolist() for part in parts.values()]
    assert all(drawn) and sorted(row for rows in drawn for row in rows) == list(range(len(labels)))
    assert all(rows == sorted(rows) for rows in drawn)
    assert [part.index.tolist() for part in parts.values()] == [[labels[row] for row in rows] for rows in drawn]
    again = random(frame, ratio=ratio, seed=seed, sample=sample)
    assert [part["row"].tolist() for part in again.values()] == drawn


@pytest.mark.parametrize("index", INDEXES)
def test_labels_of_any_kind_stay_with_their_rows(index):
    frame = pd.DataFrame({"row": range(6), "t": list("uvwxyz")}, index=INDEXES[index])
    before = frame.copy(deep=True)
    parts = random(frame, ratio=0.5, seed=4)
    for part in parts.values():
        pd.testing.assert_frame_equal(part, frame.iloc[part["row"].to_numpy()])
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("rows", "ratio", "train"),
    [(2, 1e-12, 1), (2, 1 - 1e-12, 1), (3, 0.5, 2), (10, 1e-12, 1), (10, 1 - 1e-12, 9), (5, 0.5, 2), (1000, 0.8, 800)],
)
def test_each_part_has_a_row_at_any_ratio(rows, ratio, train):
    parts = random(pd.DataFrame({"a": range(rows)}), ratio=ratio)
    assert [len(part) for part in parts.values()] == [train, rows - train]


@pytest.mark.parametrize(
    "options",
    [{"ratio": 0}, {"ratio": 1}, {"ratio": 1.5}, {"ratio": -0.5}, {"ratio": float("nan")}, {"ratio": float("inf")},
     {"ratio": "0.5"}, {"seed": -1}, {"seed": 0.5}, {"num_samples": 0}, {"sample": 0}],
)  # fmt: skip
def test_what_is_no_ratio_seed_or_sample_is_told_before_the_run(options, root):
    with pytest.raises(ConfigError, match=f"Splitter → a → {next(iter(options))}"):
        Executor({"Loader": {"a": {"method": lambda: None}}, "Splitter": {"a": options}})
    assert not root.exists()


def test_samples_of_a_run_differ_and_are_stored():
    frame = pd.DataFrame({"row": range(40), "t": pd.Categorical(list("ab") * 20)})
    config = {"Loader": {"a": {"method": lambda: frame}}, "Splitter": {"s": {"num_samples": 3, "seed": 5}}}
    runs = []
    for _ in range(2):
        executor = Executor(config)
        executor.run()
        found = load_run(executor.status.folder).get_result()
        for key, one in executor.get_result().items():
            for name, part in one["data"].items():
                pd.testing.assert_frame_equal(found[key]["data"][name], part)
        runs.append([tuple(one["data"]["train"]["row"]) for one in found.values()])
    assert runs[0] == runs[1] and len(set(runs[0])) == 3


def test_samples_are_drawn_evenly():
    """Of 400 samples of half of 10 rows, each row is in about 200."""
    frame = pd.DataFrame({"row": range(10)})
    drawn = [random(frame, ratio=0.5, sample=sample)["train"]["row"] for sample in range(1, 401)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert counts.sum() == 2000 and (abs(counts - 200) < 50).all()
