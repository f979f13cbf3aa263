"""Frames of polars: Arrow tables, with polars' own dtypes in the footer. Categories stand in the file as their text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from runfolio.errors import DataError, FormatError
from runfolio.field import Profile, label_text
from runfolio.tables import arrow_form
from runfolio.tables.forms import Carried

__all__ = ["FRAMES", "columns_of", "polars", "told"]

_SIMPLE = (
    *("Boolean", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16", "Float32"),
    *("Float64", "String", "Binary", "Date", "Time", "Null"),
)


class _Frames:
    """A polars frame."""

    def carry(self, data: Any) -> Carried:
        """The table of a file. Raises DataError if it would not come back exactly."""
        dtypes = _described(data)
        table = _to_arrow(data)
        carried = arrow_form.TABLES.carry(table)
        footer = {**carried.footer, "kind": "polars", "dtypes": dtypes}
        return carried._replace(footer=footer, columns=lambda table, profile: columns_of(data, profile))

    def labels(self, footer: dict[str, Any]) -> list[Any]:
        """The labels of the columns."""
        return arrow_form.TABLES.labels(footer)

    def stored(self, footer: dict[str, Any], names: list[str], wanted: list[Any] | None) -> list[str]:
        """Of these names in the file, those that hold the columns. Raises NotFoundError."""
        return arrow_form.TABLES.stored(footer, names, wanted)

    def restore(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> Any:
        """What these columns of a file stand for."""
        pl = polars()
        plain = self.plain(table, footer, wanted)
        if not plain.num_columns:
            return pl.DataFrame(height=plain.num_rows) if plain.num_rows else pl.DataFrame()
        names = self.labels(footer)
        chosen = range(len(names)) if wanted is None else arrow_form.places(names, wanted)
        with told():
            return self._cast(pl.from_arrow(plain), footer, names, chosen)

    def _cast(self, found: Any, footer: dict[str, Any], names: list[str], chosen: Any) -> Any:
        pl = polars()
        casts = [pl.col(names[place]).cast(_dtype(footer["dtypes"][place], pl)) for place in chosen]
        return found.select(casts)

    def plain(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None) -> pa.Table:
        """The same as an Arrow table."""
        return arrow_form.TABLES.restore(table, footer, wanted)


FRAMES = _Frames()


def polars() -> Any:
    """The library. Raises FormatError if it is not installed."""
    try:
        import polars as found  # noqa: PLC0415  (optional: only who stores or reads polars frames needs it)
    except ImportError as error:
        raise FormatError(
            "the data are a polars frame, and polars is not installed",
            remedy='install it, or read the data as another kind: read(as_="pandas")',
        ) from error
    return found


@contextmanager
def told() -> Iterator[None]:
    """What polars refuses, as a DataError: its panics are no Exceptions."""
    exceptions = polars().exceptions
    try:
        yield
    except (exceptions.PolarsError, exceptions.PanicException) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"polars can't hold the table: {first}", remedy="read it as pandas or arrow") from error


def _spelled(dtype: Any) -> str:
    """A dtype without the categories of its enums: those are values, and told as such.

    >>> import polars as pl
    >>> _spelled(pl.List(pl.Enum(["a", "]'"])))
    'List(Enum)'
    """
    whole = str(dtype)
    if "Enum(" not in whole:
        return whole
    name: str = dtype.base_type().__name__
    if name == "Enum":
        return name
    if name == "Struct":
        return f"Struct({{{', '.join(f'{field.name!r}: {_spelled(field.dtype)}' for field in dtype.fields)}}})"
    if name == "List":
        return f"List({_spelled(dtype.inner)})"
    return f"Array({_spelled(dtype.inner)}, shape=({dtype.size},))"


def columns_of(frame: Any, profile: Profile) -> list[Any]:
    """The columns of a frame, to be profiled; objects can't be."""
    from runfolio.profiles import Column  # noqa: PLC0415  (it imports much)

    found = []
    for series in frame.get_columns():
        dtype = series.dtype
        array = None
        if profile != "names" and _description(dtype) is not None:
            array = _to_arrow(series.to_frame()).column(0)
        categories = tuple(dtype.categories.to_list()) if dtype.base_type().__name__ == "Enum" else None
        found.append(
            Column(
                name=label_text(series.name),
                dtype=_spelled(dtype),
                nullable=True,
                array=array,
                nulls=series.null_count() if array is None else None,
                categories=categories,
                ordered=categories is not None,
            )
        )
    return found


