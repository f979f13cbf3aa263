"""`runfolio verify`: whether runs are as they were written."""

from __future__ import annotations

import json
from pathlib import Path

from runfolio.verification import verify

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, flip, kill, record


def test_a_sound_run_is_one_line_and_no_failure(cli: Cli):
    folder = record("people")
    result = cli("verify", "latest")
    checked = verify(folder)
    kilobytes = f"{checked.bytes / 1000:.0f}kB"
    line = f"sound  {folder.name}, completed: {checked.lines} lines, {checked.files} files, {kilobytes}\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, line, "")


def test_damage_is_listed_by_its_place_and_the_code_is_1(cli: Cli):
    folder = record("people")
    flip(folder / "changes.jsonl")
    result = cli("verify", str(folder))
    head, *lines = result.stdout.splitlines()
    assert result.exit_code == 1 and head.startswith(f"damaged  {folder.name}, completed: ")
    assert lines == [f"  damage  {finding}" for finding in verify(folder).findings]
    assert "  damage  changes.jsonl, line 1, byte 0: its checksum does not match" in lines


def test_a_note_is_no_failure(cli: Cli):
    folder = record("people")
    (folder / "notes.txt").touch()
    result = cli("verify", "latest")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == ["  note    notes.txt: it is no part of the run: a file"]


def test_runs_that_go_on_or_were_killed_are_sound(cli: Cli):
    killed = kill()
    with begin("live") as status:
        result = cli("verify", status.run_id, killed.name)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["sound", "sound"]


def test_a_run_that_is_damaged_or_can_not_be_read_hides_no_other(cli: Cli, tmp_path: Path):
    first, second, third = (record("people", day) for day in (1, 2, 3))
    flip(first / "changes.jsonl")
    (second / "run.json").unlink()
    for path in second.glob("*.jsonl"):
        path.unlink()
    result = cli("verify", str(first), str(second), "nothing", str(third))
    words = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert (result.exit_code, words) == (1, ["damaged", "unreadable", "unreadable", "sound"])
    assert "no run 'nothing'" in result.stdout and "neither records nor run.json" in result.stdout


def test_json_is_a_list_of_what_was_found_and_what_could_not_be_read(cli: Cli):
    folder = record("people")
    flip(folder / "SHA256SUMS", 3)
    result = cli("verify", "latest", "nothing", "--json")
    one, other = json.loads(result.stdout)
    assert result.exit_code == 1
    assert list(one) == ["run_id", "folder", "state", "findings", "notes", "lines", "files", "bytes"]
    assert len(one["findings"]) == 1 and one["findings"][0]["line"] is None
    assert other["run"] == "nothing" and "no run" in other["error"]


def test_no_run_is_wrong_usage(cli: Cli):
    assert cli("verify").exit_code == 2


def test_at_most_twenty_findings_are_shown(cli: Cli):
    folder = record("people")
    (folder / "changes.zz.jsonl").write_bytes(b"x\n" * 30)
    lines = cli("verify", "latest").stdout.splitlines()
    assert len([line for line in lines if line.startswith("  damage")]) == 20
    assert "  … and 10 more" in lines


def test_names_from_a_folder_do_nothing_to_a_terminal(cli: Cli):
    folder = record("people")
    (folder / f"x{HOSTILE}").touch()
    (folder / "results" / "y\udcff").touch()
    result = cli("verify", "latest")
    assert f"  note    x{NEUTRAL}: it is no part of the run: a file" in result.stdout.splitlines()
    assert "\x1b" not in result.stdout
    assert cli("verify", "latest", "--json").exit_code == 0
