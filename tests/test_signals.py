"""Signals in the process that writes: whether they raise, record or ask, what was acknowledged is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from runfolio import Status, load_run
from runfolio.errors import UsageError
from runfolio.history import _SegmentReader
from runfolio.verification import verify

SECONDS = (0.0003, 0.00137)
"""When the first signal comes, and how often one comes from then on."""


INTERRUPTED = """
import json, signal, sys
from runfolio import Status
status = Status(root=sys.argv[1]); status.start()
acknowledged, interrupted = [], 0
signal.signal(signal.SIGALRM, signal.default_int_handler)
while interrupted < 200:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0003 + interrupted * 0.000007, 0.05)  # one may be swallowed by Python
        while True:
            message = str(len(acknowledged))
            status.log(message)
            acknowledged.append(message)
    except KeyboardInterrupt:
        interrupted += 1
signal.setitimer(signal.ITIMER_REAL, 0)
status.log("at last")
status.complete()
print(json.dumps({"folder": str(status.folder), "acknowledged": [*acknowledged, "at last"]}))
"""


@pytest.fixture
def after_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Lets something happen once, as soon as the next line is in its file: where a signal's handler may run."""

    def let(happen: Callable[[], object]) -> None:
        due, real = [happen], os.write

        def write(fd: int, data: bytes) -> int:
            written = real(fd, data)
            if due:
                due.pop()()
            return written

        monkeypatch.setattr(os, "write", write)

    return let


@pytest.fixture
def alarms() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Has something called by a real signal, again and again."""

    def start(handle: Callable[[], object]) -> None:
        def on_signal(number: int, frame: FrameType | None) -> None:
            handle()

        signal.signal(signal.SIGALRM, on_signal)
        signal.setitimer(signal.ITIMER_REAL, *SECONDS)

    before = signal.getsignal(signal.SIGALRM)
    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def messages(folder: Path | None) -> list[str | None]:
    assert folder is not None
    run = load_run(folder)  # a finding would be a warning, and that an error
    return [event.message for event in run.events if event.type == "log"]


def interrupt() -> None:
    raise KeyboardInterrupt


class TestOneThatRaises:
    def test_behind_a_line_that_was_written_leaves_its_number_taken(self, after_write):
        status = Status()
        status.log("first")
        after_write(interrupt)
        with pytest.raises(KeyboardInterrupt):
            status.log("interrupted")
        status.log("acknowledged")
        status.complete()
        assert set(messages(status.folder)) == {"first", "interrupted", "acknowledged"}

    def test_again_and_again_loses_nothing_that_was_acknowledged(self, root):
        told = json.loads(subprocess.check_output([sys.executable, "-c", INTERRUPTED, str(root)], timeout=120))
        assert set(told["acknowledged"]) <= set(messages(Path(told["folder"])))
        assert verify(told["folder"]).findings == []
        assert list(Path(told["folder"]).glob("*.lock")) == []

    def test_while_a_reader_reads_lets_it_begin_anew(self, monkeypatch):
        status = Status()
        status.start()
        run = load_run(status.folder)
        status.log("unread")
        real = _SegmentReader.give
        for ask in (lambda: run.refresh().events, lambda: status.events):
            monkeypatch.setattr(_SegmentReader, "give", lambda *_: interrupt())
            with pytest.raises(KeyboardInterrupt):
                ask()
            monkeypatch.setattr(_SegmentReader, "give", real)
            assert [event.message for event in ask()][-1] == "unread"
        status.complete()
        assert run.refresh().damage == []


class TestOneThatRecords:
    def test_in_the_midst_of_a_write_has_a_segment_of_its_own(self, after_write):
        status = Status()
        status.start()
        after_write(lambda: status.log("of the handler"))
        status.log("interrupted")
        status.log("after")
        status.complete()
        assert sorted(map(str, messages(status.folder))) == ["after", "interrupted", "of the handler"]

    def test_again_and_again_loses_nothing(self, alarms):
        status = Status()
        status.start()
        ledger: list[str] = []
        handled: list[str] = []

        def handle() -> None:
            message = f"signal {len(handled)}"
            handled.append(message)
            status.log(message)
            ledger.append(message)

        alarms(handle)
        while len(handled) < 60:
            message = str(len(ledger))
            status.log(message)
            ledger.append(message)
        signal.setitimer(signal.ITIMER_REAL, 0)
        status.complete()
        assert sorted(map(str, messages(status.folder))) == sorted(ledger)

    def test_while_the_folder_is_made_is_refused(self, monkeypatch):
        from runfolio import writer

        status, refused, real = Status(), [], writer.make_folder

        def make_folder(*arguments: object) -> None:
            try:
                status.log("too early")
            except UsageError as error:
                refused.append(error)
            real(*arguments)

        monkeypatch.setattr(writer, "make_folder", make_folder)
        status.start()
        status.complete()
        assert refused
        assert all("just being made" in error.what for error in refused)
        assert messages(status.folder) == []

    def test_that_ends_the_run_has_the_last_word(self, root):
        code = (
            "import signal, sys\nfrom runfolio import Status\nstatus = Status(root=sys.argv[1]); status.start()\n"
            "def stop(*_):\n    status.fail('stopped'); sys.exit(1)\nsignal.signal(signal.SIGTERM, stop)\n"
            "print(status.folder, flush=True)\nwhile True: status.record_change('UPDATE', 'age')"
        )
        for _ in range(5):
            with subprocess.Popen(
                [sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                folder = process.stdout.readline().strip()
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=60)
            run = load_run(folder)
            assert (errors, run.state, run.snapshots[-1].context["point"]) == ("", "failed", "failed")

    def test_what_the_end_left_unwritten_is_no_line_of_another_file(self, after_write):
        status = Status()
        status.record_change("UPDATE", "a")
        after_write(status.complete)
        status.record_change("UPDATE", "b")  # it was in its file when the handler came
        run = load_run(str(status.folder))
        assert (run.state, [change.target for change in run.changes]) == ("completed", ["a", "b"])


def test_one_that_asks_while_the_run_is_read_is_answered(alarms):
    status = Status()
    answers: list[int] = []
    for number in range(2000):
        status.log(str(number))
    alarms(lambda: answers.append(len(status.events)))
    while len(answers) < 40:
        assert len(status.events) == 2002
        status._history = status._recorder.writer.history = type(status._recorder.writer.history)(status.folder)
    signal.setitimer(signal.ITIMER_REAL, 0)
    status.complete()
    assert max(answers) <= 2002


def test_one_that_records_while_the_run_ends_leaves_it_with_its_totals(after_write):
    status = Status()
    status.record_change("UPDATE", "age")
    real = status._recorder.writer._event
    due = [True]

    def event(*arguments, **fields):
        if due and arguments[1] == "state":
            due.clear()
            after_write(lambda: status.log("at the end"))
        return real(*arguments, **fields)

    status._recorder.writer._event = event
    status.complete()
    run = load_run(str(status.folder))
    assert (run.state, run.damage, "at the end" in str(messages(status.folder))) == ("completed", [], True)
