"""Schemas: what is told of a frame's columns, and how two differ."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from runfolio import Field, Schema
from runfolio.errors import DataError, NotFoundError
from runfolio.schema import diff_parts, of_data, parts_of, rows_of


def field(name: str, dtype: str = "int64", nullable: bool = False, nulls: int = 0) -> Field:
    return Field(name=name, dtype=dtype, nullable=nullable, nulls=nulls)


@pytest.mark.parametrize(
    ("values", "dtype", "nullable", "nulls"),
    [
        (np.array([1, 2], "int64"), "int64", False, 0),
        (np.array([1, 2], "uint8"), "uint8", False, 0),
        (np.array([True, False]), "bool", False, 0),
        (np.array([1.0, np.nan]), "float64", True, 1),
        (pd.array([1, None], "Int64"), "Int64", True, 1),
        (pd.array([1, 2], "Int64"), "Int64", True, 0),
        (pd.array([True, None], "boolean"), "boolean", True, 1),
        (pd.Series(["a", None], dtype=object), "object", True, 1),
        (pd.Categorical(["a", None]), "category", True, 1),
        (pd.to_datetime(["2026-01-01", None]).astype("datetime64[ns]"), "datetime64[ns]", True, 1),
        (pd.to_datetime(["2026-01-01"] * 2, utc=True).astype("datetime64[ns, UTC]"), "datetime64[ns, UTC]", True, 0),
    ],
)
def test_a_field_tells_dtype_nullability_and_nulls(values, dtype, nullable, nulls):
    assert Schema.from_data(pd.DataFrame({"x": values}))["x"] == field("x", dtype, nullable, nulls)


def test_columns_come_in_order_and_by_name(people):
    schema = Schema.from_data(people)
    assert schema.columns == ["name", "age", "weight"] and len(schema) == 3 and schema.rows == 3
    assert "age" in schema and "height" not in schema
    with pytest.raises(NotFoundError, match="no column 'height'.*it has") as caught:
        schema["height"]
    assert caught.value.column == "height"


def test_labels_of_any_sort_have_names():
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=pd.Index(["a", 1, ("b", 2), "half \udc80"], dtype=object))
    assert Schema.from_data(frame).columns == ["a", "1", "('b', 2)", "half \\udc80"]


def test_what_is_no_frame_is_refused():
    with pytest.raises(DataError, match="not from list"):
        Schema.from_data([1])


def test_equal_content_has_equal_ids_and_structure_is_names_dtypes_and_nullability():
    one, same = Schema.of(2, [field("a")]), Schema.of(2, [field("a")])
    longer, other = Schema.of(3, [field("a")]), Schema.of(2, [field("a", "int32")])
    assert one == same and hash(one) == hash(same) and one.schema_id == same.schema_id
    assert one != longer and one.structure_id == longer.structure_id
    assert one.structure_id != other.structure_id
    assert pickle.loads(pickle.dumps(one)) == one
    assert Schema.of(1, [field("ab")]).schema_id != Schema.of(1, [field("a"), field("b")]).schema_id


def test_a_diff_tells_create_delete_transform_and_update():
    before = Schema.of(3, [field("gone"), field("kept"), field("typed"), field("nulled", "float64", True)])
    after = Schema.of(
        3, [field("typed", "str", True), field("new"), field("kept"), field("nulled", "float64", True, 2)]
    )
    assert [(change.type, change.name) for change in before.diff(after)] == [
        ("DELETE", "gone"),
        ("TRANSFORM", "typed"),
        ("CREATE", "new"),
        ("UPDATE", "nulled"),
    ]
    assert before.diff(before) == []


def test_fields_of_one_name_are_compared_in_their_order():
    before = Schema.of(1, [field("a"), field("a", "str")])
    after = Schema.of(1, [field("a"), field("a", "float64")])
    assert [(change.type, change.before.dtype, change.after.dtype) for change in before.diff(after)] == [
        ("TRANSFORM", "str", "float64")
    ]


def test_parts_are_compared_by_name_else_with_the_first():
    train, whole, wider = Schema.of(1, [field("a")]), Schema.of(2, [field("a")]), Schema.of(1, [field("a"), field("b")])
    assert list(diff_parts(whole, {"train": train, "validation": train})) == []
    assert [(part, d.type) for part, d in diff_parts({"x": train, "y": wider}, {"y": wider, "z": wider})] == [
        ("z", "CREATE")
    ]
    assert [(part, d.type) for part, d in diff_parts(None, train)] == [(None, "CREATE")]
    assert list(diff_parts(train, None)) == []


def test_data_of_any_sort_has_a_schema_or_none(people):
    assert of_data(people) == Schema.from_data(people)
    assert of_data({"a": people, 2: people}) == {"a": Schema.from_data(people), "2": Schema.from_data(people)}
    assert of_data({"a": people, "b": 3}) is None and of_data({}) is None and of_data(3) is None
    assert rows_of(of_data({"a": people, "b": people})) == 6 and rows_of(None) is None
    assert parts_of(None) == []
