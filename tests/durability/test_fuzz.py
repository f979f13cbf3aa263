"""A fuzzer of the readers: whatever is in a folder, they give what is sound, and raise errors of this package alone.

Inputs go by their number, so that each can be had again: `problem(number)` of its Fuzzer. They run in children, for
what kills a process or hangs is to be told with its input as well.
"""

from __future__ import annotations

import json
import os
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from runfolio import checks, verification
from runfolio.catalog import row_of, scan
from runfolio.cli.show import document
from runfolio.errors import DamageWarning, FormatError, RunfolioError
from runfolio.manifest import VERSION
from runfolio.run import Run
from runfolio.view import RunView

from . import damage, forked, golden, mutations
from .damage import uncaught
from .golden import Golden

SEED = 503
FORMS = ("alone", "resumed", "killed", "ended", "pipeline")
WEIGHTS = (70, 15, 5, 5, 5)
"""How often each is mutated: one writer is read fastest, and what goes on for another one has most to go wrong."""

PROPERTIES = [name for kind in (RunView, Run) for name, value in vars(kind).items() if isinstance(value, property)]


class Fuzzer:
    """Runs of all forms, and what the reader makes of mutations of their files."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.runs = [golden.record(form, root / form) for form in FORMS]
        self.sealed = [sealed_lines(run) for run in self.runs]
        self.fds = [{name: os.open(run.folder / name, os.O_RDWR) for name in run.files} for run in self.runs]

    def close(self) -> None:
        for fds in self.fds:
            for fd in fds.values():
                os.close(fd)

    def made(self, number: int) -> tuple[int, dict[str, bytes], int]:
        """An input: which run, the files that are mutated in it with what is in them, and how many mutations that are.

        A third has one file with bytes of no meaning, the others up to six lines that are mutated as JSON and sealed.
        """
        chosen = random.Random(f"{SEED}-{number}")
        place = chosen.choices(range(len(self.runs)), WEIGHTS)[0]
        run = self.runs[place]
        if chosen.random() < 0.3:
            name, other = chosen.choice(list(run.files)), chosen.choice(list(run.files))
            return place, {name: mutations.of_bytes(run.files[name], run.files[other], chosen)}, 1
        files: dict[str, bytes] = {}
        sorts = self.sealed[place]
        lines = [chosen.choice(sort) for sort in chosen.sample(sorts, min(chosen.choice((1, 2, 4, 8)), len(sorts)))]
        for name, line in lines:
            mutated = self._mutated(line, chosen.choice(chosen.choice(sorts))[1], chosen)
            data = files.get(name, run.files[name])
            files[name] = data.replace(line, mutated) if chosen.random() < 0.8 else data + mutated
        return place, files, len(lines)

    @staticmethod
    def _mutated(line: bytes, other: bytes, chosen: random.Random) -> bytes:
        try:
            return damage.sealed_bytes(mutations.of_json(unsealed(line), unsealed(other), chosen))
        except RecursionError:  # nested again and again
            return damage.sealed_bytes(b'{"kind":' + b"[" * 2000)

    def problem(self, number: int) -> str | None:
        """What a reader did wrong with an input; None if nothing."""
        place, files, _ = self.made(number)
        run = self.runs[place]
        for name, data in files.items():
            damage.put(self.fds[place][name], data)
        try:
            return judged(run, files, number)
        except Exception as error:  # noqa: BLE001  (that there is none is what the test is about)
            return uncaught(error)
        finally:
            for name in files:
                damage.put(self.fds[place][name], run.files[name])


def sealed_lines(run: Golden) -> list[list[tuple[str, bytes]]]:
    """The sealed lines of a folder, each with its file; those of one sort together, so that none is rare."""
    found: dict[object, list[tuple[str, bytes]]] = {"run": [("run.json", run.files["run.json"])]}
    for name in run.lines:
        for line in run.files[name].splitlines(keepends=True):
            fields = json.loads(line)
            sort = (name, fields.get("type"), str(fields.get("context", {}).get("point")))
            found.setdefault(sort, []).append((name, line))
    return list(found.values())


def unsealed(line: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line)
    del fields["crc"]
    return fields


def judged(run: Golden, files: dict[str, bytes], number: int) -> str | None:
    """Read a folder in which these files are other ones, by all ways, and say what was wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        rows = list(scan(run.folder.parent)) if "run.json" in files or number % 4 == 0 else []
        if any("it can't be read" in (row.damage or "") for row in rows):
            return f"the catalog gave {rows}"
        try:
            found = Run(run.folder)
        except FormatError as error:
            return None if error.key == VERSION else f"nothing was given at all: {error}"
        ask_everything(found, number)
    return missing(run, files, found)


