"""`runfolio tail`: the last records of a run, and those that come until it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Status, codec, layout, load_run
from runfolio.cli.recordline import record_line
from runfolio.cli.terminal import Styled, plain
from runfolio.feed import Feed
from runfolio.journal import Tail
from runfolio.records import Event, Opaque

from ..test_schemas import record_every_kind
from .conftest import Cli
from .samples import HOSTILE, begin, flip, kill, people, record

TAIL = [sys.executable, "-m", "runfolio", "tail"]

_WRITER = """
import sys
from runfolio import Status
status = Status(name="theirs")
status.log("begun")
print(status.folder, flush=True)
for line in sys.stdin:
    status.log(line.strip())
status.complete()
"""
"""It logs what it is told, and ends when it is told nothing more."""


def tail(cli: Cli, *args: str) -> list[str]:
    result = cli("tail", *args)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.splitlines()


def said(lines: list[str]) -> list[str]:
    """The lines without their times, one blank between words."""
    return [" ".join(line[14:].split()) for line in lines]


def journal_lines(folder: Path) -> list[bytes]:
    return [line for path in folder.glob("*.jsonl") for lines in Tail(path).read() for line in lines.lines]


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that buffers what it prints, and is ended if it hangs."""
    pipe = subprocess.PIPE
    buffering = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=buffering) as found:
        timer = threading.Timer(30, found.kill)
        timer.start()
        try:
            yield found
        finally:
            timer.cancel()
            found.kill()


@contextmanager
def writer() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that writes, and the folder of its run."""
    with process(sys.executable, "-c", _WRITER) as found:
        yield found, found.stdout.readline().strip()


def tell(to: subprocess.Popen[str], text: str) -> None:
    to.stdin.write(f"{text}\n")
    to.stdin.flush()


def read_until(stream, text: str) -> list[str]:
    found = []
    for line in stream:
        found.append(line)
        if text in line:
            return found
    raise AssertionError(f"{text!r} never came: {found}")


def end_of(found: subprocess.Popen[str]) -> tuple[int, str]:
    """How a process ended, and what it said on standard error."""
    _, errors = found.communicate(timeout=30)
    return found.returncode, errors


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What to do, one after the other, when the command waits for more."""
    found: list[Callable[[], object]] = []
    wait = Feed.wait
    monkeypatch.setattr(Feed, "wait", lambda feed, *args: found.pop(0)() if found else wait(feed, *args))
    return found


class TestPast:
    def test_the_last_ten_records_are_a_line_each(self, cli: Cli):
        record("people")
        lines = tail(cli, "latest")
        assert said(lines)[-4:] == [
            "timing Clean[drop_na] completed in 2.00s",
            "snapshot after Clean[drop_na], 1 row",
            "snapshot completed Clean[drop_na], 1 row",
            "state completed in 11.0s",
        ]
        assert len(lines) == 10
        assert all(re.match(r"12:00:\d\d\.000  ", line) or line.startswith(" " * 14 + "schema") for line in lines)

    def test_n_is_how_many(self, cli: Cli):
        record("people")
        every = tail(cli, "-n", "1000", "latest")
        assert len(every) == sum(map(len, load_run("latest")._history.timeline.streams["main"].values()))
        assert tail(cli, "-n", "3", "latest") == tail(cli, "latest", "--lines", "3") == every[-3:]
        assert tail(cli, "-n", "0", "latest") == []
        assert cli("tail", "-n", "-1", "latest").exit_code == 2

    def test_kinds_are_those_asked_for(self, cli: Cli):
        record("people")
        assert [line.split()[0] for line in said(tail(cli, "--kind", "timing", "--kind", "result", "latest"))] == [
            *("result", "timing"),
            *("result", "timing"),
        ]
        assert len(tail(cli, "--kind", "change", "-n", "2", "latest")) == 2
        assert cli("tail", "--kind", "nonsense", "latest").exit_code == 2

    def test_a_live_run_is_not_waited_for(self, cli: Cli):
        with begin("live") as status:
            status.log("half way")
            assert said(tail(cli, "-n", "1", "latest")) == ["log info: half way"]

    def test_a_run_is_found_under_the_root_that_is_named(self, cli: Cli, tmp_path: Path):
        with Status(root=tmp_path / "other") as status:
            status.log("there")
        assert tail(cli, status.run_id, "--root", str(tmp_path / "other")) == tail(cli, str(status.folder))

    @pytest.mark.parametrize("follows", [[], ["-f"]])
    def test_no_run_and_no_run_folder_are_errors(self, cli: Cli, tmp_path: Path, follows: list[str]):
        record("people")
        for name in ("nope", f"{tmp_path}/"):
            result = cli("tail", *follows, name)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr.startswith("runfolio: ") and result.stderr.count("\n") == 1

    def test_damage_is_told_and_hides_nothing_else(self, cli: Cli):
        folder = record("people")
        count = len(tail(cli, "-n", "1000", "latest"))
        flip(folder / "changes.jsonl")
        for follows in ([], ["-f"]):
            result = cli("tail", "-n", "1000", *follows, "latest")
            assert result.exit_code == 0
            assert len(result.stdout.splitlines()) == count - 1
            found = "changes.jsonl, line 1, byte 0: its checksum does not match, and 1 more"
            assert result.stderr == f"runfolio: {folder} is damaged: {found}\n"

    def test_an_interrupted_run_is_told(self, cli: Cli):
        folder = kill()
        for follows in ([], ["-f"]):
            result = cli("tail", "-n", "1", *follows, "latest")
            assert (result.exit_code, said(result.stdout.splitlines())) == (
                0,
                ["progress Train[slow] 412 of 1,000 rows"],
            )
            assert result.stderr.startswith(f"runfolio: {folder.name} is interrupted: its writer, process ")


