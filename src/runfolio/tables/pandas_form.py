"""Frames and Series of pandas, by `runfolio.frames`."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from runfolio import frames
from runfolio.errors import DataError, NotFoundError
from runfolio.field import Profile
from runfolio.frames import tagged
from runfolio.frames.footer import decode_footer
from runfolio.frames.labels import restore_labels
from runfolio.frames.refusal import Refusal, type_name
from runfolio.tables.forms import Carried

__all__ = ["FRAMES", "ONE_COLUMN", "frame_of", "sliced_index"]


class _Frames:
    """A pandas frame: `runfolio.frames` has its footer."""

    def carry(self, data: Any) -> Carried:
        """The table of a file. Raises DataError if it would not come back exactly."""
        table = frames.prepare(data)
        footer = decode_footer(table.schema.metadata)
        return Carried(table.replace_schema_metadata(None), footer, _columns_of(data))

    def labels(self, footer: dict[str, Any]) -> list[Any]:
        """The labels of the columns."""
        return list(restore_labels(footer["labels"]))

    def stored(self, footer: dict[str, Any], names: list[str], wanted: list[Any] | None) -> list[str]:
        """Of these names in the file, those that hold the columns. Raises NotFoundError."""
        if wanted is None:
            return names
        return [names[place] for place in self.places(footer, wanted)] + names[len(footer["columns"]) :]

    def restore(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> Any:
        """What these columns of a file stand for."""
        return frames.assemble(table, footer, None if wanted is None else self.places(footer, wanted))

    def plain(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> pa.Table:
        """The same as an Arrow table."""
        count = len(footer["columns"] if wanted is None else self.places(footer, wanted))
        return table.select(list(range(count))).replace_schema_metadata(None)

    def places(self, footer: dict[str, Any], wanted: list[Any]) -> list[int]:
        """Where the columns of these labels are."""
        try:
            return frames.places_of(footer, wanted)
        except NotFoundError as error:
            error.remedy = f"there are {self.labels(footer)}; labels are found by value and type"
            raise


class _OneColumn(_Frames):
    """A Series: a frame of one column. Its name, which need not be text, is in the footer."""

    def carry(self, data: Any) -> Carried:
        """The table of a file. Raises DataError if it would not come back exactly."""
        if type(data) is not pd.Series:
            what = f"it is a {type_name(type(data))}, not a pandas.Series"
            raise DataError(f"the Series would not come back exactly: {what}", problems=(what,))
        try:
            name = tagged.tag(data.name)
        except Refusal as refusal:
            what = f"the name: {refusal}"
            raise DataError(
                f"the Series would not come back exactly: {what}", problems=(what,), remedy="give it a name of text"
            ) from None
        frame = frame_of(data)
        carried = super().carry(frame)
        return carried._replace(footer={**carried.footer, "series": name})

    def labels(self, footer: dict[str, Any]) -> list[Any]:
        """The labels of the columns."""
        return [tagged.untag(footer["series"])]

    def restore(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> Any:
        """What these columns of a file stand for."""
        frame = super().restore(table, footer, None)
        series = frame.iloc[:, 0]
        series.name = tagged.untag(footer["series"])
        series.attrs = frame.attrs
        return series.set_flags(allows_duplicate_labels=frame.flags.allows_duplicate_labels)

    def places(self, footer: dict[str, Any], wanted: list[Any]) -> list[int]:
        """Its one column's place."""
        own = self.labels(footer)[0]
        for label in wanted:
            if type(label) is not type(own) or label != own:
                raise NotFoundError(f"no column {label!r} in the Series", remedy=f"it is {own!r}", column=str(label))
        return [0]


FRAMES = _Frames()
ONE_COLUMN = _OneColumn()


def frame_of(series: Any) -> pd.DataFrame:
    """The frame of one column that a Series is stored and profiled as."""
    label = "0" if series.name is None else series.name if type(series.name) is str else repr(series.name)
    bare = series.copy(deep=False)
    bare.attrs = {}
    frame = bare.set_flags(allows_duplicate_labels=True).to_frame(_text(label))
    frame.attrs = series.attrs
    found: pd.DataFrame = frame.set_flags(allows_duplicate_labels=series.flags.allows_duplicate_labels)
    return found


def _text(label: str) -> str:
    return label.encode(errors="backslashreplace").decode()


def _columns_of(frame: pd.DataFrame) -> Any:
    def columns(table: pa.Table, profile: Profile) -> Any:
        from runfolio import profiles  # noqa: PLC0415  (it imports much)

        return profiles.columns_of(frame, table, profile)

    return columns


def sliced_index(index: dict[str, Any], begin: int, count: int) -> dict[str, Any]:
    """The footer's index of so many rows from there on."""
    if "range" not in index:
        return index
    start, _, step = index["range"]
    return {**index, "range": [start + begin * step, start + (begin + count) * step, step]}
