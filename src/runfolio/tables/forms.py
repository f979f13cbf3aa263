"""Forms: how tables of each kind become the table of a file, and come back as what they were or as another kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pyarrow as pa

from runfolio.errors import DamageError, DataError, FormatError, RunfolioError, UsageError
from runfolio.field import Profile
from runfolio.frames import MALFORMED
from runfolio.tables import ARROW, BATCH, FRAME, POLARS, SERIES

if TYPE_CHECKING:
    from runfolio.profiles import Column

__all__ = ["WORDS", "Carried", "Form", "convert", "form_of", "restored"]

WORDS = {"pandas": FRAME, "arrow": ARROW, "polars": POLARS}
"""What `as_` may be."""


class Carried(NamedTuple):
    """A table as it goes into a file: the columns of the file, its footer, and what is told of its own columns."""

    table: pa.Table
    footer: dict[str, Any]
    columns: Callable[[pa.Table, Profile], list[Column]]


class Form(Protocol):
    """What there is for each kind of table. `wanted` are the columns to read, None for all."""

    def carry(self, data: Any, /) -> Carried:
        """The table of a file. Raises DataError if it would not come back exactly."""

    def labels(self, footer: dict[str, Any], /) -> list[Any]:
        """The labels of the table's columns."""

    def stored(self, footer: dict[str, Any], names: list[str], wanted: list[Any] | None, /) -> list[str]:
        """Of these names in the file, those that hold the columns. Raises NotFoundError."""

    def restore(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None, /) -> Any:
        """The table that these columns of a file stand for."""

    def plain(self, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None, /) -> pa.Table:
        """The same as an Arrow table, without an index."""


def form_of(kind: str) -> Form:
    """The form of a kind of table. Raises FormatError for one that this version does not know."""
    from runfolio.tables import arrow_form, pandas_form, polars_form  # noqa: PLC0415  (they import this module)

    forms: dict[str, Form] = {
        FRAME: pandas_form.FRAMES,
        SERIES: pandas_form.ONE_COLUMN,
        ARROW: arrow_form.TABLES,
        BATCH: arrow_form.BATCHES,
        POLARS: polars_form.FRAMES,
    }
    if kind not in forms:
        raise FormatError(f"a result of type {kind!r} is not known", remedy="update runfolio")
    return forms[kind]


def restored(kind: str, table: pa.Table, footer: dict[str, Any], wanted: list[Any] | None, as_: str | None) -> Any:
    """A table as it was, or as another kind. Raises DamageError for a footer that does not fit."""
    form = form_of(kind)
    own = as_ is None or WORDS[as_] == kind or (as_ == "pandas" and kind == SERIES)
    try:
        found = (form.restore if own else form.plain)(table, footer, wanted)
    except RunfolioError:
        raise
    except (*MALFORMED, pa.ArrowException) as error:
        what = f"the table's footer does not fit its file: {type(error).__name__}: {error}"
        raise DamageError(what, remedy="fetch the file from a backup") from error
    return found if own else _converted(found, as_)


def _converted(table: pa.Table, as_: str | None) -> Any:
    try:
        return convert(table, as_)
    except RunfolioError:
        raise
    except (pa.ArrowException, ValueError, TypeError, OverflowError, NotImplementedError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"the table can't be read as {as_}: {first}", remedy="read it as what it was") from error


def convert(table: pa.Table, as_: str | None) -> Any:
    """An Arrow table as one of pandas or polars.

    In pandas, integers and booleans of which some are missing are of the nullable dtypes, so that no digit is lost.
    """
    if as_ == "pandas":
        return _to_pandas(table)
    if as_ == "polars":
        from runfolio.tables.polars_form import polars, told  # noqa: PLC0415

        with told():
            return polars().from_arrow(table)
    return table


def checked_word(as_: str | None) -> str | None:
    """A kind to read as. Raises UsageError."""
    if as_ is None or as_ in WORDS:
        return as_
    raise UsageError(f"as_ is {as_!r}", remedy=f"it is one of {', '.join(WORDS)}, or None", key="as_")


def _to_pandas(table: pa.Table) -> Any:
    import pandas as pd  # noqa: PLC0415

    bare = table.replace_schema_metadata(None)
    unique = bare.rename_columns([str(number) for number in range(bare.num_columns)])
    frame = unique.to_pandas(types_mapper=_mapped)
    for number, column in enumerate(unique.columns):
        if column.null_count and (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            dtype: Any = pd.BooleanDtype() if pa.types.is_boolean(column.type) else _MASKED[column.type]
            frame[str(number)] = pd.Series(dtype.__from_arrow__(column), index=frame.index)
    frame.columns = pd.Index(bare.column_names, dtype=frame.columns.dtype)
    return frame


def _mapped(kind: pa.DataType) -> Any:
    """What Python's times can't hold keeps its Arrow type."""
    import pandas as pd  # noqa: PLC0415

    return pd.ArrowDtype(kind) if kind == pa.time64("ns") else None


def _masked() -> dict[pa.DataType, Any]:
    import pandas as pd  # noqa: PLC0415

    sizes = (8, 16, 32, 64)
    signed = {getattr(pa, f"int{size}")(): getattr(pd, f"Int{size}Dtype")() for size in sizes}
    return signed | {getattr(pa, f"uint{size}")(): getattr(pd, f"UInt{size}Dtype")() for size in sizes}


_MASKED = _masked()
