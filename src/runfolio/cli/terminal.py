"""Text for terminals: neutralised, formatted for people, and laid out on a page.

Names and messages come from files that anyone may have written. Whatever is printed goes through a page, which
neutralises all of it, so that no command has to think of it.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol, TextIO

from msgspec import Struct, json, to_builtins

from runfolio.escapes import neutral, neutral_json

_LONGEST_VALUE = 32
_SHORT = 8

_PLAIN_SIGNS = {"→": "->", "…": "...", "±": "+/-", "█": "#", "░": "-"}


# Text


def shown_value(text: str, dtype: str | None) -> str:
    """A value of a column as a table has room for it: six digits of a float, the beginning of a long text.

    >>> shown_value("-2.0608500922165995", "float64"), shown_value("0.25", "float64"), shown_value("x" * 99, "str")
    ('-2.06085', '0.25', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…')
    """
    if dtype is not None and dtype.lower().startswith(("float", "double")) and len(text) > _SHORT:
        with suppress(ValueError):
            return f"{float(text):.6g}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


# Pages


class Styled(Struct, frozen=True):
    """Text in a style of Rich's, for a page that has styles."""

    text: str
    style: str


Text = str | Styled

UNREADABLE = "unreadable"
"""Shown in the place of a state that can't be told."""

DAMAGE_STYLE = "bold magenta"
STATE_STYLES = {
    "not_started": "dim",
    "completed": "green",
    "failed": "bold red",
    "in_progress": "bold cyan",
    "interrupted": "yellow",
    "running": "bold cyan",
    "unfinished": "yellow",
    "waiting": "dim",
    "not reached": "dim",
    UNREADABLE: DAMAGE_STYLE,
}
CHANGE_STYLES = {
    "CREATE": "green",
    "DELETE": "red",
    "TRANSFORM": "yellow",
    "UPDATE": "blue",
    "RENAME": "cyan",
    "ROWS": "",
}


class Column(Struct, frozen=True, kw_only=True):
    """A column of a table, and what becomes of it on a terminal that is too narrow for all.

    First those with the largest `rank` are left out; rank 0 stays. Before another is left out for its sake, a column
    with a `least` width is narrowed down to that: its texts wrap, or end in an ellipsis if it `cuts`.
    """

    title: str
    right: bool = False
    rank: int = 0
    least: int | None = None
    cuts: bool = False


class Page(Protocol):
    """Where a command prints."""

    live: bool
    """Whether a person looks at it now: times can be told as ages."""

    def line(self, *texts: Text) -> None:
        """One line of these texts, or an empty one."""

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
        """A table, with a line of titles."""


def print_section(on: Page, title: str, columns: Sequence[Column], lines: Sequence[Sequence[Text]]) -> None:
    """A titled table, without the columns that would be empty; nothing where there are no lines."""
    if lines:
        used = [index for index in range(len(columns)) if any(line[index] for line in lines)]
        on.line()
        on.line(Styled(title, "bold"))
        on.table([columns[index] for index in used], [[line[index] for index in used] for line in lines])


class PlainPage:
    """A page without colour: aligned columns, nothing left out, nothing wrapped."""

    live = False

    def line(self, *texts: Text) -> None:
        """One line of these texts, or an empty one."""
        _print("".join(map(plain, texts)))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
        """A table whose columns are two blanks apart."""
        lines = [[column.title for column in columns], *([plain(text) for text in row] for row in rows)]
        widths = [max(map(cells, texts)) for texts in zip(*lines, strict=True)]
        for line in lines:
            padded = (
                " " * (width - cells(text)) + text if column.right else text + " " * (width - cells(text))
                for column, width, text in zip(columns, widths, line, strict=True)
            )
            _print("  ".join(padded).rstrip(" "))


def page() -> Page:
    """The page that standard output is."""
    if sys.stdout is None or not sys.stdout.isatty():  # None: it was closed by whoever started us
        return PlainPage()
    from runfolio.cli.colour import ColourPage  # noqa: PLC0415  (Rich takes 50 ms, and a pipe needs none of it)

    return ColourPage(sys.stdout)


def plain(text: Text) -> str:
    """A text neutralised, without its style."""
    return neutral(text if isinstance(text, str) else text.text)


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width  # noqa: PLC0415

    return sum(1 + (east_asian_width(letter) in "WF") for letter in text if category(letter) not in ("Mn", "Me", "Cf"))


def give_up(stream: TextIO | None) -> None:
    """Let what is still written to a stream that can't be written to go nowhere, what is buffered included.

    The interpreter would otherwise complain of that at its end.
    """
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def complain(message: str, *details: str) -> None:
    """A line on standard error, and one for each detail."""
    _print(f"runfolio: {neutral(message)}", sys.stderr)
    for line in details:
        _print(neutral(line), sys.stderr)


def _print(line: str, stream: TextIO | None = None) -> None:
    # Not click.echo, which writes UTF-8 to a terminal that has said that it shows ASCII.
    stream = stream or sys.stdout
    if stream is not None:
        stream.write(line + "\n")


# JSON and encodings


def echo_json(document: Any) -> None:
    """Print one JSON document in UTF-8, whatever the terminal's encoding, with escapes for what `neutral` spells out.

    The escapes are JSON's own, so that a program reads the text as it was.
    """
    try:
        text = json.format(json.encode(document), indent=2).decode()
    except UnicodeEncodeError:  # a folder's name need not be UTF-8; msgspec has no spelling for its other bytes
        text = _ascii_json(document)
    _write(neutral_json(text).encode() + b"\n")


def echo_line(line: bytes) -> None:
    """Print a line of JSON as it is; on a terminal with escapes for what `neutral` spells out, as `echo_json` does."""
    if sys.stdout is not None and sys.stdout.isatty():
        line = neutral_json(line.decode(errors="replace")).encode()
    _write(line)


def tolerate_any_encoding(*streams: TextIO) -> None:
    """Let these streams spell out what their encoding lacks, instead of raising."""
    codecs.register_error("runfolio", _spell_out)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="runfolio")


def _spell_out(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    sign = _PLAIN_SIGNS.get(error.object[error.start])
    return (sign, error.start + 1) if sign else codecs.backslashreplace_errors(error)


def _write(data: bytes) -> None:
    """Write all of it: with PYTHONUNBUFFERED a write may take a part, and say so by its return alone."""
    if sys.stdout is None:
        return
    stream, rest = sys.stdout.buffer, memoryview(data)
    while rest:
        rest = rest[stream.write(rest) or 0 :]


def _ascii_json(document: Any) -> str:
    from json import dumps  # noqa: PLC0415

    return dumps(to_builtins(document), indent=2)
