"""What callers pass: as the records take it, or an error that names the argument."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from runfolio.arguments import instant, number, text
from runfolio.errors import UsageError


class Named(str):
    pass


def test_points_in_time():
    utc = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    assert instant(utc.astimezone(dt.timezone(dt.timedelta(hours=5))), "t") == utc
    assert type(instant(pd.Timestamp(utc), "t")) is dt.datetime
    assert instant(utc.timestamp(), "t") == utc
    for wrong in ("noon", None, math.nan, 1e300, [], pd.NaT):
        with pytest.raises(UsageError, match="which is no point in time") as caught:
            instant(wrong, "start")
        assert caught.value.key == "start"


def test_numbers_are_finite():
    assert number(np.int64(3), "done") == 3.0
    for wrong in ("x", None, math.inf, math.nan):
        with pytest.raises(UsageError):
            number(wrong, "done")


def test_names_are_text():
    assert text(np.str_("a"), "module") == "a"
    assert type(text(Named("a"), "module")) is str
    with pytest.raises(UsageError, match="module is 3, which is no text"):
        text(3, "module")
