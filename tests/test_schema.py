"""Schemas: what is told of a frame's columns, and how two differ."""

from __future__ import annotations

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest
from msgspec import structs

from runfolio import Field, Schema
from runfolio.errors import DataError, NotFoundError
from runfolio.field import Statistics
from runfolio.records import Description
from runfolio.schema import of_data, parts_of, rows_of


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
    found = Schema.from_data(pd.DataFrame({"x": values}))["x"]
    assert (found.name, found.dtype, found.nullable, found.nulls) == ("x", dtype, nullable, nulls)


def test_profiles_tell_more_or_less(people):
    full, digest, names = (Schema.from_data(people, profile=profile) for profile in ("full", "digest", "names"))
    assert names["weight"] == Field(name="weight", dtype="float64", nullable=True, nulls=None)
    assert digest["weight"] == structs.replace(names["weight"], nulls=1, digest=full["weight"].digest)
    assert full["weight"].statistics == Statistics(
        distinct=2, minimum="64.0", maximum="71.5", mean=67.75, standard_deviation=pytest.approx(5.3033, abs=1e-4)
    )
    assert Schema.from_data(people) == full


def test_categories_are_told_in_their_order():
    def column(categories, ordered=False):
        values = pd.Categorical(["a", None], categories=categories, ordered=ordered)
        return Schema.from_data(pd.DataFrame({"x": values}))["x"]

    plain = column(["b", "a"])
    assert plain.statistics.categories == ["b", "a"] and (plain.statistics.minimum, plain.nulls) == ("a", 1)
    others = [column(["a", "b"]), column(["b", "a", "c"]), column(["b", "a"], ordered=True)]
    assert all(other.dtype_digest != plain.dtype_digest and other.digest == plain.digest for other in others)
    many = column([*map(str, range(101)), "a"])
    assert many.statistics.categories is None and many.dtype_digest


def test_values_that_arrow_can_not_hold_are_counted_and_no_more():
    found = Schema.from_data(pd.DataFrame({"x": [print, None]}))["x"]
    assert (found.nulls, found.digest, found.statistics) == (1, None, None)


def test_cells_of_many_types_have_digests_and_their_missing_ones_are_counted():
    columns = (pd.Series(values, dtype=object) for values in ([1, "a", None], [1, "b", None]))
    one, other = (Schema.from_data(pd.DataFrame({"x": column}))["x"] for column in columns)
    assert one.nulls == 1 and one.digest and one.digest != other.digest


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (pd.period_range("2026-01", periods=3, freq="M"), "2026-01", "2026-03"),
        (pd.Series([1, "a", None], dtype=object), None, None),
        (
            pd.to_datetime(["2026-01-01 12:30:00.5", "2026-01-02 00:00:00.0"], utc=True),
            "2026-01-01 12:30:00.5Z",
            "2026-01-02 00:00:00Z",
        ),
        (pd.interval_range(0, 2), None, None),
        (pd.array([0.5, None], dtype="Float64"), "0.5", "0.5"),
        (pd.Series([dt.date(2026, 1, 1)], dtype=object), "2026-01-01", "2026-01-01"),
    ],
)
def test_a_range_is_in_the_columns_own_spelling(values, low, high):
    found = Schema.from_data(pd.DataFrame({"x": values}))["x"].statistics
    assert (found.minimum, found.maximum) == (low, high)
    assert (found.mean is None) == (str(pd.Series(values).dtype) != "Float64")


def test_a_field_and_a_change_read_as_words():
    found = Schema.from_data(pd.DataFrame({"x": [1.5, None], "t": ["long " * 20] * 2}))
    assert [str(field) for field in found.fields] == ["float64, 1 missing, 1.5 to 1.5", found["t"].dtype]
    assert str(Description.of(found["x"])) == "float64, 1 missing, 1.5 to 1.5"
    assert [str(Description.of(rows)) for rows in (1, 1200)] == ["1 row", "1,200 rows"]


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


def test_data_of_any_sort_has_a_schema_or_none(people):
    assert of_data(people, "full") == Schema.from_data(people)
    assert of_data({"a": people, 2: people}, "full") == {"a": Schema.from_data(people), "2": Schema.from_data(people)}
    assert (
        of_data({"a": people, "b": 3}, "full") == {"a": Schema.from_data(people)}
        and of_data({}, "full") is None
        and of_data(3, "full") is None
    )
    assert rows_of(of_data({"a": people, "b": people}, "full")) == 6 and rows_of(None) is None
    assert parts_of(None) == []
