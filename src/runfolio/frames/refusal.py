"""Refusal: why one value or column can't be stored so that it comes back exactly."""

from __future__ import annotations

__all__ = ["Refusal", "type_name"]


class Refusal(Exception):
    """The values would not come back exactly, for the reason that is its text; users see a DataError.

    >>> Refusal("cells of type object", row=3).row
    3
    """

    def __init__(self, reason: str, row: int | None = None) -> None:
        super().__init__(reason)
        self.row = row


def type_name(kind: type) -> str:
    """Name a type as a reader knows it.

    >>> import decimal
    >>> type_name(int), type_name(decimal.Decimal)
    ('int', 'decimal.Decimal')
    """
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
