"""Repairing a run: everything intact is in the new one, which is sound; the damaged one stays as it is."""

from __future__ import annotations

import json
import random
import shutil
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec import convert, structs, to_builtins

from runfolio import Run, Status, codec, load_run
from runfolio.catalog import scan
from runfolio.errors import UsageError, WriteWarning
from runfolio.records import Header
from runfolio.repair import MOST_FINDINGS, Repaired, repair, repairs
from runfolio.verification import verify

from .damage import content, harm, record_golden, record_interrupted, seal

TRIALS = 40


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run that was completed and one that was interrupted; to be copied."""
    root = tmp_path_factory.mktemp("golden")
    return {"completed": record_golden(root), "interrupted": record_interrupted(root)}


@pytest.fixture
def golden(goldens: dict[str, Path], root: Path) -> Callable[[str], Path]:
    """A fresh copy of either run under the root; its locks are of no living process."""

    def copy(state: str = "completed") -> Path:
        folder = root / f"{goldens[state].name}-{len(list(root.iterdir())) if root.is_dir() else 0}"
        shutil.copytree(goldens[state], folder, ignore=shutil.ignore_patterns("*.lock"))
        return folder

    return copy


def without_seq(records: list[Any]) -> list[Any]:
    """Records without what a repair counts anew; first lines of writers and repairs are told of elsewhere."""
    return [_stripped(to_builtins(one)) for one in records if getattr(one, "type", "") not in ("segment", "repair")]


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(one) for name, one in value.items() if name not in ("seq", "crc")}
    return [_stripped(one) for one in value] if isinstance(value, list) else value


def answers(run: Run) -> dict[str, Any]:
    """What the getters of a run answer, but its id and folder, and what only a reader of results finds out."""
    summary = run.get_status_summary()
    modules = summary["metadata_modules"]
    return {
        "state": (run.state, run.start_time, run.end_time, run.duration_seconds, run.error, run.lost),
        "summary": {name: value for name, value in summary.items() if name != "sequence"},
        "snapshots": without_seq(run.snapshots),
        "changes": without_seq(run.changes),
        "timings": without_seq(run.timing_records),
        "events": without_seq(run.events),
        "opaque": without_seq(run.opaque),
        "metadata": {module: run.get_metadata(module) for module in modules},
        "evolution": {module: run.get_metadata_evolution(module) for module in modules},
        "experiments": run.get_full_expt(),
        "timing": run.get_timing(nested=True).to_dict("list"),
    }


def intact_results(run: Run, original: Path) -> list[tuple[Any, ...]]:
    """The stored results of a run without the parts whose files are not those of the original."""
    folder = run.folder
    assert folder is not None

    def is_intact(name: str) -> bool:
        return (folder / name).is_file() and (folder / name).read_bytes() == (original / name).read_bytes()

    found = [(record, [part for part in record.parts if is_intact(part.file)]) for record in run.result_records]
    known = run._history.schemas
    return [
        (record.key, record.path, record.timestamp, [_without_lost_schema(part, known) for part in parts])
        for record, parts in found
        if parts
    ]


def _without_lost_schema(part: Any, known: dict[str, Any]) -> Any:
    return part if part.schema_id in known else structs.replace(part, schema_id=None)


def assert_repaired(damaged: Path, original: Path, done: str) -> Repaired:
    """Repair a run and hold the new one against what the damaged one answers."""
    before, old = content(damaged), Run(damaged)
    assert not verify(damaged).is_sound, done
    found = repair(damaged)
    assert content(damaged) == before, done
    assert verify(found.folder).findings == [], done
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = load_run(found.folder)
    assert new.run_id == found.run_id == Path(found.folder).name == f"{damaged.name}-repaired"
    wanted, got = answers(old), answers(new)
    for name in wanted:
        assert got[name] == wanted[name], f"{done}: {name}"
    if old.name is not None:
        assert (new.name, new.tags, new.sequence) == (old.name, old.tags, old.sequence), done
    assert [
        (record.key, record.path, record.timestamp, record.parts) for record in new.result_records
    ] == intact_results(old, original), done
    for stored in new.results.values():
        assert stored["data"] is not None
    return found


@pytest.mark.parametrize("state", ["completed", "interrupted"])
@pytest.mark.parametrize("seed", range(TRIALS // 2))
def test_a_repaired_run_is_sound_and_answers_as_the_damaged_one(
    state: str, seed: int, golden: Callable[[str], Path], goldens: dict[str, Path]
) -> None:
    chance = random.Random(seed)
    damaged = golden(state)
    done = ", ".join(harm(damaged, chance) for _ in range(chance.choice([1, 1, 2, 5])))
    if state == "interrupted" and verify(damaged).is_sound:  # a last line that is gone may never have been written
        assert done.startswith(("remove", "cut"))
        (damaged / "run.json").unlink()
    assert_repaired(damaged, goldens[state], done)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def context_of(folder: str | Path, kind: str) -> dict[str, Any]:
    """The context of the last event of a type."""
    return [event.context for event in Run(Path(folder)).events if event.type == kind][-1]


class TestWhatIsRefused:
    def test_a_sound_run(self, golden: Callable[[str], Path], root: Path) -> None:
        folder = golden()
        with pytest.raises(UsageError, match="is sound: there is nothing to repair"):
            repair(folder)
        assert list(root.iterdir()) == [folder]

    def test_a_run_that_is_written_to(self, status: Status) -> None:
        assert status.folder is not None
        (status.folder / "run.json").unlink()
        with pytest.raises(UsageError, match="still written to; wait until its writer has ended"):
            repair(status.folder)

    def test_a_folder_that_is_there_already(self, golden: Callable[[str], Path], tmp_path: Path) -> None:
        folder = golden()
        cut(folder / "run.json", 9)
        before = content(tmp_path)
        with pytest.raises(UsageError, match="is there already; name a folder that is not there yet"):
            repair(folder, to=tmp_path)
        assert content(tmp_path) == before

    def test_a_folder_within_the_damaged_run(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        cut(folder / "run.json", 9)
        before = content(folder)
        for to in (folder / "repaired", folder / "results" / "repaired"):
            with pytest.raises(UsageError, match="is in the damaged run; name a folder outside of it"):
                repair(folder, to=to)
        assert content(folder) == before


class TestTheNewFolder:
    def test_is_made_with_those_that_it_is_in_for_its_owner_alone(
        self, golden: Callable[[str], Path], tmp_path: Path
    ) -> None:
        folder = golden()
        cut(folder / "run.json", 9)
        repair(folder, to=tmp_path / "a" / "b" / "there")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700] * 2

    def test_tells_of_a_start_that_no_calendar_has(self, golden: Callable[[str], Path], tmp_path: Path) -> None:
        folder = golden()
        manifest = json.loads((folder / "run.json").read_text())
        manifest["start_time"] = "0001-01-01T00:00:00+12:00"
        content = json.dumps({name: value for name, value in manifest.items() if name != "crc"}, separators=(",", ":"))
        (folder / "run.json").write_bytes(seal(content.encode()[:-1]))
        for path in folder.glob("events*.jsonl"):
            path.unlink()
        repair(folder, to=tmp_path / "there")
        assert verify(tmp_path / "there").findings == []

    def test_has_the_name_with_the_next_free_number_or_the_one_given(
        self, golden: Callable[[str], Path], tmp_path: Path
    ) -> None:
        folder = golden()
        cut(folder / "run.json", 9)
        found = [repair(folder.name).run_id, repair(folder).run_id, repair(folder, to=tmp_path / "there").run_id]
        assert found == [f"{folder.name}-repaired", f"{folder.name}-repaired-2", "there"]
        assert load_run(tmp_path / "there").run_id == "there"

    def test_is_for_whom_the_old_one_is(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        folder.chmod(0o750)
        (folder / "results").chmod(0o710)
        for path in (path for path in folder.rglob("*") if path.is_file()):
            path.chmod(0o640)
        (folder / "changes.jsonl").chmod(0o444)
        cut(folder / "run.json", 9)
        new = Path(repair(folder).folder)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (new, *new.rglob("*"))}
        assert (modes.pop(new.name), modes.pop("results"), modes.pop("changes.jsonl")) == (0o750, 0o710, 0o444)
        assert set(modes.values()) == {0o640}

    def test_has_no_file_that_is_no_part_of_the_run_but_those_whose_lines_are_lost(
        self, golden: Callable[[str], Path]
    ) -> None:
        folder = golden()
        (folder / "notes.txt").touch()
        (folder / "results" / ".main-9.tmp").touch()
        (folder / "events.zz.jsonl").symlink_to(folder / "events.jsonl")
        (folder / "results.jsonl").unlink()
        found = repair(folder)
        new = Path(found.folder)
        assert not {"notes.txt", "events.zz.jsonl"} & {path.name for path in new.iterdir()}
        names = sorted(path.name for path in (folder / "results").glob("[!.]*"))
        assert sorted(path.name for path in (new / "results").iterdir()) == names
        notes = [note for note in verify(new).notes if "uncommitted" in note.reason]
        assert len(notes) == 4 and found.left_out == []

    def test_keeps_fields_and_kinds_of_later_versions_as_they_are_spelled(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        (folder / "SHA256SUMS").unlink()
        cut(folder / "changes.jsonl", (folder / "changes.jsonl").stat().st_size - 3)
        new = Path(repair(folder).folder)
        assert b'"duration_seconds"' in (new / "timings.jsonl").read_bytes()
        assert b',"later":1.50,' in (new / "timings.jsonl").read_bytes().splitlines()[0]
        assert b',"x":[1.0,{"y":null}],"crc"' in (new / "timings.jsonl").read_bytes()
        assert b',"x":2,"crc"' in (new / "samples.jsonl").read_bytes()

    def test_is_one_that_sha256sum_verifies(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        (folder / "snapshots.jsonl").unlink()
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=repair(folder).folder, check=True)

    def test_is_listed_as_a_run_without_damage(self, golden: Callable[[str], Path]) -> None:
        for state in ("completed", "interrupted"):
            folder = golden(state)
            old = next(row for row in scan() if row.folder == str(folder))
            cut(folder / "schemas.jsonl", 9)
            found = repair(folder)
            (row,) = (row for row in scan() if row.run_id == found.run_id)
            assert (row.state, row.damage, row.name) == (state, None, "golden")
            assert (row.duration_seconds, row.steps, row.changes) == (old.duration_seconds, old.steps, old.changes)

    def test_of_an_interrupted_run_can_be_resumed(self, golden: Callable[[str], Path]) -> None:
        folder = golden("interrupted")
        cut(folder / "timings.jsonl", 9)
        found = repair(folder)
        with Status.resume(found.folder) as status:
            frame = pd.DataFrame({"age": [1]})
            with status.step("Clean", "after", data=frame) as step:
                step.result(frame)
        assert verify(found.folder).findings == []
        run = load_run(found.folder)
        assert (run.state, [one.run_id for one in repairs(run)]) == ("completed", [Run(folder).run_id])

    def test_can_be_damaged_and_repaired_again(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        cut(folder / "timings.jsonl", 9)
        first = repair(folder)
        cut(Path(first.folder) / "changes.jsonl", 9)
        second = repair(first.folder)
        assert second.run_id == f"{folder.name}-repaired-repaired"
        assert verify(second.folder).findings == []
        assert [one.run_id for one in repairs(load_run(second.folder))] == [Run(folder).run_id, first.run_id]


class TestWhatIsLost:
    def test_a_part_whose_file_is_damaged_is_left_out_of_its_result(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        (record,) = (one for one in Run(folder).result_records if len(one.parts) == 3)
        path = folder / record.parts[0].file
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        found = repair(folder)
        assert (found.left_out, found.lines_left_out) == ([record.parts[0].file], 0)
        (new,) = (one for one in load_run(found.folder).result_records if one.key == record.key)
        assert new.parts == record.parts[1:]
        assert not (Path(found.folder) / record.parts[0].file).exists()

    def test_a_result_without_files_goes_with_its_line(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        shutil.rmtree(folder / "results")
        found = repair(folder)
        assert found.lines_left_out == 5 and len(found.left_out) == 7
        run = load_run(found.folder)
        assert run.results == {} and (repairs(run)[0].lines, repairs(run)[0].left_out) == (5, found.left_out)

    def test_a_result_whose_digest_is_other_only_in_the_sums_is_kept(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        text = (folder / "SHA256SUMS").read_text()
        digest, name = next(line.split("  ") for line in text.splitlines() if "  results/" in line)
        (folder / "SHA256SUMS").write_text(text.replace(digest, "0" * 64))
        found = repair(folder)
        assert found.left_out == [] and (Path(found.folder) / name).is_file()

    def test_a_lost_header_is_made_anew_of_what_is_known(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "events.jsonl").write_bytes(b"".join(lines[1:]))
        run = load_run(repair(folder).folder)
        header = next(event for event in run.events if event.type == "segment")
        assert (header.seq, header.event_id) == (1, "event-000001")
        assert (header.context["run_id"], header.context["writer"]) == (run.run_id, "main")
        assert (run.name, run.tags, run.sequence[0]) == ("golden", ["t"], "Loader")

    def test_all_headers_are_made_anew_of_the_manifest(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        for path in folder.glob("events*.jsonl"):
            path.unlink()
        run = load_run(repair(folder).folder)
        assert (run.name, run.tags, run.start_time) == ("golden", ["t"], None)
        assert verify(run.folder or "").findings == []

    def test_records_that_could_not_be_written_are_told_of_by_the_repair(self, root: Path) -> None:
        with pytest.warns(WriteWarning), Status(on_write_error="warn") as status:
            status.start()
            assert status.folder is not None
            (status.folder / "results").touch()
            status.store_result("report", {"a": 1})
        assert status.folder is not None
        (status.folder / "results").unlink()
        found = repair(status.folder)
        run = load_run(found.folder)
        assert (run.damage, run.lost) == ([], 1)
        assert {row.run_id: row.damage is None for row in scan()} == {status.run_id: False, found.run_id: True}
        assert "the run went on without 1 record" in repairs(run)[0].findings[0].reason

    @pytest.mark.parametrize("left", [0, 1])
    def test_of_a_run_that_is_cut_everywhere_there_is_a_sound_one(
        self, golden: Callable[[str], Path], left: int
    ) -> None:
        folder = golden()
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            cut(path, left)
        found = repair(folder)
        assert (found.lines, verify(found.folder).findings) == (0, [])
        assert load_run(found.folder).state == "not_started"
        assert found.run_id in {row.run_id for row in scan()}

    def test_findings_are_told_up_to_a_bound_with_their_number(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        with (folder / "changes.jsonl").open("ab") as file:
            file.write(b"x\n" * 300)
        context = context_of(repair(folder).folder, "repair")
        assert len(context["findings"]) == MOST_FINDINGS
        assert context["count"] == len(verify(folder).findings) >= 300


class TestWhatIsOfAnotherRun:
    def test_journals_that_somebody_put_there_are_left_out(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        shutil.copy(folder / "events.jsonl", folder / "events.copy.jsonl")
        shutil.copy(folder / "changes.jsonl", folder / "changes.copy.jsonl")
        with Status() as other:
            other.log("of another run")
        assert other.folder is not None
        shutil.copy(other.folder / "events.jsonl", folder / "events.zz.jsonl")
        data = (folder / "events.zz.jsonl").read_bytes()
        lines = [line.replace(b'"writer":"main"', b'"writer":"zz"')[:-18] for line in data.splitlines()]
        (folder / "events.zz.jsonl").write_bytes(b"".join(seal(line) for line in lines))
        (folder / "SHA256SUMS").unlink()
        new = load_run(repair(folder).folder)
        assert not any(event.message == "of another run" for event in new.events)
        ids = [change.change_id for change in new.changes]
        assert len(set(ids)) == len(ids) > 0 and new.damage == []

    def test_a_manifest_of_another_run_is_not_taken(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        with Status(name="another") as other:
            other.start()
        assert other.folder is not None
        shutil.copy(other.folder / "run.json", folder)
        run = load_run(repair(folder).folder)
        assert (run.name, run.state, len(run.result_records)) == ("golden", "completed", 5)


class TestTheHeaders:
    def test_name_the_new_run_and_where_its_own_journals_were_left(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        cut(folder / "changes.jsonl", 9)
        new = Path(repair(folder).folder)
        headers = [convert(event.context, Header) for event in load_run(new).events if event.type == "segment"]
        assert len(headers) == 5 and {header.run_id for header in headers} == {new.name}
        continued = [header.continues for header in headers if header.continues]
        assert len(continued) == 3
        for one in continued:
            for file in to_builtins(one)["files"]:
                data = (new / file["file"]).read_bytes()
                assert (file["lines"], file["bytes"]) == (data.count(b"\n"), len(data))

    def test_each_writers_lines_are_counted_without_a_gap(self, golden: Callable[[str], Path]) -> None:
        folder = golden()
        cut(folder / "changes.jsonl", 9)
        seqs: dict[str, list[int]] = {}
        for path in Path(repair(folder).folder).glob("*.jsonl"):
            writer = path.name.split(".")[1]
            seqs.setdefault(writer, []).extend(json.loads(line)["seq"] for line in path.read_bytes().splitlines())
        assert all(sorted(found) == list(range(1, len(found) + 1)) for found in seqs.values())


_REPAIR = """
import os, signal, sys
from runfolio import repair
left = int(sys.argv[2])
def trace(event, args):
    global left
    if event in ("open", "os.mkdir", "os.rename", "os.chmod") and "-repaired" in str(args):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(trace)
