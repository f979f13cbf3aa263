"""Splitter: one table as the two parts `train` and `validation`."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from msgspec import Meta

from runfolio.errors import InputError
from runfolio.pipeline.modules.tables import TRAIN, each

VALIDATION = "validation"


def random(
    data: pd.DataFrame,
    *,
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.8,
    num_samples: Annotated[int, Meta(ge=1)] = 1,
    sample: Annotated[int, Meta(ge=1)] = 1,
    seed: Annotated[int, Meta(ge=0)] = 0,
) -> dict[str, pd.DataFrame]:
    """Draw rows by chance: `round(ratio * rows)` of them are `train`, the others `validation`.

    Both parts have one row at least, and all columns as they are; rows keep their order and their index. The draw
    depends on `seed`, `sample` and the number of rows alone. With `num_samples` above 1 the step is run once for each,
    and `sample` counts them: that is the pipeline's doing, here `num_samples` has no effect.

    Raises InputError if `data` is split already, is no table, or has fewer than two rows.

    >>> parts = random(pd.DataFrame({"a": range(10)}), seed=1)
    >>> [(name, len(part)) for name, part in parts.items()]
    [('train', 8), ('validation', 2)]
    """
    if isinstance(data, dict):
        parts = ", ".join(map(str, data))
        raise InputError(f"the data were split already, into {parts}", remedy="split them once, before all else")
    each(data, lambda frame: frame)
    rows = len(data)
    if rows < 2:  # noqa: PLR2004
        raise InputError(f"data of {'one row' if rows else 'no rows'} can't be split", remedy="load two rows or more")
    drawn = min(max(round(ratio * rows), 1), rows - 1)
    order = np.random.default_rng([seed, sample]).permutation(rows)
    return {TRAIN: data.iloc[np.sort(order[:drawn])], VALIDATION: data.iloc[np.sort(order[drawn:])]}