def missing(run: Golden, files: dict[str, bytes], found: Run) -> str | None:
    """What is sound and was not given: lines that stand whole, unless several claim their number."""
    journals = {name: data for name, data in {**run.files, **files}.items() if ".jsonl" in name}
    whole = {name: data.split(b"\n")[:-1] for name, data in journals.items()}
    claims = Counter(
        (writer_of(name), number) for name, lines in whole.items() for line in lines for number in claimed(line)
    )
    for name, lines in run.lines.items():
        for line in lines:
            text = run.files[name][line.begin : line.end - 1]
            if text not in whole[name] or claims[line.writer, line.seq] > 1:
                continue
            records = found._history.timeline.streams.get(line.writer, {}).get(line.kind, [])
            if not any(record.seq == line.seq for record in records):
                return f"{line} of {name} is sound and was not given"
    return None


def writer_of(name: str) -> str:
    return name.removesuffix(".jsonl").partition(".")[2] or "main"


def claimed(line: bytes) -> set[int]:
    """The numbers that a line may be taken to have, if it is sound."""
    return {int(found) for found in re.findall(rb'"seq"\s*:\s*(\d+)', line)} if damage.is_sound(line) else set()


def ask_everything(run: Run, number: int) -> None:
    """Call every getter; errors of this package are answers. What takes long is called in turns."""
    asked: list[Callable[[], object]] = [
        *(lambda name=name: getattr(run, name) for name in PROPERTIES),
        lambda: row_of(run),
        lambda: repr(run),
        lambda: [stored["schema"] for stored in run.results.values()],
        run.get_status_summary,
        run.is_completed,
        run.get_result,
        run.get_full_expt,
        *in_turn(run, number),
    ]
    for ask in asked:
        with suppress(RunfolioError):
            ask()


def in_turn(run: Run, number: int) -> list[Callable[[], object]]:
    """Some of what takes long, another part each time."""
    match number % 5:
        case 0:
            modules = [one.module_name for one in run.snapshots[-3:] if one.module_name] + ["Loader"]
            return [
                *(lambda name=name: run.get_metadata(name) for name in modules),
                *(lambda name=name: run.get_metadata_evolution(name) for name in modules),
                *(lambda name=name: run.get_full_expt(name) for name in modules),
                *(lambda name=name: run.get_result(name) for name in modules),
                *(lambda name=name: run.get_snapshots(name) for name in modules),
            ]
        case 1:
            return [lambda one=one: view_of(run.at(one.snapshot_id)) for one in run.snapshots[-1:]]
        case 2:
            return [lambda: run.column_history("age"), run.refresh, lambda: verification.verify(run._history.folder)]
        case 3:
            return [lambda: msgspec.json.encode(document(run))]
    if number % 3 == 0:
        return [lambda: checks.check(run, max_row_loss=0.1, max_null_increase=0.1, no_drop="*", no_retype="*")]
    if number % 3 == 1:
        return [lambda: run.get_timing(nested=True)]
    return [lambda one=one: one["data"] for one in run.results.values()] + [lambda: run.get_data_by_module("Loader")]


def view_of(run: RunView) -> None:
    """The getters of a run as of one of its snapshots."""
    for name in (name for name, value in vars(RunView).items() if isinstance(value, property)):
        getattr(run, name)
    run.get_status_summary()


def test_lines_and_files_of_any_content_are_read_or_refused(tmp_path, size, tally):
    folders = size(10_000, 300_000)
    problems = forked.problems_of("test_fuzz", tmp_path / "fresh", range(folders))
    fuzzer = Fuzzer(tmp_path)
    told = [(number, problems[number], fuzzer.made(number)) for number in sorted(problems)[:3]]
    fuzzer.close()
    assert not problems, f"{len(problems)} of {folders} inputs: {told}"
    mutated = fired = naive = 0
    for number in range(folders):
        place, files, count = fuzzer.made(number)
        mutated += count
        fired += any(data != fuzzer.runs[place].files[name] for name, data in files.items())
        naive += number < 1000 and not is_read_by_naive(files)
    assert naive and fired > 0.9 * folders
    tally(
        test=f"{mutated} mutations of lines, under a checksum that is right, and of files, in {folders} folders",
        trials=folders,
        faults=fired,
        acknowledged=sum(run.records for run in fuzzer.runs),
        uncaught=len(problems),
        control=f"a reader that takes fields without looking raised on {naive} of 1000",
        seed=SEED,
    )


def is_read_by_naive(files: dict[str, bytes]) -> bool:
    try:
        for data in files.values():
            for line in data.splitlines():
                fields = json.loads(line)
                datetime.fromisoformat(fields.get("timestamp", "2026-11-23")), fields["kind"] + fields["crc"]
                {fields["seq"]: fields.get("context", {}).get("path", [{}])[0]}
    except Exception:  # noqa: BLE001  (whatever it is)
        return False
    return True
