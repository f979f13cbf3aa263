"""Differences: what changed between two schemas, and what can't be told."""

from __future__ import annotations

import pytest

from runfolio import Field, Schema
from runfolio.differences import TABLE, differences


def field(name, dtype="int64", *, nullable=False, nulls=0, digest=None, dtype_digest=None):
    return Field(name=name, dtype=dtype, nullable=nullable, nulls=nulls, digest=digest, dtype_digest=dtype_digest)


def told(olds, news, rows=(3, 3)):
    found = differences(olds, rows[0], news, rows[1])
    return [(change.type, change.target, change.details) for change in found]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (field("a", digest="x"), field("a", digest="x"), []),
        (field("a", digest="x"), field("a", digest="y"), [("UPDATE", "a", {})]),
        (field("a", digest="x"), field("a", digest="x", nullable=True), [("UPDATE", "a", {})]),
        (field("a", digest="x"), field("a", "int32", digest="x"), [("TRANSFORM", "a", {})]),
        (field("a", "category", dtype_digest="1"), field("a", "category", dtype_digest="2"), [("UPDATE", "a", {})]),
        (field("a"), field("a"), []),
        (field("a", nulls=1), field("a", nulls=2), []),  # without digests, nothing is told of values
        (field("a", digest="x"), field("a"), []),
    ],
)
def test_a_column_that_stays(old, new, expected):
    assert told([old], [new]) == expected


def test_columns_that_come_and_go_are_told_in_order():
    olds = [field("gone"), field("kept", digest="k"), field("typed")]
    news = [field("typed", "str"), field("new"), field("kept", digest="k")]
    assert told(olds, news) == [
        ("UPDATE", TABLE, {"columns_reordered": True}),
        ("DELETE", "gone", {}),
        ("TRANSFORM", "typed", {}),
        ("CREATE", "new", {}),
    ]


def test_a_rename_is_a_delete_and_a_create_that_name_each_other():
    found = told([field("a", digest="x"), field("b", digest="y")], [field("c", digest="x"), field("b", digest="y")])
    assert found == [("DELETE", "a", {"renamed_to": "c"}), ("CREATE", "c", {"renamed_from": "a"})]


@pytest.mark.parametrize(
    ("olds", "news", "rows"),
    [
        ([field("a", digest="x"), field("b", digest="x")], [field("c", digest="x")], (3, 3)),
        ([field("a", digest="x")], [field("c", digest="x"), field("d", digest="x")], (3, 3)),
        ([field("a", digest="x")], [field("c", "int32", digest="x")], (3, 3)),
        ([field("a", "category", digest="x", dtype_digest="1")], [field("c", "category", digest="x")], (3, 3)),
        ([field("a")], [field("c")], (3, 3)),
        ([field("a", digest="x")], [field("c", digest="x")], (0, 0)),
        ([field("a", digest="x")], [field("c", digest="x")], (3, 2)),
    ],
    ids=["two that went", "two that came", "dtype", "categories", "no digests", "no rows", "other rows"],
)
def test_what_fits_more_or_less_than_one_column_is_no_rename(olds, news, rows):
    assert all("renamed" not in str(details) for _, _, details in told(olds, news, rows))


def test_rows_that_came_or_went_are_one_change_of_the_table():
    (change,) = differences([field("a", digest="x", nulls=2)], 5, [field("a", digest="y", nulls=1)], 3)
    assert (change.type, change.target, change.before, change.after) == ("UPDATE", TABLE, 5, 3)


def test_a_table_that_begins_has_created_columns_and_no_change_of_rows():
    assert told([], [field("a")], (0, 3)) == [("CREATE", "a", {})]


def test_fields_of_one_name_are_compared_in_their_order():
    found = differences([field("a"), field("a", "str")], 1, [field("a"), field("a", "float64")], 1)
    assert [(change.type, change.before.dtype, change.after.dtype) for change in found] == [
        ("TRANSFORM", "str", "float64")
    ]


def test_schemas_tell_their_differences():
    before, after = Schema.of(3, [field("a", digest="x")]), Schema.of(2, [field("a", "str")])
    assert [(change.type, change.target) for change in before.diff(after)] == [("UPDATE", "*"), ("TRANSFORM", "a")]
    assert before.diff(before) == []
