"""`runfolio tail`: the last records, those that come, and the very lines of the journals."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runfolio import Status, load_run

from ..test_history import append, seal
from ..test_schemas import record_every_kind
from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, people, record
from .screens import Terminal
from .test_watch import Watched

TAIL = [sys.executable, "-m", "runfolio", "tail"]


@pytest.fixture
def watched(root: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A run in another process."""
    with Watched(getattr(request, "param", "succeeds"), root, tmp_path / "go") as found:
        yield found


def lines(text: str) -> list[str]:
    """What lines say, behind the time."""
    return [" ".join(line[10:].split()) for line in text.splitlines()]


def test_the_last_ten_records_are_told_a_line_each(cli: Cli):
    record("people")
    shown = lines(cli("tail", "latest").stdout)
    assert len(shown) == 10
    assert re.fullmatch(r"timing Clean\[drop_na\] completed in \S+", shown[-4])
    assert shown[-3:] == [
        "snapshot Clean[drop_na] after, 1 row",
        "snapshot Clean[drop_na] completed, 1 row",
        "state completed",
    ]


def test_each_kind_has_its_own_words(cli: Cli, root: Path):
    record_every_kind(root, people())
    shown = lines(cli("tail", "latest", "-n", "1000").stdout)
    for pattern in (
        r"segment writer main, process \d+ on \S+",
        "state in_progress",
        "snapshot start",
        r"step \S+ began",
        r"schema [0-9a-f]{8} 3 columns, 3 rows",
        r"result \S+ 3 rows, \S+B",
        r"change \S+ CREATE name",
        r"timing \S+ completed in \S+",
        r"progress .*\d.*",
        "log .*info: .*",
        "restore .*snapshot-.*",
    ):
        assert any(re.fullmatch(pattern, line) for line in shown), (pattern, shown)


@pytest.mark.parametrize(("number", "count"), [("0", 0), ("1", 1), ("3", 3), ("1000", None)])
def test_so_many_as_are_asked_for_are_told(cli: Cli, number: str, count: int | None):
    folder = record("people")
    whole = sum(len(path.read_bytes().splitlines()) for path in folder.glob("*.jsonl"))
    assert len(cli("tail", "latest", "-n", number).stdout.splitlines()) == (whole if count is None else count)


def test_kinds_are_chosen(cli: Cli):
    record("people")
    shown = lines(cli("tail", "latest", "--kind", "timing", "--kind", "result").stdout)
    assert [line.split()[0] for line in shown] == ["result", "timing", "result", "timing"]
    found = cli("tail", "latest", "--kind", "timings")
    assert found.exit_code == 2
    assert "timings" in found.stderr


def test_json_is_the_very_lines_of_the_journals(cli: Cli, root: Path):
    folder = record_every_kind(root, people())
    journals = [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    shown = cli("tail", "latest", "-n", "1000", "--json").stdout.encode().splitlines()
    assert sorted(shown) == sorted(journals)


def test_a_line_of_a_later_version_is_told_as_well(cli: Cli, root: Path):
    folder = record("people")
    seq = 1 + sum(len(path.read_bytes().splitlines()) for path in folder.glob("*.jsonl"))
    append(folder / "events.jsonl", seal({"kind": "later", "seq": seq, "of": "a later version"}))
    assert "a later version" in cli("tail", "latest", "-n", "1", "--json").stdout
    assert lines(cli("tail", "latest", "-n", "1").stdout) == ["opaque a record that this version does not know"]


def test_what_comes_is_told_until_the_run_ends(watched: Watched):
    with subprocess.Popen([*TAIL, str(watched.folder), "-f"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown += lines(line)
            if "28 of 60 rounds" in line:
                watched.go_on()
    assert process.returncode == 0
    assert re.fullmatch(r"timing Fit\[model\] completed in \S+", shown[-4])
    assert shown[-1] == "state completed"


def test_of_what_comes_alone_nothing_is_told_that_was_there(watched: Watched):
    command = [*TAIL, str(watched.folder), "-f", "-n", "0", "--kind", "timing", "--kind", "event"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with Status.join(watched.folder) as guest:
            while not select.select([process.stdout], [], [], 0.05)[0]:
                guest.log("here")
        watched.go_on()
        shown = process.stdout.read()
    assert "here" in shown
    assert "Loader" not in shown
    assert lines(shown)[-1] == "state completed"


@pytest.mark.parametrize("watched", ["killed"], indirect=True)
def test_a_run_that_is_killed_ends_it_and_is_told(watched: Watched):
    watched.go_on()
    command = [*TAIL, str(watched.folder), "-f"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0
    assert re.fullmatch(r"runfolio: \S+ is interrupted: its writer, process \d+ .* is free\n", found.stderr)


def test_ctrl_c_leaves_and_the_run_goes_on(watched: Watched):
    command = [*TAIL, str(watched.folder), "-f"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.strip()) == (130, "")
    assert load_run(watched.folder).state == "in_progress"


def test_a_reader_that_goes_away_ends_it_quietly(watched: Watched):
    command = f"{' '.join(TAIL)} {watched.folder} -f -n 1 | head -1"
    watched.go_on()
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (len(found.stdout.splitlines()), found.stderr) == (1, "")


def test_damage_is_told_on_standard_error(cli: Cli):
    folder = record("people")
    with (folder / "changes.jsonl").open("r+b") as file:
        file.write(b"x")
    found = cli("tail", "latest")
    assert found.exit_code == 0
    assert "is damaged: changes.jsonl, line 1, byte 0" in found.stderr


def test_names_and_messages_do_nothing_to_the_terminal(cli: Cli):
    with Status(name="people") as status, status.step(HOSTILE, "a") as step:
        step.log(HOSTILE, HOSTILE)
    shown = cli("tail", "latest", "-n", "100")
    assert "\x1b" not in shown.stdout
    assert NEUTRAL[:20] in shown.stdout
    for options in ([], ["--json"]):
        with Terminal("tail", str(status.folder), "-n", "100", *options, columns=200, lines=60) as terminal:
            assert terminal.wait() == 0
            assert terminal.screen.title == ""
            assert not {b"\x9b31m", b"\x1b]0;"} & {terminal.raw[i : i + 4] for i in range(len(terminal.raw))}


def test_a_message_of_several_lines_is_told_by_its_first(cli: Cli):
    status = begin("people")
    status.log("first\nsecond\nthird", "error")
    status.complete()
    assert "log error: first … and 2 lines more" in lines(cli("tail", "latest").stdout)


def test_colours_are_those_of_states_on_a_terminal_alone(cli: Cli):
    record("people", error=ValueError("no"))
    assert "\x1b" not in cli("tail", "latest").stdout
    with Terminal("tail", "latest", RUNFOLIO_RUNS=os.environ["RUNFOLIO_RUNS"]) as terminal:
        assert terminal.wait() == 0
        assert b"\x1b[1;31mfailed" in terminal.raw


def test_that_is_nowhere_is_an_error(cli: Cli):
    found = cli("tail", "nothing")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "nothing" in found.stderr
