"""Escapes: what could make a terminal do anything but print, or hide what a text says, spelled out.

Names, messages and paths come from files that anyone may have written. Errors, findings and pages all show them by
this.
"""

from __future__ import annotations

import re

_C0 = "\x00-\x1f"
_HIDDEN = (
    "\x7f-\x9f\xad\u034f\u061c\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff"
)
_JOINERS = "\u200c\u200d"
_STRAY = rf"(?<![^{_C0} -\x9f\u200b-\u200f])[{_JOINERS}]|[{_JOINERS}](?![^{_C0} -\x9f\u200b-\u200f])"
"""A joiner not between two letters or signs beyond ASCII: a Persian word and an emoji of several keep theirs."""

_UNSAFE = f"[{_C0}{_HIDDEN}]|{_STRAY}"
"""What a terminal acts upon: control characters (C0, DEL, C1), controls of the writing direction, line separators; what
it does not show, such as blanks of no width and tags; and lone surrogates, which no encoding has. `re` compiles it when
it is first used: most who import the package show nothing."""

_UNSAFE_IN_LINES = f"[\x00-\x08\x0b-\x1f{_HIDDEN}]|{_STRAY}"
_UNSAFE_IN_JSON = f"[{_HIDDEN}]|{_STRAY}"

_MOST_MARKS = 4
"""So many marks stand on a letter in any script; more would be drawn over the lines above and below."""


def neutral(text: str) -> str:
    r"""The text with everything spelled out that could make a terminal do anything but print.

    >>> print(neutral("\x1b[2J\u202egnp.exe"))
    \x1b[2J\u202egnp.exe
    """
    return text if text.isascii() and text.isprintable() else _few_marks(re.sub(_UNSAFE, _spelled, text))


def neutral_lines(text: str) -> str:
    """The same for a text of several lines: their ends and tabs stay."""
    return _few_marks(re.sub(_UNSAFE_IN_LINES, _spelled, text))


def neutral_json(text: str) -> str:
    """A JSON document that is printed neutrally, by escapes of JSON's own: it says what it said."""
    return re.sub(_UNSAFE_IN_JSON, _in_json, text)


def _few_marks(text: str) -> str:
    """The text with the marks spelled out that stand behind as many as a letter has."""
    if text.isascii():
        return text
    from unicodedata import category  # noqa: PLC0415  (most texts are plain ones)

    found, marks = [], 0
    for letter in text:
        marks = marks + 1 if category(letter) in ("Mn", "Me") else 0
        found.append(letter if marks <= _MOST_MARKS else _spelling(letter))
    return "".join(found)


def _spelled(match: re.Match[str]) -> str:
    return _spelling(match[0])


def _spelling(letter: str) -> str:
    code = ord(letter)
    if code > 0xFFFF:  # noqa: PLR2004
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004


def _in_json(match: re.Match[str]) -> str:
    from json import dumps  # noqa: PLC0415  (most documents need none of it)

    return dumps(match[0])[1:-1]
