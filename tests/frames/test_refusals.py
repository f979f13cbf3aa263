"""What can't come back is refused before a byte is written, with every column and row named."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runfolio import frames
from runfolio.errors import DataError

from .builders import column, indexed, objects
from .refused import REFUSED, Anything


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_frame_is_named_before_anything_is_written(name, tmp_path):
    build, words, column_name, row = REFUSED[name]
    path = tmp_path / "frame.parquet"
    frame = build()
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            frames.store(frames.prepare(frame), str(path))
        assert any(words in problem for problem in caught.value.problems), caught.value.problems
        assert (caught.value.column, caught.value.row) == (column_name, row)
        assert caught.value.remedy
        str(caught.value).encode()
    assert not path.exists()


def test_an_error_lists_every_problem_and_names_the_first_column():
    frame = pd.DataFrame({"ok": [1, 2], "x": objects([1], Anything())["a"], 3: objects(len, 1)["a"]})
    frame.index = pd.Index([1, Anything()], dtype=object)
    frame.columns.name = Anything
    with pytest.raises(DataError) as caught:
        frames.prepare(frame)
    error = caught.value
    places = ["the column labels: ", "column 'x', row 1: ", "column 3, row 0: ", "index, row 1: "]
    assert [problem.startswith(place) for problem, place in zip(error.problems, places, strict=True)] == [True] * 4
    assert (error.column, error.row) == ("x", 1)
    assert all(problem in str(error) for problem in error.problems)


def test_a_problem_of_the_index_names_no_column():
    with pytest.raises(DataError) as caught:
        frames.prepare(indexed(pd.Index([1], name=Anything)))
    assert (caught.value.column, caught.value.row) == (None, None)


def test_what_only_the_writing_finds_out_is_refused_too(tmp_path, monkeypatch):
    def write_table(*_, **__):
        raise pa.ArrowCapacityError("a cell is too large")

    monkeypatch.setattr(pq, "write_table", write_table)
    with pytest.raises(DataError, match="can't be written: a cell is too large"):
        frames.store(frames.prepare(column([1])), str(tmp_path / "frame.parquet"))
