"""Texts of a hostile folder: whatever they hold, nothing but print reaches a terminal, and rows stay rows."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from runfolio import load_run
from runfolio.errors import DamageWarning
from runfolio.run import Run

from .forging import Place, Seed, everywhere, forge
from .reading import COMMANDS, STYLING, answers, assert_neutral, on_pipe, on_terminal, survives

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


def loaded(folder: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_run(folder)


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


def test_where_a_text_can_not_be_any_the_damage_that_it_is_is_told_neutrally(seed: Seed, home: Path, tmp_path: Path):
    for key in ("kind", "type", "state", "format", "timestamp", "sha256", "file", "writer", "point"):
        for attack in (ATTACKS["a title by OSC 0"], ATTACKS["the other direction"], ATTACKS["a NUL"]):
            wanted = {key}
            forge(
                home,
                seed,
                everywhere(lambda place, value, a=attack, w=wanted: f"{value}{a}" if place[-1] in w else value),
            )
            survives(home, tmp_path / "lib")


def test_a_column_is_followed_by_any_name(seed: Seed, home: Path):
    for attack in ATTACKS.values():
        forge(home, seed, ending_in(attack))
        run = loaded(home)
        assert [touch.type for touch in run.column_history(f"age{attack}")] == [
            "CREATE",
            "TRANSFORM",
            "RENAME",
            "UPDATE",
        ]
        for printed in (
            on_terminal(home, "history", column=f"age{attack}"),
            on_pipe(home, "history", column=f"age{attack}"),
        ):
            assert_neutral(STYLING.sub("", printed))
            assert "Loader" in printed


def test_names_of_folders_and_files_are_neutral_wherever_they_are_told(seed: Seed, root: Path, tmp_path: Path):
    """A folder's name takes all but a slash and a NUL."""
    names = ["\x1b]0;owned\x07", "\u202egnp", "a\nb", "\udcff\udc9b31m", "a\u200bb", "\U000e0041"]
    for name in names:
        home = root / f"20261122T184800Z-{name}"
        forge(home, seed, lambda lines: lines["events.jsonl"].insert(2, {"kind": "event"}))
        for hostile in (f"events.{name}.jsonl", f"{name}.lock", f"results/{name}.parquet", f".{name}.tmp"):
            (home / hostile).write_bytes(b"x")
        for command in COMMANDS:
            assert_neutral(STYLING.sub("", on_terminal(home, command)))
            assert_neutral(on_pipe(home, command, "--json"))
        for error in answers(home, tmp_path / "lib"):
            assert_neutral(error)


def test_a_warning_of_damage_is_neutral(seed: Seed, root: Path):
    home = forge(root / "20261122T184800Z-\x1b]0;owned\x07", seed)
    with pytest.warns(DamageWarning) as caught:
        load_run(home)
    assert_neutral(str(caught[0].message))


def test_names_of_100_000_letters_take_no_time(seed: Seed, home: Path):
    forge(home, seed, ending_in("企业" * 50_000))
    begun = time.process_time()
    on_terminal(home, "ls")
    on_terminal(home, "show")
    assert time.process_time() - begun < 20
