"""Reading: columns of choice, and files that are not what was written."""

import base64
import datetime
import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runfolio import frames
from runfolio.errors import DamageError, FormatError, NotFoundError
from runfolio.frames import tagged
from runfolio.frames.footer import FOOTER_KEY, VERSION

from .builders import UTC, column, level_index, objects, zoned
from .compare import assert_exactly_equal


def written(frame, folder, **changes):
    """The bytes of the frame's file, with these changes to the footer."""
    path = folder / "frame.parquet"
    frames.store(frames.prepare(frame), str(path))
    if changes:
        table = pq.read_table(path)
        footer = json.loads(table.schema.metadata[FOOTER_KEY]) | changes
        pq.write_table(table.replace_schema_metadata({FOOTER_KEY: json.dumps(footer)}), path)
    return path.read_bytes()


def wide():
    frame = level_index(["x", "y"], [1, None], names=["k", None]).assign(o=objects(1, "a")["a"].tolist())
    frame = pd.concat([frame, frame], axis=1)
    frame.columns = pd.Index([1, "1", "a.b", 1], dtype=object, name="n")
    frame.attrs = {"a": (1,)}
    return frame


@pytest.mark.parametrize(("labels", "places"), [(["a.b"], [2]), ([1], [0, 3]), (["1", 1], [1, 0, 3]), ([], [])])
def test_columns_of_choice_are_read_with_the_index(labels, places, tmp_path):
    expected = wide().iloc[:, places]
    assert_exactly_equal(frames.read(written(wide(), tmp_path), labels), expected)


def test_columns_of_many_levels_are_chosen_by_tuples(tmp_path):
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    found = frames.read(written(frame, tmp_path), [("a", 2)])
    assert found.columns.tolist() == [("a", 2)]
    assert found.to_numpy().tolist() == [[2]]


@pytest.mark.parametrize("label", ["b", 2, True, ("a",), len])
def test_a_label_that_is_not_there_is_named(label, tmp_path):
    with pytest.raises(NotFoundError, match="the frame has no column") as caught:
        frames.read(written(wide(), tmp_path), [1, label])
    assert caught.value.column == str(label)


def test_a_number_of_numpy_names_a_column(tmp_path):
    assert frames.read(written(pd.DataFrame([[1, 2]]), tmp_path), [np.int64(1)]).to_numpy().tolist() == [[2]]


def test_a_frame_is_read_from_a_memoryview(tmp_path):
    assert_exactly_equal(frames.read(memoryview(written(column([1]), tmp_path))), column([1]))


def test_a_file_of_a_newer_format_is_named(tmp_path):
    with pytest.raises(FormatError, match=f"reads {VERSION}; update runfolio"):
        frames.read(written(column([1]), tmp_path, version=VERSION + 1))


def test_a_file_of_an_older_format_is_named(tmp_path):
    with pytest.raises(FormatError, match="is of format 1"):
        frames.read(written(column([1]), tmp_path, version=1))


def test_a_file_of_another_writer_is_named(tmp_path):
    column([1]).to_parquet(tmp_path / "frame.parquet")
    with pytest.raises(FormatError, match="not written by runfolio"):
        frames.read((tmp_path / "frame.parquet").read_bytes())


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 100), slice(100, None)])
def test_a_cut_file_is_damage(cut, tmp_path):
    with pytest.raises(DamageError):
        frames.read(written(column([1]), tmp_path)[cut])


def test_a_flipped_bit_in_any_page_is_damage(tmp_path):
    frame = pd.DataFrame({"a": np.arange(1000), "b": [f"text {number}" for number in range(1000)]})
    data = bytearray(written(frame, tmp_path))
    group = pq.read_metadata(tmp_path / "frame.parquet").row_group(0)
    for number in range(2):
        chunk = group.column(number)
        end = chunk.dictionary_page_offset or chunk.data_page_offset
        place = end + chunk.total_compressed_size - 5
        data[place] ^= 4
        with pytest.raises(DamageError):
            frames.read(bytes(data))
        data[place] ^= 4
    assert_exactly_equal(frames.read(bytes(data)), frame)


