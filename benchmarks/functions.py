"""What recording any code costs: decorated functions and a scikit-learn Pipeline beside the same calls unrecorded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from frames import SEED

from runfolio import Status, tracked

ALONE = "the same calls, nothing recorded"
BY_HAND = "the same calls, each result by `to_parquet` and SHA-256"


@tracked
def known(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows without gaps."""
    return frame.dropna()


@tracked
def scaled(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of mean 0 and deviation 1."""
    return (frame - frame.mean()) / frame.std()


@tracked
def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by their first column, with its rank."""
    return frame.sort_values("c0").assign(rank=frame["c0"].rank())


def measure(sizes: Any, folder: Path) -> list[Any]:
    """Three functions with each profile, and a Pipeline where scikit-learn is there."""
    from measure import pair, timed

    frame = _frame(sizes.tracked)
    size = f"{sizes.tracked:,} rows x 8"
    common = {"unit": "ms", "batches": sizes.tracked_batches, "bound": None}
    rows = [
        pair(
            "code",
            f"3 tracked functions, {size}, profile {profile}",
            limit,
            ours=timed(lambda profile=profile: _recorded(frame, folder, profile)),
            theirs=timed(theirs),
            **common,
        )
        for profile, limit, theirs in (
            ("full", ALONE, lambda: _functions(frame)),
            ("full", BY_HAND, lambda: _by_hand(frame, folder)),
            ("digest", BY_HAND, lambda: _by_hand(frame, folder)),
        )
    ]
    if find_spec("sklearn"):
        theirs = timed(lambda: _fit(frame))
        ours = timed(lambda: _fit_recorded(frame, folder))
        rows.append(
            pair("code", f"Pipeline of 3 steps, fit and predict, {size}", ALONE, ours=ours, theirs=theirs, **common)
        )
    return rows


def _frame(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(rows, 8))
    values[rng.random(rows) < 0.01, 3] = np.nan
    return pd.DataFrame(values, columns=[f"c{number}" for number in range(8)])


def _functions(frame: pd.DataFrame) -> list[pd.DataFrame]:
    one = known(frame)
    two = scaled(one)
    return [one, two, ranked(two)]


def _recorded(frame: pd.DataFrame, folder: Path, profile: Any) -> None:
    with TemporaryDirectory(dir=folder) as root, Status(root=root, profile=profile) as status:
        _functions(frame)
        assert len(status.results) == 3


def _by_hand(frame: pd.DataFrame, folder: Path) -> None:
    from hashlib import file_digest

    with TemporaryDirectory(dir=folder) as root:
        for number, found in enumerate(_functions(frame)):
            path = Path(root, f"{number}.parquet")
            found.to_parquet(path)
            with path.open("rb") as file:
                file_digest(file, "sha256")


def _pipeline() -> Any:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), PCA(4), LogisticRegression())


def _fit(frame: pd.DataFrame, pipeline: Any = None) -> None:
    data = frame.fillna(0.0)
    (pipeline or _pipeline()).fit(data, frame["c0"] + frame["c1"] > 0).predict(data)


def _fit_recorded(frame: pd.DataFrame, folder: Path) -> None:
    from runfolio.integrations.sklearn import track

    pipeline = _pipeline()
    with TemporaryDirectory(dir=folder) as root, Status(root=root) as status, track(pipeline):
        _fit(frame, pipeline)
        assert len(status.results) == 5
