"""`runfolio rename`, `tag`, `note` and `redact`, and what `show`, `ls` and `tail` say of what they did."""

from __future__ import annotations

import json

from click.testing import CliRunner

from runfolio import load_run
from runfolio.cli.commands import commands

from .conftest import Cli
from .samples import record


def test_each_says_in_a_line_what_it_did(cli: Cli):
    record("people")
    said = [
        cli(*words) for words in (["rename", "latest", "base"], ["tag", "latest", "a", "b"], ["note", "latest", "x"])
    ]
    assert [(one.exit_code, one.stdout, one.stderr) for one in said] == [
        (0, "renamed to base\n", ""),
        (0, "tagged a, b\n", ""),
        (0, "noted\n", ""),
    ]
    assert cli("tag", "latest", "--remove", "a").stdout == "untagged a\n"
    run = load_run("latest")
    assert (run.name, run.tags[-1], run.notes[0].text) == ("base", "b", "x")
    assert cli("verify", "latest").exit_code == 0


def test_json_is_the_event(cli: Cli):
    record("people")
    found = [json.loads(cli(*words, "--json").stdout) for words in (["rename", "latest", "b"], ["note", "latest", "x"])]
    assert [(one["type"], one["message"]) for one in found] == [("amend", "renamed to b"), ("amend", "x")]
    assert json.loads(cli("tag", "latest", "c", "--json").stdout)["context"]["tags"] == ["c"]


def test_a_note_comes_from_standard_input(cli: Cli):
    record("people")
    result = CliRunner().invoke(commands, ["note", "latest", "-"], input="one\ntwo\n")
    assert (result.exit_code, load_run("latest").notes[0].text) == (0, "one\ntwo")


def test_what_is_wrong_is_one_line(cli: Cli):
    record("people")
    for words in (["tag", "latest"], ["note", "latest", ""], ["rename", "nobody", "x"]):
        result = cli(*words)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)


def test_show_prints_what_was_amended_with_its_times_and_ls_the_name(cli: Cli):
    record("people")
    cli("rename", "latest", "base")
    cli("note", "latest", "first\nsecond")
    cli("redact", "latest", "--module", "Loader", "--yes")
    events = [event for event in load_run("latest").events if event.type in ("amend", "redact")]
    lines = cli("show", "latest").stdout.splitlines()
    place = lines.index("Amended")
    stamps = [f"{event.timestamp:%Y-%m-%dT%H:%M:%S}Z" for event in events]
    assert lines[place + 1 : place + 5] == [
        f"{stamps[0]}  renamed to base",
        f"{stamps[1]}  note: first",
        "    second",
        f"{stamps[2]}  redacted Loader",
    ]
    shown = json.loads(cli("show", "latest", "--json").stdout)
    assert [one["type"] for one in shown["amendments"]] == ["amend", "amend", "redact"]
    assert json.loads(cli("ls", "--json").stdout)[0]["name"] == "base"
    assert "renamed to base" in cli("tail", "latest").stdout
    assert "redacted Loader: 1 result" in cli("tail", "latest").stdout


def test_redact_shows_what_goes_and_asks(cli: Cli):
    folder = record("people")
    size = (folder / "results" / "000001-loader-csv.parquet").stat().st_size
    look = cli("redact", "latest", "--module", "Loader", "--dry-run")
    assert (look.exit_code, look.stderr) == (0, "")
    assert look.stdout.splitlines()[0] == folder.name
    assert look.stdout.splitlines()[1].startswith("would remove 1 result in 1 file, ")
    asked = cli("redact", "latest", "--module", "Loader")
    assert asked.exit_code == 2 and "nobody is there to ask: give --yes" in asked.stderr
    assert cli("redact", "latest", "--module", "Loader", "--json").exit_code == 2
    assert not load_run("latest").results["Loader[csv]"].is_withheld
    done = json.loads(cli("redact", "latest", "--module", "Loader", "--yes", "--json").stdout)
    assert (done["bytes"], done["results"], done["modules"], done["done"]) == (size, 1, ["Loader"], True)
    assert load_run("latest").results["Loader[csv]"].is_withheld
    assert cli("verify", "latest").exit_code == 0


def test_redact_says_which_modules_there_are(cli: Cli):
    record("people")
    result = cli("redact", "latest", "--module", "Nobody", "--yes")
    assert result.exit_code == 1
    assert "no module 'Nobody'; it has ['Clean', 'Loader']" in result.stderr