MALFORMED = {
    "version text": {"version": "2"},
    "columns none": {"columns": None},
    "columns short": {"columns": []},
    "columns odd": {"columns": [1]},
    "form unknown": {"columns": [{"form": "pickle"}]},
    "form missing": {"columns": [{}]},
    "dtype odd": {"columns": [{"form": "numpy", "dtype": "O"}]},
    "dtype unknown": {"columns": [{"form": "numpy", "dtype": "nothing"}]},
    "dtype of another form": {"columns": [{"form": "masked", "dtype": "category"}]},
    "cells unknown": {"columns": [{"form": "object", "cells": "function", "missing": None}]},
    "json of numbers": {"columns": [{"form": "json", "missing": None}]},
    "arrow schema odd": {"columns": [{"form": "arrow", "schema": base64.b64encode(b"x" * 40).decode()}]},
    "arrow schema no base64": {"columns": [{"form": "arrow", "schema": "ä"}]},
    "category of nothing": {"columns": [{"form": "category", "ordered": False, "categories": {}}]},
    "labels short": {"labels": {"name": None, "range": [0, 7, 1]}},
    "labels odd": {"labels": {"name": None, "range": "abc"}},
    "labels missing": {"labels": {}},
    "index short": {"index": {"name": None, "range": [0, 1, 1]}},
    "index huge": {"index": {"name": None, "range": [0, 10**30, 1]}},
    "index step none": {"index": {"name": None, "range": [0, 2, 0]}},
    "index of levels": {"index": {"levels": [{}], "multi": False}},
    "attrs odd": {"attrs": {"$tuple": 1}},
    "attrs no dict": {"attrs": {"$tuple": [1]}},
    "attrs unknown tag": {"attrs": {"$pickle": "gASVAAAA"}},
    "flags missing": {"flags": {}},
    "flags odd": {"flags": 3},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_footer_is_damage(name, tmp_path):
    with pytest.raises(DamageError, match="footer"):
        frames.read(written(column([1, 2]), tmp_path, **MALFORMED[name]))


def test_a_footer_that_is_no_json_is_damage(tmp_path):
    table = frames.prepare(column([1])).replace_schema_metadata({FOOTER_KEY: b"{"})
    with pytest.raises(DamageError, match="no JSON"):
        frames.restore(table)


MALFORMED_CELLS = ["{", '{"$int":"x"}', '{"$eval":"1"}', '{"$set":[[]]}', '{"$Period":["a","M"]}', "[" * 5000]


@pytest.mark.parametrize("text", MALFORMED_CELLS)
def test_malformed_cells_are_damage(text, tmp_path):
    table = frames.prepare(objects(1, "a"))
    changed = table.set_column(0, table.schema.field(0), [pa.array(["1", text], pa.large_string())])
    with pytest.raises(DamageError):
        frames.restore(changed)


def with_zone(folder, *zone):
    dtype = {"form": "zoned", "unit": "us", "zone": zone}
    return frames.read(written(zoned(UTC), folder, columns=[dtype]))["a"].dtype.tz


def test_a_zone_that_this_machine_does_not_know_is_named(tmp_path):
    with pytest.raises(FormatError, match="Mars/Olympus"):
        with_zone(tmp_path, "zoneinfo", "Mars/Olympus")


def test_a_zone_of_pytz_comes_back_without_pytz_as_its_like(tmp_path, monkeypatch):
    monkeypatch.setattr("runfolio.frames.zones.find_spec", lambda name: None)
    assert repr(with_zone(tmp_path, "pytz", "Europe/Paris")) == "zoneinfo.ZoneInfo(key='Europe/Paris')"
    assert with_zone(tmp_path, "pytz", 5400.0) == datetime.timezone(datetime.timedelta(minutes=90))


def test_importing_frames_imports_neither_pandas_nor_pyarrow():
    program = "import runfolio.frames, sys; print({'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_equal_sets_have_equal_text():
    one, other = {"a", 1, (2, 3), 8, 16}, {16, 8, (2, 3), 1, "a"}
    assert tagged.encode(one) == tagged.encode(other)
    assert tagged.encode(frozenset(one)) == tagged.encode(frozenset(other))


def test_plain_cells_have_short_text():
    cells = [1, "a", 0.5, True, None, [1], {"a": 2}]
    assert [tagged.encode(cell) for cell in cells] == ["1", '"a"', "0.5", "true", "null", "[1]", '{"a":2}']
    assert tagged.encode(math.nan) == '{"$float":"nan"}'
