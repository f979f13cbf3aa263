"""Profiles of frames of every kind: what is told does not hang on where the values are taken from."""

from __future__ import annotations

import pytest

from runfolio import Schema, frames, profiles

from ..frames.corpus import ACCEPTED


def schema_of(frame, table, profile):
    return Schema.of(len(frame), profiles.fields_of(profiles.columns_of(frame, table, profile), profile))


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_prepared_table_tells_what_the_frame_itself_does(name):
    frame = ACCEPTED[name].build()
    table = frames.prepare(frame)
    for profile in ("full", "digest", "names"):
        found = schema_of(frame, table, profile)
        assert found == Schema.from_data(frame, profile=profile)
        assert found == schema_of(frame.copy(), frames.prepare(frames.restore(table)), profile)


COUNTED_OTHERWISE = {
    "arrow nan beside null": "pandas does not count the NaN",
    "Float64 NaN beside NA": "pandas does not count the NaN",
    "Float32 NaN": "pandas does not count the NaN",
    "Decimals odd": "pandas can't ask a signalling NaN",
}


@pytest.mark.parametrize("name", sorted(ACCEPTED.keys() - COUNTED_OTHERWISE.keys()))
def test_missing_values_are_counted_as_pandas_counts_them(name):
    frame = ACCEPTED[name].build()
    found = [field.nulls for field in Schema.from_data(frame, profile="digest").fields]
    assert found == [int(frame.iloc[:, place].isna().sum()) for place in range(frame.shape[1])]
