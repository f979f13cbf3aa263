"""A run in every order of writes, crashes, short writes, forks, jumps of the clock, restores and deletions.

After each step the model, the live Status, a reader that was there from the start and one that loads the folder anew
must agree, and damage must be told just where it was done.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runfolio import Status
from runfolio.clock import Clock
from runfolio.errors import WriteError
from runfolio.files import journals
from runfolio.history import scan
from runfolio.run import Run
from runfolio.segment import Segment
from runfolio.view import RunView

from ..fulldisk import file_size_limit
from .children import fork, payload, report
from .oracle import compare, labels, read

FAULTS = ("torn", "crash", "short", "fork", "clock", "deleted")

GONE_WITH = {
    "snapshot": ("snapshot", "ended"),
    "change": "change",
    "timing": ("timing", "ended"),
    "result": "result",
    "event": ("log", "began"),
    "schema": "none",
}
"""Labels of what a kind of journal holds, alone or with others."""

kinds = st.sampled_from(["change", "log", "snapshot", "timing", "result"])
one_line = st.sampled_from(["change", "log", "snapshot", "timing"])

live = precondition(lambda machine: machine.status is not None)
dead = precondition(lambda machine: machine.status is None)


class Machine(RuleBasedStateMachine):
    """One run folder, and the model of what it holds."""

    happened: Counter[str] = Counter()

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="runfolio-machine-"))
        self.offset = timedelta()
        self.clock = Clock(now=lambda: datetime.now(UTC) + self.offset)
        self.status: Status | None = Status(root=self.root, clock=self.clock)
        self.status.start()
        self.folder = self.status.folder
        self.state = "in_progress"
        self.reader = Run(self.folder)
        self.acknowledged: list[str] = []
        self.standing: list[str] = []
        self.snapshots: dict[str, list[str]] = {}
        self.torn: set[str] = set()
        self.unfinished: str | None = None
        self.deleted: dict[str, str] = {}
        self.writers: list[str] = []
        self.numbers = count()
        self.workers = count(1)

    def teardown(self) -> None:
        if self.status is not None:
            self.status.complete()
            self.status, self.state, self.unfinished = None, "completed", None
            self.agree()
        self.happened["acknowledged"] += len(self.acknowledged)
        shutil.rmtree(self.root)

    # What is written

    @live
    @rule(kind=kinds)
    def write(self, kind: str) -> None:
        name = f"0-{next(self.numbers)}"
        self.take(kind, name, self.record(self.status, kind, name))

    @live
    @rule()
    def run_a_step(self) -> None:
        name = f"0-{next(self.numbers)}"
        with self.status.step("Module", name, after=None) as step:
            step.result(report(name))
        self.unfinished = None
        self.acknowledged += [f"{kind}:{name}" for kind in ("began", "result", "ended")]
        self.standing.append(step.key)

    @live
    @rule(kind=one_line, number=st.integers(1, 3))
    def fork_a_child(self, kind: str, number: int) -> None:
        self.happened["fork"] += 1
        worker = next(self.workers)
        names = [f"{worker}-{index}" for index in range(number)]
        pid = fork(lambda: [self.record(self.status, kind, name) for name in names])
        assert os.waitpid(pid, 0)[1] == 0
        self.acknowledged += [f"{kind}:{name}" for name in names]

    @live
    @rule(kind=one_line)
    def be_joined(self, kind: str) -> None:
        name = f"{next(self.workers)}-0"
        with Status.join(self.folder, clock=self.clock) as guest:
            self.record(guest, kind, name)
        self.acknowledged.append(f"{kind}:{name}")

    @live
    @precondition(lambda machine: machine.snapshots)
    @rule(data=st.data())
    def restore(self, data: Any) -> None:
        snapshot_id = data.draw(st.sampled_from(list(self.snapshots)))
        self.status.restore_from_snapshot(snapshot_id)
        self.unfinished = None
        self.standing = list(self.snapshots[snapshot_id])

    @staticmethod
    def record(status: Status, kind: str, name: str) -> Any:
        if kind == "change":
            return status.record_change("UPDATE", name, payload(name))
        if kind == "log":
            return status.log(name)
        if kind == "snapshot":
            return status.record_snapshot("Hand", name, context=payload(name))
        if kind == "timing":
            return status.record_timing("Hand", name, "by hand", 0, 1, context=payload(name))
        return status.store_result(name, report(name))

    def take(self, kind: str, name: str, record: Any) -> None:
        """It was acknowledged."""
        self.unfinished = None
        self.acknowledged.append(f"{kind}:{name}")
        if kind == "result":
            self.standing.append(name)
        if kind == "snapshot":
            self.snapshots[record.snapshot_id] = list(self.standing)

    # What goes wrong

    @live
    @rule()
    def crash(self) -> None:
        self.happened["crash"] += 1
        self.die()

    @live
    @rule(kind=kinds, part=st.floats(0, 1, exclude_max=True))
    def crash_while_writing(self, kind: str, part: float) -> None:
        """A kill inside of the write leaves a part of the line, and no one was told that it is there."""
        self.happened["torn"] += 1
        self.record(self.status, kind, f"0-{next(self.numbers)}")
        self.unfinished = None
        path, before, after = self.last_line(kind)
        self.die()
        end = before + int((after - before) * part)
        os.truncate(path, end)
        if end > before:
            self.torn.add(path.name)

    @live
    @rule(kind=one_line, room=st.integers(0, 150))
    def write_where_there_is_no_room(self, kind: str, room: int) -> None:
        self.happened["short"] += 1
        journal = self.segment()._journals.get("event" if kind == "log" else kind)
        with file_size_limit((journal.bytes if journal else 0) + room), pytest.raises(WriteError):
            self.record(self.status, kind, f"0-{next(self.numbers)}")
        journal = self.segment_as_is()._journals.get("event" if kind == "log" else kind)
        self.unfinished = journal.path.name if room else None

    @live
    @rule(days=st.integers(-3650, 3650))
    def set_the_clock(self, days: int) -> None:
        self.happened["clock"] += 1
        self.offset = timedelta(days=days)

    @live
    @rule()
    def fail(self) -> None:
        self.status.fail("on purpose")
        self.unfinished = None
        self.status, self.state = None, "failed"

    @dead
    @rule()
    def resume(self) -> None:
        self.status = Status.resume(self.folder, clock=self.clock)
        self.state, self.unfinished = "in_progress", None
        self.torn.clear()

    @precondition(lambda machine: len(machine.deleted) < len(machine.results()))
    @rule(data=st.data())
    def delete_a_result(self, data: Any) -> None:
        self.happened["deleted"] += 1
        file = data.draw(st.sampled_from([file for file in self.results() if file not in self.deleted]))
        (self.folder / file).unlink()
        self.deleted[file] = self.results()[file]

    # What readers do

    @rule()
    def copy(self) -> None:
        copy = self.root / "copy"
        shutil.copytree(self.folder, copy)
        assert answers(read(copy)) == answers(self.reader)
        shutil.rmtree(copy)

    @rule(data=st.data())
    def copy_without_a_journal(self, data: Any) -> None:
        """What is missing is told where a later line of that writer, or the end of the run, tells that it was there."""
        self.happened["deleted"] += 1
        copy = self.root / "copy"
        shutil.copytree(self.folder, copy)
        writer = data.draw(st.sampled_from(self.writers))
        kind, path = data.draw(st.sampled_from([(k, path) for k, name, path in journals(copy) if name == writer]))
        numbers = [record.seq for record in scan(copy, kind, writer)]
        others = [r.seq for k, w, _ in journals(copy) if w == writer and k != kind for r in scan(copy, k, w)]
        path.unlink()
        if others:
            run = read(copy)
            of_other_kinds = {label for label in labels(self.reader) if not label.startswith(GONE_WITH[kind])}
            assert set(labels(run)) >= of_other_kinds
            told = [one for one in run.damage if one.file not in self.deleted and not one.reason.startswith("torn")]
            if numbers and (self.state == "failed" or max(others) > min(numbers)):
                assert told, f"{path.name} is gone, and nothing tells so: {self.state} {numbers} {others} {run.damage}"
        shutil.rmtree(copy)

    @rule()
    def restart_the_reader(self) -> None:
        self.reader = read(self.folder)

    @invariant()
    def agree(self) -> None:
        self.happened["step"] += 1
        fresh = read(self.folder)
        self.reader.refresh()
        self.writers += [name for name in self.reader._history.timeline.streams if name not in self.writers]
        gone = {f"result:{name}" for name in self.deleted.values()}
        for run in (fresh, self.reader):
            assert run.state == ("interrupted" if self.status is None and self.state == "in_progress" else self.state)
            torn = self.torn | ({self.unfinished} if self.unfinished and self.status is None else set())
            assert {finding.file for finding in run.damage} == torn | set(self.deleted)
        found = compare(labels(fresh), set(self.acknowledged) - gone, fresh.damage)
        assert (found.lost, found.unacknowledged, found.twice, found.is_ordered) == ([], [], [], True)
        assert list(fresh.results) == self.standing
        expected = answers(fresh)
        assert answers(self.reader) == expected
        if self.status is not None:
            assert answers(self.status) == expected

    # How it is done

    def die(self) -> None:
        """What a process leaves that is killed: its files as they are, and its lock free."""
        gone = weakref.ref(self.status)
        self.status = None
        assert gone() is None, "something keeps the Status, and so its lock"

    def segment(self) -> Segment:
        """The segment that the next record goes to."""
        return self.status._recorder.writer.segment()

    def segment_as_is(self) -> Segment:
        return self.status._recorder.writer._segment

    def last_line(self, kind: str) -> tuple[Path, int, int]:
        """Journal and bytes of the line that was just written."""
        path = self.segment()._journals["event" if kind == "log" else kind].path
        data = path.read_bytes()
        return path, data.rfind(b"\n", 0, -1) + 1, len(data)

    def results(self) -> dict[str, str]:
        """The files of committed results, and the names of what is in them."""
        records = self.reader.result_records
        return {one.parts[0].file: one.path[-1].experiment_name if one.path else one.key for one in records}


def answers(view: RunView) -> dict[str, Any]:
    """What a view says of the run, its state left out."""
    summary = view.get_status_summary()
    del summary["state"]
    modules = summary["metadata_modules"]
    return {
        "run": (view.run_id, view.name, view.tags, view.start_time),
        "records": view._see().of("snapshot", "change", "timing", "result", "event", "schema"),
        "summary": summary,
        "experiments": view.get_full_expt(),
        "metadata": [view.get_metadata(module) for module in modules],
        "results": (list(view.results), list(view.get_result())),
    }


class WritesOn(Machine):
    """The negative control: its writer goes on in a journal into which it wrote a part of a line."""

    happened: Counter[str] = Counter()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_model_live_status_and_readers_agree_after_every_step(size, tally, monkeypatch):
    examples = size(100, 10_000)
    how = settings(
        max_examples=examples,
        stateful_step_count=50,
        phases=[Phase.generate],  # to find the shortest way to a fault takes minutes; add Phase.shrink to see it
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    Machine.happened.clear()
    run_state_machine_as_test(Machine, settings=how)
    happened = Machine.happened

    monkeypatch.setattr(Segment, "broken", property(lambda _: False, lambda *_: None), raising=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(WritesOn, settings=how)
    tally(
        test="state machine: " + ", ".join(f"{happened[fault]:,} {fault}" for fault in FAULTS),
        trials=happened["step"],
        faults=sum(happened[fault] for fault in FAULTS),
        acknowledged=happened["acknowledged"],
        control=f"a writer that goes on behind a torn line was caught after {WritesOn.happened['step']:,} steps",
    )
