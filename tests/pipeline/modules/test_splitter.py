"""Splitter: rows drawn by chance, the same ones each time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.errors import InputError
from runfolio.pipeline.modules.splitter import random


def frame_of(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"a": range(rows)}, index=[f"r{number}" for number in range(rows)])


@given(rows=st.integers(2, 60), ratio=st.floats(0.01, 0.99), seed=st.integers(0, 9), sample=st.integers(1, 9))
def test_each_row_is_in_one_part_in_its_order_and_with_its_label(rows, ratio, seed, sample):
    data = frame_of(rows)
    parts = random(data, ratio=ratio, seed=seed, sample=sample)
    train, validation = parts["train"], parts["validation"]
    assert list(parts) == ["train", "validation"]
    assert len(train) == min(max(round(ratio * rows), 1), rows - 1)
    assert sorted([*train["a"], *validation["a"]]) == list(range(rows))
    for part in (train, validation):
        assert part["a"].is_monotonic_increasing
        pd.testing.assert_frame_equal(part, data.loc[part.index])


def test_the_draw_is_that_of_seed_and_sample():
    order = np.random.default_rng([3, 2]).permutation(10)
    assert random(frame_of(10), seed=3, sample=2)["train"]["a"].tolist() == sorted(order[:8].tolist())
    draws = {
        (seed, sample): tuple(random(frame_of(40), seed=seed, sample=sample)["train"]["a"])
        for seed in (0, 1)
        for sample in (1, 2)
    }
    assert len(set(draws.values())) == 4
    assert tuple(random(frame_of(40), num_samples=5)["train"]["a"]) == draws[0, 1]


def test_parts_can_be_stored_and_the_input_stays(people, stored):
    before = people.copy()
    parts = random(people)
    stored(parts)
    parts["train"].loc[:, "age"] = 0
    pd.testing.assert_frame_equal(people, before)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train": frame_of(3), "validation": frame_of(2)}, "split already, into train, validation"),
        (frame_of(0), "no rows can't be split"),
        (frame_of(1), "one row can't be split"),
        (None, "no table to work on, but nothing"),
        ([1], "but a list"),
    ],
)
def test_what_can_not_be_split_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        random(data)
