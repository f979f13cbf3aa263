"""Differences: how the columns of one table differ from those of an earlier one.

========== ============================================================================================================
type       means
========== ============================================================================================================
CREATE     a column that was not there
DELETE     one that is there no more
TRANSFORM  another dtype
UPDATE     of a column: its values or properties (nullability, categories) changed;
           of the table, whose target is `*`: rows were added or dropped, or rows or columns were reordered
========== ============================================================================================================

Values are compared by their digests. Where rows were added or dropped, that takes the digests of the rows that both
tables have (`aligned`, by the position of the earlier column); without those, only what does not hang on the number of
rows is told. A renamed column is a DELETE and a CREATE of equal dtype and values that name each other in `details`, if
no other deleted or created column has these as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from runfolio.field import ChangeType, Field

TABLE = "*"
"""The target of a change of the table as a whole."""


class Difference(Struct, frozen=True):
    """One difference: `before` is None for a CREATE, `after` for a DELETE; both are numbers of rows for the table."""

    type: ChangeType
    target: str
    before: Field | int | None
    after: Field | int | None
    details: dict[str, Any] = {}


class Rows(Struct, frozen=True):
    """Which rows of the earlier table the later one has.

    `details` say what there is to tell of it. `digest_before` and `digest_after` give the digest of a column (by its
    place in each table) over the rows that both tables have, in one order; None where it is not known.
    """

    details: dict[str, Any]
    digest_before: Callable[[int], str | None]
    digest_after: Callable[[int], str | None]


def differences(
    olds: list[Field], rows_before: int, news: list[Field], rows_after: int, rows: Rows | None = None
) -> list[Difference]:
    """How the later of two tables differs: the table as a whole first, then what was deleted, then the others in order.

    Of fields with one name, the first is compared with the first, and so on. Without `rows`, tables of one length are
    taken to have the same rows.
    """
    rows = rows or _same_rows(olds, news, rows_before == rows_after)
    before, after = dict(_numbered(olds)), dict(_numbered(news))
    renamed = _renamed(before, after, rows) if rows_before and rows_after else {}
    found = list(_of_table(before, after, rows_before, rows_after, rows))
    names = {new: old for old, new in renamed.items()}
    for key, (_, old) in before.items():
        if key not in after:
            details = {"renamed_to": after[renamed[key]][1].name} if key in renamed else {}
            found.append(Difference("DELETE", old.name, old, None, details))
    for key, (place, new) in after.items():
        if key not in before:
            details = {"renamed_from": before[names[key]][1].name} if key in names else {}
            found.append(Difference("CREATE", new.name, None, new, details))
            continue
        old_place, old = before[key]
        if old.dtype != new.dtype:
            found.append(Difference("TRANSFORM", new.name, old, new))
        elif _properties_changed(old, new) or _changed(rows, old_place, place):
            found.append(Difference("UPDATE", new.name, old, new))
    return found


_Keyed = dict[tuple[str, int], tuple[int, Field]]


def _of_table(before: _Keyed, after: _Keyed, rows_before: int, rows_after: int, rows: Rows) -> Iterator[Difference]:
    kept = [key for key in before if key in after]
    details = dict(rows.details)
    if kept != [key for key in after if key in before]:
        details["columns_reordered"] = True
    if (rows_before != rows_after or details) and before:
        yield Difference("UPDATE", TABLE, rows_before, rows_after, details)


def _renamed(before: _Keyed, after: _Keyed, rows: Rows) -> dict[tuple[str, int], tuple[str, int]]:
    """The created column that each deleted one became, where just one of each fits."""
    deleted = {key: before[key] for key in before if key not in after}
    created = {key: after[key] for key in after if key not in before}
    if not deleted or not created:
        return {}
    gone = {key: (old.dtype, old.dtype_digest, rows.digest_before(place)) for key, (place, old) in deleted.items()}
    come = {key: (new.dtype, new.dtype_digest, rows.digest_after(place)) for key, (place, new) in created.items()}
    counts_gone, counts_come = Counter(gone.values()), Counter(come.values())
    by_look = {look: key for key, look in come.items()}
    return {
        key: by_look[look]
        for key, look in gone.items()
        if look[2] is not None and counts_gone[look] == counts_come[look] == 1
    }


def _changed(rows: Rows, old_place: int, place: int) -> bool:
    """Whether values are known to differ."""
    old, new = rows.digest_before(old_place), rows.digest_after(place)
    return old is not None and new is not None and old != new


def _properties_changed(old: Field, new: Field) -> bool:
    """Whether nullability or categories are known to differ: of one side, a profile may have left the latter out."""
    told = old.dtype_digest is not None and new.dtype_digest is not None
    return old.nullable != new.nullable or (told and old.dtype_digest != new.dtype_digest)


def _same_rows(olds: list[Field], news: list[Field], matched: bool) -> Rows:
    return Rows(
        details={},
        digest_before=lambda place: olds[place].digest if matched else None,
        digest_after=lambda place: news[place].digest if matched else None,
    )


def _numbered(fields: list[Field]) -> Iterator[tuple[tuple[str, int], tuple[int, Field]]]:
    """Each field and its place, under its name and how often that name came before."""
    seen: Counter[str] = Counter()
    for place, field in enumerate(fields):
        yield (field.name, seen[field.name]), (place, field)
        seen[field.name] += 1