def _to_arrow(frame: Any) -> pa.Table:
    pl = polars()
    casts = {name: _text_type(dtype, pl) for name, dtype in frame.schema.items()}
    changed = {name: dtype for name, dtype in casts.items() if dtype != frame.schema[name]}
    return (frame.cast(changed) if changed else frame).to_arrow(compat_level=pl.CompatLevel.oldest())


def _described(frame: Any) -> list[Any]:
    pl = polars()
    if type(frame) is not pl.DataFrame:
        what = f"it is a {type(frame).__qualname__}, not a polars.DataFrame"
        raise DataError(f"the frame would not come back exactly: {what}", problems=(what,))
    found = {name: _description(dtype) for name, dtype in frame.schema.items()}
    wrong = [name for name, description in found.items() if description is None]
    if wrong:
        listed = tuple(f"column {name!r}: polars' {frame.schema[name]} has no exact form in Parquet" for name in wrong)
        raise DataError(
            f"the frame would not come back exactly: {'; '.join(listed)}",
            problems=listed,
            remedy="convert or drop what is named here, then try again",
            column=wrong[0],
        )
    return list(found.values())


def _description(dtype: Any) -> Any:
    """What a footer has of a dtype; None if that has no exact form."""
    name = dtype.base_type().__name__
    if name in _SIMPLE:
        return name
    if name == "Datetime":
        return [name, dtype.time_unit, dtype.time_zone]
    if name == "Duration":
        return [name, dtype.time_unit]
    if name == "Decimal":
        return [name, dtype.precision, dtype.scale]
    if name == "Enum":
        return [name, dtype.categories.to_list()]
    if name == "Categorical":
        return _categorical(dtype)
    if name in ("List", "Array"):
        inner = _description(dtype.inner)
        if inner is None or (name == "Array" and not dtype.size):
            return None
        return [name, inner, dtype.size] if name == "Array" else [name, inner]
    if name == "Struct":
        fields = [[field.name, _description(field.dtype)] for field in dtype.fields]
        return [name, fields] if fields and all(inner is not None for _, inner in fields) else None
    return None


def _categorical(dtype: Any) -> list[Any]:
    categories = getattr(dtype, "categories", None)
    if categories is None or not hasattr(categories, "is_global") or categories.is_global():
        return ["Categorical"]
    return ["Categorical", categories.name(), categories.namespace(), categories.physical().__name__]


def _dtype(description: Any, pl: Any) -> Any:
    """The dtype that a footer describes."""
    if isinstance(description, str):
        if description not in _SIMPLE:
            raise ValueError(f"no dtype: {description!r}")
        return getattr(pl, description)
    name, *content = description
    if name in ("List", "Array"):
        return getattr(pl, name)(_dtype(content[0], pl), *content[1:])
    if name == "Struct":
        return pl.Struct([pl.Field(field, _dtype(inner, pl)) for field, inner in content[0]])
    if name == "Categorical":
        return pl.Categorical(_categories(content, pl)) if content else pl.Categorical()
    if name not in ("Datetime", "Duration", "Decimal", "Enum"):
        raise ValueError(f"no dtype: {name!r}")
    return getattr(pl, name)(*content)


def _categories(content: list[Any], pl: Any) -> Any:
    name, namespace, physical = content
    if physical not in ("UInt8", "UInt16", "UInt32"):
        raise ValueError(f"no codes of categories: {physical!r}")
    return pl.Categories(name, namespace=namespace, physical=getattr(pl, physical))


def _text_type(dtype: Any, pl: Any) -> Any:
    """The dtype with text in the place of categories."""
    name = dtype.base_type().__name__
    if name in ("Categorical", "Enum"):
        return pl.String
    if name == "List":
        return pl.List(_text_type(dtype.inner, pl))
    if name == "Array":
        return pl.Array(_text_type(dtype.inner, pl), dtype.size)
    if name == "Struct":
        return pl.Struct([pl.Field(field.name, _text_type(field.dtype, pl)) for field in dtype.fields])
    return dtype
