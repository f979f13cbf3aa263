"""Field: what is told of one column, and the statistics of its values."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ChangeType = Literal["CREATE", "UPDATE", "DELETE", "TRANSFORM"]

Profile = Literal["full", "digest", "names"]
"""What is told of values: statistics and digests, digests and how many are missing, or nothing."""


SHOWN_LENGTH = 32


class Statistics(Struct, frozen=True, kw_only=True):
    """What a column's values amount to, missing ones left out; null where that has no meaning for them.

    `minimum` and `maximum` are text in the column's own spelling, of text values at most 200 characters. `distinct` is
    the number of different values, estimated to within some percent unless `distinct_is_exact`. `mean` and
    `standard_deviation` (of a sample, as pandas has it) are those of numbers and booleans. `categories` are those that
    a categorical column can have, in their order, if they are at most 100.
    """

    distinct: int | None = None
    distinct_is_exact: bool = True
    minimum: str | None = None
    maximum: str | None = None
    mean: float | None = None
    standard_deviation: float | None = None
    categories: list[str] | None = None


class Field(Struct, frozen=True, kw_only=True):
    """One column: name, dtype as its library spells it, whether that can hold missing values, how many there are.

    `digest` tells whether values are equal, whatever their dtype is called; `dtype_digest` is one of what a dtype's
    name leaves out, the categories and their order. What a profile leaves out is null.
    """

    name: str
    dtype: str
    nullable: bool
    nulls: int | None
    dtype_digest: str | None = None
    digest: str | None = None
    statistics: Statistics | None = None

    def __str__(self) -> str:
        return described(self.dtype, self.nulls, self.statistics)


def described(dtype: str, nulls: int | None, statistics: Statistics | None) -> str:
    """A column in words.

    >>> described("float64", 2, Statistics(minimum="32.1", maximum="59.6"))
    'float64, 2 missing, 32.1 to 59.6'
    """
    words = [dtype]
    if nulls:
        words.append(f"{nulls:,} missing")
    if statistics is not None and statistics.minimum is not None and statistics.maximum is not None:
        ends = statistics.minimum, statistics.maximum
        words += [" to ".join(ends)] if max(map(len, ends)) <= SHOWN_LENGTH else []
    return ", ".join(words)


def label_text(label: object) -> str:
    """A column's label as text: the text that it is, else its repr.

    >>> label_text("a"), label_text(("a", 1))
    ('a', "('a', 1)")
    """
    text = label if type(label) is str else repr(label)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
