"""A frame of 15 mixed columns, from one seed: by pandas alone, for other trackers' environments make it too."""

from __future__ import annotations

import numpy as np
import pandas as pd

SEED = 20261122

CITIES = np.array(["Berlin", "Lagos", "Lima", "Osaka", "Quito", "Reykjavík", "Taipei", "Tunis"], dtype=object)
WORDS = np.array(
    ["late", "early", "paid", "open", "lost", "sent", "back", "twice", "cold", "warm", "spare", "round"], dtype=object
)


def frame(rows: int) -> pd.DataFrame:
    """A frame of 15 columns: 4 of integers, 4 of floats with gaps, 3 of text, 2 of times, a category, a boolean.

    Text is what pandas makes of `str` objects: `str` in pandas 3, `object` in pandas 2.
    """
    rng = np.random.default_rng(SEED)
    begin = np.datetime64("2026-01-01", "us")
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "amount_cents": rng.integers(0, 2**40, rows),
            "quantity": rng.integers(0, 100, rows, dtype="int32"),
            "year": rng.integers(1990, 2027, rows, dtype="int16"),
            "price": _gaps(rng, rng.normal(100, 15, rows).round(2)),
            "weight": _gaps(rng, rng.exponential(3.0, rows)),
            "score": _gaps(rng, rng.random(rows)),
            "ratio": _gaps(rng, rng.random(rows).astype("float32")),
            "code": [f"C{number:08d}" for number in rng.integers(0, 10**8, rows)],
            "city": np.where(rng.random(rows) < 0.05, None, rng.choice(CITIES, rows)),
            "note": rng.choice(WORDS, rows) + " " + rng.choice(WORDS, rows) + " " + rng.choice(WORDS, rows),
            "ordered_at": begin + rng.integers(0, 10**13, rows).astype("timedelta64[us]"),
            "shipped_on": begin.astype("datetime64[s]") + rng.integers(0, 300, rows) * np.timedelta64(86400, "s"),
            "grade": pd.Categorical(rng.choice(["low", "middle", "high"], rows), ["low", "middle", "high"]),
            "is_open": rng.random(rows) < 0.5,
        }
    )


def _gaps(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    values[rng.random(len(values)) < 0.1] = np.nan
    return values