repair.repair(sys.argv[1])
"""


def test_a_repair_that_is_killed_leaves_nothing_that_is_listed(golden: Callable[[str], Path], root: Path) -> None:
    folder = golden()
    cut(folder / "changes.jsonl", 9)
    before = content(folder)
    killed = 0
    for call in (1, 8, 30, 10_000):
        done = subprocess.run([sys.executable, "-c", _REPAIR, str(folder), str(call)], check=False)
        rows = [row.run_id for row in scan()]
        if done.returncode == -signal.SIGKILL:
            killed += 1
            assert rows == [Run(folder).run_id]
        else:
            assert (done.returncode, sorted(rows)) == (0, sorted([Run(folder).run_id, f"{folder.name}-repaired"]))
            assert verify(root / f"{folder.name}-repaired").is_sound
        assert content(folder) == before
    assert killed == 3 and done.returncode == 0
    assert all(
        path.name.startswith(".")
        for path in root.iterdir()
        if path.name not in (folder.name, f"{folder.name}-repaired")
    )


def test_a_line_is_edited_without_touching_its_other_fields() -> None:
    line = b'{"kind":"x","seq":9,"a":1.0,"b":"\\u00e4 \\"q\\"","c":[ 1 , 2 ],"crc":"00000000"}'
    found = codec.sealed({**codec.fields_of(line), "seq": b"12"})
    codec.check(found.removesuffix(b"\n"))
    assert found[:-19] == line[:-18].replace(b'"seq":9', b'"seq":12')
