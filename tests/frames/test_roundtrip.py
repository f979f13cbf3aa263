"""Every frame of the corpus comes back exactly, in the form that is expected of it."""

import pytest

from runfolio import frames
from runfolio.frames import carriers

from .compare import assert_exactly_equal
from .corpus import ACCEPTED, NATIVE


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
    assert fallen(frames.prepare(frame)) == ACCEPTED[name].fallen
    assert_exactly_equal(round_trip(frame, tmp_path), ACCEPTED[name].build())
    assert_exactly_equal(frame, ACCEPTED[name].build())
    assert_exactly_equal(frames.restore(frames.prepare(frame)), frame)


@pytest.mark.parametrize("name", ACCEPTED)
def test_parts_of_a_frame_and_many_row_groups_come_back_exactly(name, tmp_path, monkeypatch):
    frame = ACCEPTED[name].build()
    assert_exactly_equal(round_trip(frame.iloc[:0], tmp_path), frame.iloc[:0])
    monkeypatch.setitem(frames.WRITE_OPTIONS, "row_group_size", 1)
    assert_exactly_equal(round_trip(frame.iloc[1:20], tmp_path), frame.iloc[1:20])


@pytest.mark.parametrize("name", ACCEPTED)
def test_equal_frames_have_equal_carriers(name):
    frame = ACCEPTED[name].build()
    table, other = frames.prepare(frame), frames.prepare(ACCEPTED[name].build())
    assert table.schema.equals(other.schema, check_metadata=True)
    for mine, theirs in zip(table.columns, other.columns, strict=True):
        assert mine.equals(theirs) or repr(mine.to_pylist()) == repr(theirs.to_pylist())
    names = frames.column_names(table)
    assert len(names) == len(frame.columns)
    assert len(set(table.column_names)) == table.num_columns
    for place in range(len(names)):
        carrier = frames.carry(frame.iloc[:, place])
        assert isinstance(carrier, carriers.Carrier)
        assert carrier.array.type == table.schema.types[place]
        assert (carrier.description["form"] == "json") == (names[place] in ACCEPTED[name].fallen)


CHANGEABLE = [name for name in NATIVE if name.split()[0] in {"numbers", "nullable", "times", "bool", "text", "zoned"}]


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_frame_that_came_back_can_be_changed(name, tmp_path):
    frame = round_trip(ACCEPTED[name].build(), tmp_path)
    if len(frame):
        frame.iloc[0, 0] = frame.iloc[-1, 0]
