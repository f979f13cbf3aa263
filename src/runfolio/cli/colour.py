"""The page of a terminal: Rich's colours, and tables that fit its width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from runfolio.cli.terminal import Column, Text, cells
from runfolio.escapes import neutral

_GAP = 2
_LONGEST = 2000
"""So much of a text is shown on a terminal; wrapping a name of 100,000 letters takes minutes. A pipe gets all of it."""


class ColourPage:
    """A page in colours, as wide as its terminal. Markup in texts is not interpreted."""

    live = True

    def __init__(self, stream: TextIO) -> None:
        self.console = Console(file=stream, markup=False, emoji=False, highlight=False)

    def line(self, *texts: Text) -> None:
        """One line of these texts, or an empty one."""
        self.console.print(self.text(*texts), overflow="fold")

    def text(self, *texts: Text) -> RichText:
        """These texts as one of Rich's."""
        return RichText().join(map(_rich, texts))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
        """A table that fits: columns of the largest rank are left out first."""
        texts = [[_rich(text) for text in row] for row in rows]
        widths = [
            max(cells(column.title), *(row[index].cell_len for row in texts), 0) for index, column in enumerate(columns)
        ]
        kept = _fitting(columns, widths, self.console.width)
        room = self.console.width - sum(widths[i] + _GAP for i in kept if not columns[i].cuts)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        for index in kept:
            column = columns[index]
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=column.least is None or column.cuts,
                overflow="ellipsis" if column.cuts else "fold",
                max_width=max(room, 1) if column.cuts else None,
            )
        for row in texts:
            table.add_row(*(row[index] for index in kept))
        self.console.print(table)


def _fitting(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The places of the columns to show."""
    kept = list(range(len(columns)))
    least = [
        width if column.least is None else min(width, column.least)
        for column, width in zip(columns, widths, strict=True)
    ]
    while sum(least[index] + _GAP for index in kept) - _GAP > room:
        last = max(kept, key=lambda index: columns[index].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    return kept


def _rich(text: Text) -> RichText:
    plain, style = (text, "") if isinstance(text, str) else (text.text, text.style)
    shown = plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
    return RichText(neutral(shown), style=style)
