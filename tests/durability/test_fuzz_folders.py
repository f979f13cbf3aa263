"""A fuzzer of whole folders: files of any name and sort beside those of a run, locks among them, hide no line of it."""

from __future__ import annotations

import json
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from runfolio.lock import boot_id

from . import forked, golden, mutations
from .damage import uncaught
from .test_fuzz import judged, sealed_lines

SEED = 505
STEMS = (
    "events",
    "snapshots",
    "schemas",
    "metrics",
    "a_b",
    "Events",
    "_x",
    "",
    "évents",
    "run",
    "config",
    "SHA256SUMS",
)
WRITERS = ("", ".w2", ".main", ".x.y", ".W", f".{'w' * 32}", f".{'w' * 33}", ".é", ". ")
ENDS = (".jsonl", ".jsonl\n", ".jsonl~", ".json", ".yaml", ".lock", ".tmp", "", ".JSONL")
LINKS = ("run.json", "events.jsonl", ".", "..", "nowhere", "/dev/zero", "results", "/etc/hostname")


class Entry(NamedTuple):
    """Something beside the files of a run: a `file`, `folder`, `link` or `pipe`; `content` is a link's target, too."""

    name: bytes
    sort: str
    content: bytes


class Fuzzer:
    """A run of several writers, and what the reader makes of it when there is more in its folder."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.run = golden.record("resumed", root / "resumed")
        self.lines = [line for sort in sealed_lines(self.run) for _, line in sort]
        lock = self.run.folder / "main.lock"
        found = {**json.loads(self.run.files["main.lock"]), "boot_id": boot_id()}
        self.locks = [{**found, "device": lock.stat().st_dev, "inode": lock.stat().st_ino}, found]

    def made(self, number: int) -> list[Entry]:
        """An input: what is put beside the files of the run."""
        chosen = random.Random(f"{SEED}-{number}")
        return [self._entry(chosen) for _ in range(chosen.choice((1, 1, 2, 5)))]

    def _entry(self, chosen: random.Random) -> Entry:
        name = chosen.choice(STEMS) + chosen.choice(WRITERS) + chosen.choice(ENDS)
        spelled = (name or "x").encode()
        if chosen.random() < 0.1:
            spelled = chosen.choice(
                (b"\xff" + spelled, spelled[:1] * 200 + spelled, b"\x1b[31m" + spelled, b"." + spelled)
            )
        if chosen.random() < 0.15:
            spelled = b"results/" + spelled
        sort = chosen.choice(("file",) * 7 + ("folder", "link", "pipe"))
        if sort == "link":
            return Entry(spelled, sort, chosen.choice(LINKS).encode())
        if spelled.endswith(b".lock"):
            return Entry(spelled, sort, mutations.of_json(chosen.choice(self.locks), self.locks[1], chosen))
        whole = b"".join(chosen.sample(self.lines, 3))
        return Entry(spelled, sort, whole if chosen.random() < 0.3 else mutations.of_bytes(whole, whole, chosen))

    def problem(self, number: int) -> str | None:
        """What a reader did wrong with an input; None if nothing."""
        made: list[Entry] = []
        try:
            for entry in self.made(number):
                if put(self.run.folder, entry):
                    made.append(entry)
            files = {entry.name.decode(errors="replace"): entry.content for entry in made if entry.sort == "file"}
            return judged(self.run, files, number)
        except Exception as error:  # noqa: BLE001  (that there is none is what the test is about)
            return uncaught(error)
        finally:
            for entry in made:
                remove(self.run.folder, entry)


def put(folder: Path, entry: Entry) -> bool:
    """Whether there was place for it: nothing of the run is overwritten."""
    path = folder / os.fsdecode(entry.name)
    if os.path.lexists(path):
        return False
    match entry.sort:
        case "file":
            path.write_bytes(entry.content)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(os.fsdecode(entry.content))
        case _:
            os.mkfifo(path)
    return True


def remove(folder: Path, entry: Entry) -> None:
    path = folder / os.fsdecode(entry.name)
    if entry.sort == "folder":
        shutil.rmtree(path)
    else:
        path.unlink()


def test_what_else_is_in_a_folder_hides_nothing(tmp_path, size, tally):
    folders = size(1000, 100_000)
    problems = forked.problems_of("test_fuzz_folders", tmp_path / "fresh", range(folders))
    assert not problems, f"{len(problems)} of {folders} folders: {problems}"
    fuzzer = Fuzzer(tmp_path / "here")
    entries = sum(len(fuzzer.made(number)) for number in range(folders))
    stopped = sum(not is_read_by_naive(entry) for number in range(1000) for entry in fuzzer.made(number))
    assert stopped
    tally(
        test=f"{entries} files, folders, links and pipes of any name put into {folders} folders",
        trials=folders,
        faults=folders,
        acknowledged=fuzzer.run.records,
        control=f"a reader that takes all that is named like a journal raised or would wait at {stopped}",
        seed=SEED,
    )


def is_read_by_naive(entry: Entry) -> bool:
    if b".jsonl" not in entry.name:
        return True
    with suppress(ValueError):
        return entry.sort == "file" and bool([json.loads(line) for line in entry.content.splitlines()])
    return False
