"""Cuts, and files and lines that are gone or astray: each is told, and nothing else is lost by it.

What can't be seen is counted apart: the last lines of a writer that was killed, cut off between two lines, and files
that no getter answers from (`damage.is_unread`).
"""

from __future__ import annotations

import json
import os
import random
from itertools import combinations
from pathlib import Path

import pytest

from . import damage, golden, oracle
from .damage import Counts
from .golden import Golden, Line

SEED = 501


@pytest.fixture(params=golden.FORMS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    return golden.record(request.param, tmp_path / request.param)


def lines_behind(run: Golden, name: str, offset: int) -> list[Line]:
    """The lines that a cut there takes."""
    return [line for line in run.lines.get(name, []) if line.end > offset]


def is_missed_by_naive(run: Golden, name: str, rest: bytes) -> bool:
    """Whether a reader that takes all lines that are JSON, and has neither counts nor sizes, sees nothing wrong."""
    try:
        lines = [json.loads(line) for line in rest.splitlines()]
    except ValueError:
        return False
    return name in run.lines and lines != [json.loads(line) for line in run.files[name].splitlines()]


def offsets(run: Golden, name: str, every: int) -> list[int]:
    """Where to cut, from behind: at each of so many offsets, and between all lines."""
    found = {*range(0, len(run.files[name]), every), *(line.begin for line in run.lines.get(name, []))}
    return sorted(found, reverse=True)


class TestACut:
    def test_at_any_offset_of_any_file_is_told_and_takes_nothing_else(self, run, size, tally):
        counts, missed = Counts(), 0
        for name, data in run.files.items():
            few = (
                name.endswith(".parquet") or damage.is_unread(name) or run.folder.parent.name not in ("small", "killed")
            )
            with damage.opened(run, name) as fd:
                for offset in offsets(run, name, size(11 if few else 1, 1)):
                    os.ftruncate(fd, offset)
                    assert os.fstat(fd).st_size < len(data), "the fault did not fire"
                    counts.judge(run, (name,), lines_behind(run, name, offset))
                    missed += is_missed_by_naive(run, name, data[:offset])
                    if name.startswith("results/") and offset % 97 == 0:
                        counts.judge_data(run, name)
        assert missed and counts["read"]
        assert run.has_ended != bool(counts["beyond"])
        tally(
            test=f"a file of a run {run.folder.parent.name} cut at every offset{counts}",
            acknowledged=run.records,
            control=f"a reader without counts and sizes missed {missed}",
            **counts.row(),
        )

    def test_that_left_nul_bytes_as_a_power_cut_does_is_told(self, run, size, tally):
        counts, missed = Counts(), 0
        for name, data in run.files.items():
            with damage.opened(run, name) as fd:
                for offset in offsets(run, name, size(61, 3)):
                    nul = data[:offset] + bytes(len(data) - offset)
                    damage.put(fd, nul)
                    assert nul != data, "the fault did not fire"
                    if name.startswith("results/"):  # the size is right: it shows when the data is asked for
                        counts["faults"] += 1
                        counts.judge_data(run, name)
                    else:
                        counts.judge(run, (name,), lines_behind(run, name, offset))
                    missed += is_missed_by_naive(run, name, nul.replace(b"\0", b""))
        assert missed and not counts["beyond"]
        tally(
            test=f"a file of a run {run.folder.parent.name} that ends in NUL bytes{counts}",
            acknowledged=run.records,
            control=f"a reader that drops NUL bytes, without counts and sizes, missed {missed}",
            **counts.row(),
        )


class TestAFile:
    @pytest.mark.parametrize("what", ["removed", "emptied"])
    def test_that_is_gone_is_told_and_takes_nothing_else(self, run, what, tally):
        counts, missed = Counts(), 0
        for name in run.files:
            with damage.changed(run, {name: None if what == "removed" else b""}):
                counts.judge(run, (name,), run.lines.get(name, []))
                missed += is_missed_by_naive(run, name, b"")
                if not name.endswith(".jsonl"):
                    counts.judge_data(run, name)
        assert missed
        tally(
            test=f"a file of a run {run.folder.parent.name} {what}{counts}",
            acknowledged=run.records,
            control=f"a reader without counts and sizes missed {missed}",
            **counts.row(),
        )

    def test_that_was_swapped_with_another_is_told(self, run, tally):
        counts, missed = Counts(), 0
        for one, other in combinations(run.files, 2):
            if {one, other} <= run.lines.keys() and one.partition(".")[0] == other.partition(".")[0]:
                continue  # of one kind: see below
            with damage.changed(run, {one: run.files[other], other: run.files[one]}):
                lost = [line for name in (one, other) for line in run.lines.get(name, [])]
                counts.judge(run, (one, other), lost)
                counts.judge_data(run, one, other) if not lost else None
                missed += is_missed_by_naive(run, one, run.files[other])
        assert missed
        tally(
            test=f"two files of a run {run.folder.parent.name} swapped{counts}",
            acknowledged=run.records,
            control=f"a reader without kinds and counts missed {missed}",
            **counts.row(),
        )

    def test_of_another_run_in_its_place_is_told(self, run, tmp_path, tally):
        """A run of the same form has the same numbers in the same files: that is the hardest case."""
        form = run.folder.parent.name
        counts, missed = Counts(), 0
        for other in (golden.record(one, tmp_path / f"other-{one}") for one in golden.FORMS):
            for name in run.files.keys() - {"SHA256SUMS"}:
                data = other.files.get(name, run.files[name])
                if data != run.files[name] and not damage.is_unread(name):
                    with damage.changed(run, {name: data}):
                        is_table = name.startswith("results/")
                        counts["faults"] += is_table
                        counts.judge_data(run, name) if is_table else counts.judge_told(run)
                        missed += all(damage.is_sound(line) for line in data.splitlines())
        assert missed
        tally(
            test=f"a file of another run in a run {form}{counts}",
            acknowledged=run.records,
            control=f"a reader with checksums alone missed {missed}",
            **counts.row(),
        )


class TestALine:
    def test_that_was_removed_is_told_and_takes_no_other(self, run, tally):
        counts, missed = Counts(), 0
        for name, line in damage.each_line(run):
            data = run.files[name]
            with damage.changed(run, {name: data[: line.begin] + data[line.end :]}):
                counts.judge(run, (name,), [line])
                missed += all(map(damage.is_sound, (run.folder / name).read_bytes().splitlines()))
        assert missed == run.records
        assert run.has_ended != bool(counts["beyond"])
        tally(
            test=f"a line of a run {run.folder.parent.name} removed{counts}",
            acknowledged=run.records,
            control=f"a reader with checksums alone missed {missed}",
            **counts.row(),
        )

    def test_that_stands_twice_is_told_and_given_once(self, run, tally):
        counts, missed = Counts(), 0
        for name, line in damage.each_line(run):
            data = run.files[name]
            copy = data[line.begin : line.end]
            for place in {line.end, len(data), 0}:
                with damage.changed(run, {name: data[:place] + copy + data[place:]}):
                    counts.judge(run, (name,), [])
                    missed += all(map(damage.is_sound, (run.folder / name).read_bytes().splitlines()))
        tally(
            test=f"a line of a run {run.folder.parent.name} duplicated{counts}",
            acknowledged=run.records,
            control=f"a reader with checksums alone missed {missed}",
            **counts.row(),
        )

    def test_that_moved_into_another_journal_is_told(self, run, tally):
        counts, missed = Counts(), 0
        for name, line in damage.each_line(run):
            for other in run.lines.keys() - {name}:
                data, target = run.files[name], run.files[other]
                moved = {
                    name: data[: line.begin] + data[line.end :],
                    other: target + data[line.begin : line.end],
                }
                with damage.changed(run, moved):
                    if name.partition(".")[0] == other.partition(".")[0]:
                        counts.judge_told(run)
                    else:
                        counts.judge(run, (name, other), [line])
                    missed += all(map(damage.is_sound, (run.folder / other).read_bytes().splitlines()))
        tally(
            test=f"a line of a run {run.folder.parent.name} moved into another journal{counts}",
            acknowledged=run.records,
            control=f"a reader with checksums alone missed {missed}",
            **counts.row(),
        )

    def test_that_changed_places_with_another_of_its_journal_changes_no_answer(self, run):
        chosen = random.Random(SEED)
        for name, lines in run.lines.items():
            data = run.files[name].splitlines(keepends=True)
            for _ in range(min(len(lines) - 1, 5)):
                order = chosen.sample(data, len(data))
                if order != data:
                    with damage.changed(run, {name: b"".join(order)}):
                        found = oracle.read(run.folder)
                        assert not damage.differs(run, found, []) and found.damage == []
