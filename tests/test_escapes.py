"""Escapes spell out what acts or hides, and leave what people write as it is."""

from __future__ import annotations

import json

import pytest

from runfolio.errors import DamageWarning, NotFoundError
from runfolio.escapes import neutral, neutral_json, neutral_lines

WRITTEN = [
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\U0001f469\u200d\U0001f52c in lab",
    "Vie\u0323\u0302t",
    "\u2603\ufe0f",
    "a\\x1b",
]
"""A Persian word, a scientist, Vietnamese in pieces, a snowman, a backslash."""


@pytest.mark.parametrize("text", WRITTEN, ids=ascii)
def test_what_people_write_is_left_alone(text: str):
    assert neutral(text) == neutral_lines(text) == neutral_json(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\u200db", r"a\u200db"),
        ("age\u200c", r"age\u200c"),
        ("a\u200b\ufeff\xad", r"a\u200b\ufeff\xad"),
        ("\U000e0041", r"\U000e0041"),
        ("企\u200d\u200d企", r"企\u200d\u200d企"),
        ("Z" + "\u0301" * 6, "Z" + "\u0301" * 4 + r"\u0301\u0301"),
    ],
)
def test_what_is_not_seen_is_spelled_out(text: str, told: str):
    assert neutral(text) == told


def test_in_json_it_is_escaped_and_says_what_it_said():
    text = "a\u200db\U000e0041\x9b\u202e"
    found = neutral_json(json.dumps(text, ensure_ascii=False))
    assert found.isascii() and json.loads(found) == text


def test_errors_and_warnings_are_safe_to_print_and_keep_their_lines():
    error = NotFoundError("no \x1b[2J\nhere", remedy="see\t\u202e", file="\0")
    assert str(error) == "no \\x1b[2J\nhere, file \\x00; see\t\\u202e"
    assert error.what == "no \x1b[2J\nhere"
    assert str(DamageWarning("\x07")) == r"\x07"