class TestFollowing:
    def test_a_run_of_another_process_is_followed_to_its_end(self):
        with writer() as (theirs, folder), process(*TAIL, "-f", folder) as ours:
            assert said(read_until(ours.stdout, "begun"))[-1] == "log info: begun"
            for word in ("one", "two"):
                tell(theirs, word)
                assert said(read_until(ours.stdout, word)) == [f"log info: {word}"]  # it is flushed
            theirs.stdin.close()
            assert said(ours.stdout.readlines())[-1].startswith("state completed in ")
            assert end_of(ours) == (0, "")

    def test_a_run_whose_process_is_killed_ends_and_says_so(self):
        with writer() as (theirs, folder), process(*TAIL, "-f", folder) as ours:
            read_until(ours.stdout, "begun")
            os.kill(theirs.pid, signal.SIGKILL)
            theirs.wait(10)
            code, errors = end_of(ours)
            assert code == 0
            assert errors.startswith(f"runfolio: {Path(folder).name} is interrupted: ") and errors.count("\n") == 1

    def test_a_failed_run_is_no_failure_of_the_command(self, cli: Cli, waits):
        status = begin("failing")
        waits.append(lambda: status.fail("out of\npatience"))
        lines = tail(cli, "-f", "-n", "0", "latest")
        assert said(lines)[-1].startswith("state failed in ") and lines[-1].endswith(": out of …")

    def test_with_n_0_there_is_only_what_comes(self, cli: Cli, waits):
        status = begin("live")
        status.log("before")
        waits += [lambda: status.log("after"), status.complete]
        lines = said(tail(cli, "-f", "-n", "0", "--kind", "event", "latest"))
        assert [line.rpartition(" in ")[0] or line for line in lines] == ["log info: after", "state completed"]

    def test_with_n_0_and_all_kinds_nothing_of_before_comes(self, cli: Cli, waits):
        status = begin("live")
        before = len(journal_lines(status.folder))
        waits += [lambda: status.log("after"), status.complete]
        assert len(tail(cli, "-f", "-n", "0", "latest")) == len(journal_lines(status.folder)) - before

    def test_past_and_present_meet_without_a_gap(self, cli: Cli, waits):
        status = begin("live")
        waits += [lambda: status.log("after"), status.complete]
        lines = tail(cli, "-f", "-n", "1000", "latest")
        assert len(lines) == len(journal_lines(status.folder))

    def test_a_run_that_has_ended_gives_its_last_records(self, cli: Cli, waits):
        record("people")
        assert tail(cli, "-f", "-n", "5", "latest") == tail(cli, "-n", "5", "latest")

    def test_damage_that_comes_on_the_way_is_told_at_the_end(self, cli: Cli, waits):
        status = begin("damaged")

        def damage() -> None:
            with (status.folder / "events.jsonl").open("ab") as file:
                file.write(b"damaged\n")
            status.complete()

        waits.append(damage)
        result = cli("tail", "-f", "-n", "0", "latest")
        assert said(result.stdout.splitlines())[-1].startswith("state completed")
        assert (result.exit_code, result.stderr.count("is damaged"), result.stderr.count("\n")) == (0, 1, 1)

    def test_a_folder_that_is_removed_is_an_error(self, cli: Cli, waits, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("runfolio.feed.AWAY_SECONDS", 0.1)
        status = begin("removed")
        folder, gone = status.folder, status.folder.with_name("gone")
        waits.append(lambda: folder.rename(gone))
        result = cli("tail", "-f", "latest")
        gone.rename(folder)
        status.complete()
        assert result.exit_code == 1
        assert result.stderr.startswith("runfolio: ") and result.stderr.count("\n") == 1

    def test_ctrl_c_is_quiet(self):
        with begin("live") as status, process(*TAIL, "-f", "-n", "1", str(status.folder)) as ours:
            assert ours.stdout.readline()
            ours.send_signal(signal.SIGINT)
            code, errors = end_of(ours)
            assert (code, errors.strip()) == (130, "")

    @pytest.mark.parametrize("as_json", [[], ["--json"]])
    def test_a_reader_that_goes_away_ends_it_quietly(self, as_json: list[str]):
        with begin("live") as status, process(*TAIL, "-f", "-n", "1", *as_json, str(status.folder)) as ours:
            assert ours.stdout.readline()
            ours.stdout.close()
            status.log("for nobody")
            assert (ours.wait(30), ours.stderr.read()) == (141, "")


class TestJson:
    def test_every_line_is_one_of_the_journals_byte_for_byte(self, cli: Cli, root: Path, people: pd.DataFrame):
        folder = record_every_kind(root, people)
        result = cli("tail", "--json", "-n", "100000", str(folder))
        assert result.exit_code == 0
        assert Counter(result.stdout_bytes.splitlines()) == Counter(journal_lines(folder))
        assert {json.loads(line)["kind"] for line in result.stdout.splitlines()} == set(layout.STEMS)

    def test_times_without_microseconds_are_spelled_as_they_stand(self, cli: Cli):
        status = begin("zero")
        status.record_timing("Clean", "drop", "run", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
        status.complete()
        found = cli("tail", "--json", "-n", "100000", "latest").stdout_bytes.splitlines()
        assert Counter(found) == Counter(journal_lines(status.folder))

    def test_they_stand_in_the_order_of_seq(self, cli: Cli):
        record("people")
        seqs = [json.loads(line)["seq"] for line in tail(cli, "--json", "-n", "1000", "latest")]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [json.loads(line)["seq"] for line in tail(cli, "--json", "-n", "2", "latest")] == seqs[-2:]

    def test_kinds_are_those_asked_for(self, cli: Cli):
        record("people")
        lines = tail(cli, "--json", "--kind", "snapshot", "latest")
        assert {json.loads(line)["kind"] for line in lines} == {"snapshot"}

    def test_each_is_flushed_when_it_comes(self):
        with writer() as (theirs, folder), process(*TAIL, "-f", "--json", "-n", "1", folder) as ours:
            assert json.loads(ours.stdout.readline())["message"] == "begun"
            tell(theirs, "next")
            assert json.loads(ours.stdout.readline())["message"] == "next"
            theirs.stdin.close()
            assert end_of(ours) == (0, "")

    def test_a_time_that_has_no_place_in_utc_is_spelled_as_it_stands(self, cli: Cli):
        folder = record("people")
        last = codec.fields_of((folder / "events.jsonl").read_bytes().splitlines()[-1])
        del last["seq"]
        line = append(folder, **last | {"timestamp": b'"0001-01-01T00:00:00+05:00"'})
        assert cli("tail", "--json", "-n", "1", "latest").stdout_bytes == line
        assert tail(cli, "-n", "1", "latest")[0].startswith(" " * 14 + "state     completed")

    def test_hostile_messages_are_the_bytes_that_stand_there(self, cli: Cli):
        with Status() as status:
            status.log(HOSTILE)
        found = cli("tail", "--json", "--kind", "event", "latest").stdout_bytes.splitlines()
        assert HOSTILE in [json.loads(line)["message"] for line in found]
        assert set(found) <= set(journal_lines(status.folder))


def append(folder: Path, **fields: bytes) -> bytes:
    """Append a sound line to the events, which has these fields, spelled."""
    last = max(json.loads(line)["seq"] for line in journal_lines(folder))
    line = codec.sealed({"kind": b'"event"', "seq": b"%d" % (last + 1), **fields})
    with (folder / "events.jsonl").open("ab") as file:
        file.write(line)
    return line


def later_line(folder: Path) -> bytes:
    """Append a line of a kind that this version does not know."""
    return append(folder, kind=b'"later"', more=b'{"b":[1,2.5,null],"a":"\xc3\xa9"}')


class TestLines:
    def test_a_kind_that_is_not_known_is_told(self, cli: Cli):
        line = later_line(record("people"))
        assert said(tail(cli, "-n", "1", "latest")) == ["later a record of a kind that this version does not know"]
        assert cli("tail", "-n", "1", "--json", "latest").stdout_bytes == line
        assert "later" not in "".join(tail(cli, *(f"--kind={kind}" for kind in layout.STEMS), "latest"))

    def test_each_kind_says_what_matters(self, cli: Cli, root: Path, people: pd.DataFrame):
        folder = record_every_kind(root, people)
        lines = said(tail(cli, "-n", "1000", str(folder)))
        (snapshot,) = {event.snapshot_id for event in load_run(folder).events if event.type == "restore"}
        for expected in (
            "snapshot before Splitter[half], 6 rows",
            "snapshot after Splitter[half], 3 rows",
            "step Splitter[half] began",
            "log Splitter[half] warning: outer",
            "progress Splitter[half] 1 of 2 parts",
            "change Loader[csv] CREATE name",
            'change Splitter UPDATE weight: ["kg"] → g, in a',
            "change Splitter[half] DELETE weight, in b",
            f"restore back to {snapshot}",
        ):
            assert expected in lines
        result = load_run(folder).result_records[0]
        part = result.parts[0]
        assert f"result Loader[csv] 3 rows, 3 columns, {part.bytes / 1000:.1f}kB" in lines
        assert f"schema {part.schema_id} 3 columns, 3 rows" in lines
        assert any(re.fullmatch(r"result Splitter\[half\] 2 parts, 3 rows, .*kB", line) for line in lines)
        assert any(re.fullmatch(r"result Reporter\[counts\] json, \d+B", line) for line in lines)
        assert any(re.fullmatch(r"timing Loader\[csv\] completed in .*s", line) for line in lines)
        assert any(re.fullmatch(r"segment writer main, process \d+ on .+", line) for line in lines)

    def test_renames_are_told_by_both_names(self, cli: Cli):
        with Status() as status:
            with status.step("Loader", "csv") as step:
                frame = step.result(people())
            with status.step("Clean", "names", data=frame) as step:
                step.result(frame.rename(columns={"age": "years"}))
        assert said(tail(cli, "--kind", "change", "-n", "2", "latest")) == [
            "change Clean[names] RENAME age → years",
            "change Clean[names] CREATE years, which was age",
        ]

    def test_changes_and_states_have_their_colours(self):
        status = begin("colours")
        status.record_change("DELETE", "x")
        status.complete()
        styled = [
            (text.text, text.style)
            for kind, row in [("change", status.changes[-1]), ("event", status.events[-1])]
            for text in record_line(kind, row)
            if isinstance(text, Styled)
        ]
        assert {("DELETE", "red"), ("completed", "green")} <= set(styled)

    @pytest.mark.parametrize("message", [HOSTILE, "\u202egnp.exe", "one\ntwo", "one\r\ntwo\n", "\x1b[2J"])
    def test_a_hostile_message_stays_on_its_line_and_is_neutral(self, cli: Cli, message: str):
        with Status() as status:
            status.log(message, level=message)
            status.record_change("UPDATE", message, before=message, after=message, module=message)
        out = cli("tail", "-n", "1000", "latest").stdout
        assert set(out) - {"\n", "→", "…"} <= set(map(chr, range(0x20, 0x7F)))
        assert len(out.splitlines()) == len(journal_lines(status.folder))

    def test_of_a_message_of_several_lines_there_is_the_first(self, cli: Cli):
        with Status() as status:
            status.log("one\ntwo")
            status.log("whole\n")
        logs = [line for line in said(tail(cli, "latest")) if line.startswith("log")]
        assert logs == ["log info: one …", "log info: whole"]

    @pytest.mark.parametrize("type_", ["config", "input", "lost", "repair", "segment", "progress", "state", "later"])
    def test_an_event_that_says_other_things_is_told_by_its_message(self, type_: str):
        event = Event(
            seq=1,
            event_id="event-000001",
            timestamp=datetime.min.replace(tzinfo=UTC),
            type=type_,
            message="hello",
            context={"path": 1, "plan": "x"},
        )
        assert "".join(map(plain, record_line("event", event))).split() == ["00:00:00.000", type_, "hello"]

    def test_an_opaque_record_is_told_by_its_kind(self):
        line = "".join(map(plain, record_line("opaque", Opaque(seq=1, kind=HOSTILE, fields={}))))
        assert line.endswith("a record of a kind that this version does not know") and "\n" not in line
