"""Every frame of the corpus comes back exactly, in the form that is expected of it."""

import pytest

from runfolio import frames
from runfolio.frames import carriers

from .compare import assert_exactly_equal
from .corpus import ACCEPTED


def round_trip(frame, folder):
    path = folder / "frame.parquet"
    frames.store(frames.prepare(frame), str(path))
    return frames.read(path.read_bytes())


def fallen(table):
    return [field.name for field in table.schema if field.metadata == {b"runfolio.encoding": b"tagged-json/1"}]


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(ACCEPTED) >= 200


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_frame_comes_back_exactly(name, tmp_path):
    frame = ACCEPTED[name].build()
    assert_exactly_equal(round_trip(frame, tmp_path), ACCEPTED[name].build())
    assert_exactly_equal(frame, ACCEPTED[name].build())


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_column_is_json_only_where_parquet_cannot_hold_it(name):
    assert fallen(frames.prepare(ACCEPTED[name].build())) == ACCEPTED[name].fallen


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_table_is_restored_without_a_file(name):
    assert_exactly_equal(frames.restore(frames.prepare(ACCEPTED[name].build())), ACCEPTED[name].build())


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_frame_without_its_rows_comes_back_exactly(name, tmp_path):
    frame = ACCEPTED[name].build().iloc[:0]
    assert_exactly_equal(round_trip(frame, tmp_path), frame)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_frame_of_many_row_groups_comes_back_exactly(name, tmp_path, monkeypatch):
    frame = ACCEPTED[name].build().iloc[:20]
    monkeypatch.setitem(frames.WRITE_OPTIONS, "row_group_size", 1)
    assert_exactly_equal(round_trip(frame, tmp_path), frame)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_frame_that_came_back_can_be_changed(name, tmp_path):
    frame = round_trip(ACCEPTED[name].build(), tmp_path)
    if frame.size and "sparse" not in name and not isinstance(frame.iloc[-1, 0], list | dict | tuple | set):
        place = frame.columns[0]
        if list(frame.columns).count(place) == 1 and not hasattr(frame.iloc[-1, 0], "__len__"):
            frame.iloc[0, 0] = frame.iloc[-1, 0]


@pytest.mark.parametrize("name", ACCEPTED)
def test_equal_frames_have_equal_tables(name):
    one, other = (frames.prepare(ACCEPTED[name].build()) for _ in range(2))
    assert one.schema.equals(other.schema, check_metadata=True)
    for mine, theirs in zip(one.columns, other.columns, strict=True):
        assert repr(mine.to_pylist()) == repr(theirs.to_pylist())


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_columns_of_a_table_are_the_carriers_of_the_frame(name):
    frame = ACCEPTED[name].build()
    table = frames.prepare(frame)
    names = frames.column_names(table)
    assert len(names) == len(frame.columns)
    assert len(set(table.column_names)) == table.num_columns
    for place in range(len(names)):
        carrier = frames.carry(frame.iloc[:, place])
        assert isinstance(carrier, carriers.Carrier)
        assert carrier.array.type == table.schema.types[place]
        assert len(carrier.array) == len(frame)
        assert (carrier.description["form"] == "json") == (names[place] in ACCEPTED[name].fallen)
