"""Changes: how what a step gave differs from what came in, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runfolio.differences import Difference, Rows, differences
from runfolio.field import label_text
from runfolio.parts import flattened
from runfolio.schema import Schema, Schemas, compared
from runfolio.tables import is_frame

Frames = dict[str | None, Any]
"""The pandas frames of data by their part; data of one part has one without a name."""


def frames_of(data: Any) -> Frames:
    """The pandas frames of data."""
    return {name: leaf for name, leaf in flattened(data, spell=label_text) if is_frame(leaf)}


def kept_of(data: Any) -> Frames:
    """The frames of a step's input as they are now, without copying values.

    Rows and columns that the step drops in place stay in these; values that it changes in place do where pandas copies
    on write, and are noticed by their digests where it doesn't.
    """
    return {name: frame.copy(deep=False) for name, frame in frames_of(data).items()}


def between(before: Schemas, kept: Frames, after: Schemas, given: Frames) -> Iterator[tuple[str | None, Difference]]:
    """How the parts of a step's output differ from its input, each difference with its part.

    Without an input every field is a CREATE.
    """
    for pair in compared(before, after):
        old, new = pair.old or Schema.of(0, []), pair.new
        rows = _rows(kept.get(pair.source), old, given.get(pair.part), new)
        for difference in differences(old.fields, old.rows, new.fields, new.rows, rows):
            yield pair.part, difference


def _rows(before: Any, old: Schema, after: Any, new: Schema) -> Rows | None:
    """How the rows match by the frames' index, where there are frames and digests of them."""
    frames = before is not None and after is not None
    if not frames or not any(field.digest for field in old.fields) or before.shape != (old.rows, len(old)):
        return None
    from runfolio.alignment import matched_rows  # noqa: PLC0415  (takes pandas)

    return matched_rows(before, old.fields, after, new.fields)
