"""Texts of a hostile folder: whatever they hold, nothing but print reaches a terminal, and rows stay rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .forging import Place, Seed, everywhere, forge
from .reading import COMMANDS, STYLING, answers, assert_neutral, on_pipe, on_terminal

ATTACKS = {
    "a title by OSC 0": "\x1b]0;owned\x07",
    "a link by OSC 8": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "the clipboard by OSC 52": "\x1b]52;c;ZXZpbA==\x07",
    "a cleared screen by CSI": "\x1b[2J\x1b[H",
    "CSI as one C1 character": "\x9b31m\x85\x90",
    "all of C0": "".join(map(chr, range(0x20))),
    "carriage returns and new lines": "ok\rnot ok\nrow of its own\x0b\x0c",
    "tabs": "\tfar\taway\t",
    "the other direction": "\u202egnp.exe\u2066\u2067\u2069\u200f\u061c",
    "line separators": "one\u2028two\u2029three\u0085",
    "no width": "a\u200bb\u2060c\ufeffd\xade\u200df\u200c",
    "tags that no one sees": "".join(chr(0xE0000 + ord(letter)) for letter in "ignore"),
    "a flood of marks": "Z" + "\u0301\u0489" * 50,
    "a NUL": "a\0b",
    "markup of Rich": "[bold red]x[/bold red][link=http://evil]y[/link]:smile:",
    "a format string": "%s%n{0}{0.__class__}${HOME}`id`",
    "a quote": "'\"`$(id);--",
    "markup of HTML": "<script>alert(1)</script>",
}

FIXED = {"kind", "timestamp", "start_time", "end_time", "file", "sha256", "format", "state", "writer", "point"}
"""What can't be any text: in another form, or naming another file, a line is damage, or none of the run's."""


def tells(place: Place, value: Any) -> bool:
    """Whether a value is a text that may be any."""
    is_type = place[-1] == "type" and len(place) == 3
    return isinstance(value, str) and place[-1] not in FIXED and not (is_type and place[0] != "results.jsonl")


def ending_in(attack: str) -> Any:
    """The change that puts an attack behind each text; those that were equal still are."""
    return everywhere(lambda place, value: value + attack if tells(place, value) else value)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
class TestEverywhere:
    def test_nothing_but_print_reaches_a_terminal(self, attack: str, seed: Seed, home: Path):
        forge(home, seed, ending_in(attack))
        for name in COMMANDS:
            printed = on_terminal(home, name)
            assert_neutral(STYLING.sub("", printed))

    def test_nor_a_pipe_where_a_row_is_a_line_as_before(self, attack: str, seed: Seed, home: Path):
        forge(home, seed, ending_in("x"))
        lines = {name: on_pipe(home, name).count("\n") for name in COMMANDS}
        forge(home, seed, ending_in(attack))
        for name in COMMANDS:
            printed = on_pipe(home, name)
            assert_neutral(printed)
            if "\n" not in attack or name != "show":  # whose tracebacks have lines of their own
                assert printed.count("\n") == lines[name], printed

    def test_json_is_one_document_that_says_what_the_folder_does(self, attack: str, seed: Seed, home: Path):
        forge(home, seed, ending_in(attack))
        for name in COMMANDS:
            assert_neutral(on_pipe(home, name, "--json"))
        (row,) = json.loads(on_pipe(home, "ls", "--json"))
        assert (row["name"], row["tags"]) == (f"people{attack}", [f"test{attack}"])

    def test_errors_are_neutral_as_well(self, attack: str, seed: Seed, home: Path, tmp_path: Path):
        for error in answers(forge(home, seed, ending_in(attack)), tmp_path / "out"):
            assert_neutral(error)
