"""Categories: which code each value of a categorical column has, by the labels that stand in the footer.

A file's dictionary is not what its column was written with: it is gone where there are no rows, and in the order of
the rows where it is too large for one page. So the labels are in the footer, and the codes found by them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runfolio.frames import tagged

__all__ = ["codes_of", "is_dictionary"]


def is_dictionary(description: dict[str, Any], labels: pa.Array) -> bool:
    """Whether the column is a dictionary in the file: Parquet gives back those of text alone."""
    return bool(pa.types.is_large_string(labels.type)) and description["form"] != "json"


def codes_of(column: pa.ChunkedArray, labels: pa.Array, values: Any, categories: pd.Index) -> Any:
    """Return the code of each row, -1 for a missing value.

    `values` are the restored values of the rows that have one, or None where text stands in the column.

    >>> column, labels = pa.chunked_array([["b", None, "a"]]), pa.array(["a", "b"])
    >>> codes_of(column, labels, None, pd.Index(["a", "b"])).tolist()
    [1, -1, 0]
    """
    if not len(column):
        return np.array([], "int64")
    if values is not None:
        codes = np.full(len(column), -1)
        codes[column.is_valid().to_numpy()] = _codes_of_values(values, categories)
        return codes
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    whole = whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
    found = whole.dictionary.cast(labels.type)
    places = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    if found.equals(labels):
        return places
    codes = pc.index_in(found, value_set=labels)
    if codes.null_count and pc.is_in(whole.indices, value_set=_nulls_of(codes)).true_count:
        raise ValueError("a value that is none of the categories")
    codes = codes.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.append(codes, -1)[places]  # of which the last is what -1 means


def _nulls_of(codes: pa.Array) -> pa.Array:
    return pa.array(np.flatnonzero(codes.is_null().to_numpy(zero_copy_only=False)), pa.int32())


def _codes_of_values(values: Any, categories: pd.Index) -> Any:
    places, uniques = pd.factorize(values)
    by_text = {tagged.encode(label): code for code, label in enumerate(categories.astype(object))}
    codes = [by_text[tagged.encode(value)] for value in pd.Index(uniques, dtype=uniques.dtype).astype(object)]
    return np.array(codes, "int64")[places]
