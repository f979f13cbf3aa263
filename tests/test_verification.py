"""Verifying a run: what is damage, what is a note, and that nothing of a sound run is either."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from runfolio import Run, Schema, Status, references
from runfolio.errors import FormatError, NotFoundError
from runfolio.limits import MAX_RESULT
from runfolio.repair import repair
from runfolio.verification import verify

from .damage import content, record_interrupted
from .test_history import append, fields_of, lines_of, seal
from .test_schemas import record_every_kind, record_failure, record_pipeline


def found(folder: Path) -> list[str]:
    """The findings, as they are printed."""
    return [str(finding) for finding in verify(folder).findings]


def noted(folder: Path) -> list[str]:
    return [str(note) for note in verify(folder).notes]


def reseal_sums(folder: Path, name: str) -> None:
    """Let SHA256SUMS list a file as it is now."""
    path = folder / "SHA256SUMS"
    lines = path.read_text().splitlines(keepends=True)
    new = f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
    path.write_text("".join(new if line.endswith(f"  {name}\n") else line for line in lines))


def rewrite(folder: Path, name: str, number: int, **fields: object) -> None:
    """Write other fields into a line, soundly, and let SHA256SUMS agree."""
    lines = lines_of(folder / name)
    lines[number] = seal({**fields_of(lines[number]), **fields})
    (folder / name).write_bytes(b"".join(lines))
    reseal_sums(folder, name)


@pytest.fixture
def ended(root: Path, people: pd.DataFrame) -> Path:
    return record_every_kind(root, people)


class TestASoundRun:
    def test_has_no_findings_however_it_was_written(self, root: Path, people: pd.DataFrame, tmp_path: Path) -> None:
        for folder in (record_every_kind(root, people), record_failure(root, people), record_pipeline(tmp_path)):
            assert found(folder) == []
            assert verify(folder).is_sound

    def test_is_told_with_what_was_checked(self, ended: Path) -> None:
        checked = verify(ended)
        files = [path for path in ended.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
        lines = sum(len(lines_of(path)) for path in ended.glob("*.jsonl"))
        assert (checked.lines, checked.files) == (lines, len(files))
        assert checked.bytes == sum(path.stat().st_size for path in files)
        assert (checked.run_id, checked.folder, checked.state) == (ended.name, str(ended), "completed")

    def test_of_every_kind_of_table_has_no_note(self, people: pd.DataFrame) -> None:
        odd = people.assign(c=people["name"].astype("category"), t=pd.Timestamp("2026", tz="UTC"), n=pd.NA)
        with Status() as status:
            status.store_result("frame", odd.set_index("age"))
            status.store_result("labels", odd.rename(columns={"age": 1, "weight": ("w", 2)}))
            status.store_result("series", people["age"])
            status.store_result("arrow", pa.table({"a": [1], "s": [{"x": 1}]}))
            status.store_result(
                "polars", pl.DataFrame({"a": [1], "d": [[1]], "k": pl.Series(["x"], dtype=pl.Categorical)})
            )
            status.store_result("stream", iter([people, people]))
            status.store_result("parts", {"x": {"y": people}, "report": {"rows": 3}})
            status.store_result("empty", pd.DataFrame())
        assert status.folder is not None
        checked = verify(status.folder)
        assert (checked.findings, checked.notes) == ([], [])

    def test_that_goes_on_has_neither_findings_nor_notes(self, status: Status) -> None:
        assert status.folder is not None
        append(status.folder / "changes.jsonl", b'{"kind":"change","seq":99')
        (status.folder / "results" / ".main-000009.1.tmp").touch()
        (status.folder / "results" / "000009-late.parquet").touch()
        checked = verify(status.folder)
        assert (checked.state, checked.findings, checked.notes) == ("in_progress", [], [])

    def test_that_has_ended_is_not_held_against_its_sums_while_a_guest_is_about_to_write_them(
        self, status: Status
    ) -> None:
        assert status.folder is not None
        with Status.join(status.folder) as guest:
            status.complete()
            guest.log("late")
            (status.folder / "SHA256SUMS").unlink()
            assert found(status.folder) == []
        assert found(status.folder) == []

    def test_is_not_written_to(self, ended: Path) -> None:
        before = content(ended)
        verify(ended)
        assert content(ended) == before

    def test_without_tables_needs_neither_pandas_nor_pyarrow(self, root: Path) -> None:
        with Status() as status:
            status.store_result("report", {"a": 1})
        code = (
            f"import sys; from runfolio.verification import verify; verify({str(status.folder)!r}); print(*sys.modules)"
        )
        modules = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert not {"pandas", "pyarrow"} & set(modules)

    def test_with_tables_needs_no_pandas(self, ended: Path) -> None:
        code = f"import sys; from runfolio.verification import verify; verify({str(ended)!r}); print(*sys.modules)"
        modules = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert "pyarrow" in modules and "pandas" not in modules


def flip(path: Path, place: int = 40) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


class TestDamage:
    def test_is_all_that_a_loaded_run_reports_and_more(self, ended: Path) -> None:
        flip(ended / "changes.jsonl")
        (ended / "results" / "000001-loader-csv.parquet").unlink()
        flip(ended / "run.json")
        assert set(Run(ended).damage) < set(verify(ended).findings)

    def test_of_a_line_is_told_by_file_line_and_byte(self, ended: Path) -> None:
        path = ended / "changes.jsonl"
        byte = len(lines_of(path)[0])
        flip(path, byte + 40)
        finding = verify(ended).findings[0]
        assert (finding.file, finding.line, finding.byte) == ("changes.jsonl", 2, byte)
        assert finding.reason == "its checksum does not match"

    def test_of_a_results_file_shows_by_its_digest(self, ended: Path) -> None:
        name = "results/000001-loader-csv.parquet"
        flip(ended / name, 1000)
        assert found(ended)[0] == f"{name}: it is not what was written: its digest is not the line's"

    def test_of_a_file_that_no_line_names_shows_by_the_sums(self, tmp_path: Path) -> None:
        folder = record_pipeline(tmp_path)
        flip(folder / "config.yaml", 3)
        assert found(folder) == ["config.yaml: its digest is not the one in SHA256SUMS"]

    def test_a_file_that_the_sums_list_is_missing(self, tmp_path: Path) -> None:
        folder = record_pipeline(tmp_path)
        (folder / "config.yaml").unlink()
        assert [line for line in found(folder) if "SHA256SUMS" in line] == [
            "config.yaml: it is missing, and SHA256SUMS lists it"
        ]

    def test_a_configuration_that_the_sums_do_not_list(self, ended: Path) -> None:
        (ended / "config.yaml").touch()
        assert found(ended) == ["config.yaml: SHA256SUMS does not list it"]

    def test_sums_are_missing_or_no_sums(self, ended: Path) -> None:
        path = ended / "SHA256SUMS"
        path.write_bytes(path.read_bytes() + b"f00\n" + b"0" * 64 + b"  ../../secret\n")
        byte = path.stat().st_size - 83
        assert found(ended) == [
            f"SHA256SUMS, line {path.read_bytes().count(10) - 1}, byte {byte}: "
            "it is no digest and path of a file of this run",
            "SHA256SUMS: it lists ../../secret, which is the name of no file of a run",
        ]
        path.unlink()
        assert found(ended) == ["SHA256SUMS: it is missing: its writer was stopped just then, or it was removed"]

    @pytest.mark.parametrize(("name", "field"), [("timings.jsonl", "parent_id"), ("events.jsonl", "record_id")])
    def test_a_timing_of_no_line_is_noted_with_its_place(self, ended: Path, name: str, field: str) -> None:
        lines = lines_of(ended / name)
        number = next(index for index, line in enumerate(lines) if fields_of(line).get("type", "log") == "log")
        rewrite(ended, name, number, **{field: "timing-000099"})
        place = f"{name}, line {number + 1}, byte {sum(map(len, lines[:number]))}"
        assert f"{place}: it names the timing timing-000099, which never ended" in noted(ended)
        assert found(ended) == []

    def test_a_restore_to_a_snapshot_that_is_nowhere(self, ended: Path) -> None:
        types = [fields_of(line)["type"] for line in lines_of(ended / "events.jsonl")]
        rewrite(ended, "events.jsonl", types.index("restore"), snapshot_id="snapshot-000099")
        assert any("it names the snapshot snapshot-000099" in line for line in found(ended))

    def test_a_result_of_a_schema_that_is_nowhere(self, ended: Path) -> None:
        parts = fields_of(lines_of(ended / "results.jsonl")[0])["parts"]
        rewrite(ended, "results.jsonl", 0, parts=[{**parts[0], "schema_id": "f00"}])
        assert any(line.startswith("results.jsonl, line 1, byte 0: it names the schema f00") for line in found(ended))

    def test_a_first_line_that_is_no_header_or_names_a_writer_that_is_nowhere(self, ended: Path) -> None:
        header = fields_of(lines_of(ended / "events.jsonl")[0])["context"]
        for fields, reason in [
            (
                {"continues": {"writer": "x7k2", "files": []}},
                "events.jsonl, line 1, byte 0: it goes on for the writer x7k2, which is nowhere in the run",
            ),
            ({"pid": "many"}, "events.jsonl: the first line of writer main is no header"),
        ]:
            rewrite(ended, "events.jsonl", 0, context={**header, **fields})
            assert reason in found(ended)

    def test_a_table_of_other_rows_or_columns_than_its_line_says(self, ended: Path) -> None:
        part = fields_of(lines_of(ended / "results.jsonl")[0])["parts"][0]
        rewrite(ended, "results.jsonl", 0, parts=[{**part, "rows": 4}])
        assert f"{part['file']}: it has 3 rows and 3 columns, and 4 and 3 by its line" in found(ended)

    def test_a_table_that_is_none_and_a_report_that_is_no_json(self, ended: Path) -> None:
        part = fields_of(lines_of(ended / "results.jsonl")[0])["parts"][0]
        for form, what in (("parquet", "it has no footer of a table"), ("json", "it is no JSON report")):
            path = ended / "results" / f"odd.{form}"
            path.write_bytes(b"PAR1 {")
            fields = {
                "file": f"results/odd.{form}",
                "format": form,
                "bytes": 6,
                "sha256": sha256(b"PAR1 {").hexdigest(),
            }
            rewrite(ended, "results.jsonl", 0, parts=[{**part, **fields}])
            assert any(line.startswith(f"results/odd.{form}: {what}") for line in found(ended))

    @pytest.mark.parametrize("name", ["SHA256SUMS", "changes.x.jsonl", "config.yaml", "main.lock", "results/0.parquet"])
    def test_what_is_no_regular_file_is_never_opened(self, ended: Path, tmp_path: Path, name: str) -> None:
        (ended / name).unlink(missing_ok=True)
        os.mkfifo(ended / name)
        checked = verify(ended)
        every = [*checked.findings, *checked.notes]
        assert any(one.file == name and "a pipe, socket or device" in one.reason for one in every)

    def test_a_link_in_the_place_of_a_file_or_of_the_results_is_not_followed(self, ended: Path, tmp_path: Path) -> None:
        shutil.move(ended / "results", tmp_path / "elsewhere")
        (ended / "results").symlink_to(tmp_path / "elsewhere")
        shutil.move(ended / "SHA256SUMS", tmp_path / "sums")
        (ended / "SHA256SUMS").symlink_to(tmp_path / "sums")
        assert "results: it is a symbolic link, and no folder" in found(ended)
        assert "SHA256SUMS: it is a symbolic link, and no regular file" in found(ended)

    def test_of_every_single_flipped_bit_of_a_small_run_is_seen(self, root: Path) -> None:
        with Status(profile="names") as status:
            status.store_result("report", {"a": 1})
        assert status.folder is not None
        chance = random.Random(1)
        for path in sorted(path for path in status.folder.rglob("*") if path.is_file()):
            data = path.read_bytes()
            for place in chance.sample(range(len(data)), min(12, len(data))):
                flip(path, place)
                assert not verify(status.folder).is_sound, f"{path.name}, byte {place}"
                path.write_bytes(data)

    def test_is_listed_up_to_a_bound(self, ended: Path) -> None:
        (ended / "changes.zzzz.jsonl").write_bytes(b"x\n" * 3000)
        assert len(verify(ended).findings) == 1000

    def test_a_newer_format_no_run_and_no_folder_are_errors(self, ended: Path, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="no run folder"):
            verify(tmp_path)
        with pytest.raises(NotFoundError):
            verify("nothing")
        header = fields_of(lines_of(ended / "events.jsonl")[0])["context"]
        rewrite(ended, "events.jsonl", 0, context={**header, "format_version": 99})
        with pytest.raises(FormatError, match="format version 99"):
            verify(ended)


class TestANote:
    def test_tells_of_what_a_killed_process_leaves(self, root: Path) -> None:
        folder = record_interrupted(root)
        (folder / "results" / ".main-000009.1.tmp").touch()
        (folder / "results" / "000009-late.parquet").touch()
        (folder / ".run.json.1.tmp").touch()
        last = fields_of(lines_of(folder / "changes.jsonl")[0])
        seqs = [fields_of(line)["seq"] for path in folder.glob("[a-z]*s.jsonl") for line in lines_of(path)]
        append(folder / "changes.jsonl", seal({**last, "seq": max(seqs) + 1, "snapshot_id": "snapshot-000099"}))
        checked = verify(folder)
        assert (checked.state, checked.findings) == ("interrupted", [])
        changes = lines_of(folder / "changes.jsonl")
        place = f"line {len(changes)}, byte {sum(map(len, changes[:-1]))}"
        assert set(map(str, checked.notes)) == {
            "results/.main-000009.1.tmp: it is a temporary file that was left",
            "results/000009-late.parquet: it is uncommitted: no line names it",
            ".run.json.1.tmp: it is a temporary file that was left",
            f"changes.jsonl, {place}: 1 changes of a step that did not finish",
        }

    def test_tells_of_what_is_no_part_of_the_run(self, ended: Path) -> None:
        (ended / "notes.txt").touch()
        (ended / "more").mkdir()
        (ended / "results" / "Überblick.xlsx").touch()
        assert found(ended) == []
        assert noted(ended) == [
            "more: it is no part of the run: a folder",
            "notes.txt: it is no part of the run: a file",
            "results/Überblick.xlsx: it is no part of the run: a file",
        ]

    def test_tells_of_a_journal_that_grew_after_the_end(self, ended: Path) -> None:
        lines = lines_of(ended / "timings.jsonl")
        seqs = [fields_of(line)["seq"] for path in ended.glob("[a-z]*s.jsonl") for line in lines_of(path)]
        append(ended / "timings.jsonl", seal({**fields_of(lines[0]), "seq": max(seqs) + 1, "record_id": "late"}))
        assert (found(ended), noted(ended)) == ([], ["timings.jsonl: it grew after the run's end"])

    def test_tells_of_lines_of_a_later_version(self, ended: Path) -> None:
        seqs = [fields_of(line)["seq"] for path in ended.glob("[a-z]*s.jsonl") for line in lines_of(path)]
        (ended / "samples.jsonl").write_bytes(seal({"kind": "sample", "seq": max(seqs) + 1}))
        assert found(ended) == []
        assert noted(ended) == [
            ".: 1 lines of a kind that this version does not know",
            "samples.jsonl: SHA256SUMS does not list it",
        ]

    def test_tells_of_a_schema_that_the_user_gave_for_another_table(self, people: pd.DataFrame) -> None:
        with Status() as status:
            status.store_result("names", people, schema=Schema.from_data(people.rename(columns={"age": "years"})))
            status.store_result("rows", people, schema=Schema.from_data(people[:1]))
            status.store_result("dtype", people, schema=Schema.from_data(people.astype({"age": "float64"})))
        assert status.folder is not None and found(status.folder) == []
        assert [line.partition(": ")[2] for line in noted(status.folder)] == [
            "it has other names of columns than its schema",
            "it has 3 rows and 3 columns, and 1 and 3 by its schema",
            "it has a column 'age' of dtype int64, which is float64 by its schema",
        ]


def test_what_was_cut_off_an_ended_run_is_still_told_once_it_was_resumed(tmp_path):
    status = Status(root=tmp_path)
    for number in range(5):
        status.record_change("UPDATE", str(number))
    status.fail("on purpose")
    path = status.folder / "changes.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    told = [one for one in verify(status.folder).findings if one.file == "changes.jsonl" and "cut" in one.reason]
    with Status.resume(status.folder) as again:
        again.record_change("UPDATE", "later")
    after = verify(again.folder)
    assert len(told) == 1 and told[0] in after.findings
    assert verify(repair(again.folder).folder).findings == []


@pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
def test_a_copy_of_an_ended_run_is_checked_whole_though_a_lock_in_it_looks_young(tmp_path):
    code = "import os, sys; from runfolio import Status; s = Status(root=sys.argv[1]); s.log('x'); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "runs")], check=True)
    (folder,) = (tmp_path / "runs").iterdir()
    with Status.resume(folder):
        pass
    assert list(folder.glob("*.lock")), "that of the process which was stopped"
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    (copy / "SHA256SUMS").unlink()
    assert [one.file for one in verify(copy).findings] == ["SHA256SUMS"]
    assert verify(repair(copy).folder).findings == []


def test_a_timing_that_was_begun_and_never_ended_is_a_note(tmp_path):
    with Status() as status:
        status.start_timing("Loader", "csv", "read")
        status.log("inside of it")
        with status.step("Loader", "csv"):
            pass
    assert found(status.folder) == []
    assert [note for note in noted(status.folder) if "it names the timing timing-000001, which never ended" in note]


def test_a_result_that_is_larger_than_may_be_read_is_no_damage(people, monkeypatch):
    with Status() as status:
        status.store_result("people", people)
    monkeypatch.setenv(MAX_RESULT, "10")
    assert (found(status.folder), noted(status.folder)) == ([], [])


def test_a_journal_with_a_hole_is_not_read_through(ended: Path) -> None:
    path = ended / "changes.jsonl"
    size = path.stat().st_size
    os.truncate(path, 2**40)
    assert found(ended)[-1] == f"changes.jsonl, byte {-(-size // 4096) * 4096}: it has a hole"


def test_without_a_free_descriptor_nothing_is_called_damaged(ended: Path) -> None:
    verify(ended)
    code = (
        "import os, resource, sys\nfrom runfolio import load_run\nfrom runfolio.errors import FormatError\n"
        "from runfolio.verification import verify\nverify(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\nheld = []\ntry:\n"
        "    while True: held.append(os.open('/dev/null', 0))\nexcept OSError: pass\n"
        "answers = []\nwhile held:\n    for read in (verify, load_run):\n"
        "        try: found = read(sys.argv[1])\n        except FormatError as error: found = error\n"
        "        answers.append('Too many' in str(found) if isinstance(found, FormatError) else\n"
        "            not (found.damage if read is load_run else found.findings))\n"
        "    os.close(held.pop())\nprint(len(answers), all(answers))"
    )
    command = [sys.executable, "-c", code, str(ended)]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (told.stdout.split()[1:], told.stderr) == (["True"], "")


def test_results_that_come_while_a_live_run_is_verified_are_no_damage(status, people, monkeypatch):
    fresh = Status()
    fresh.start()
    real = references.dangling

    def meanwhile(run: Run):
        fresh.store_result("people", people)
        return real(run)

    monkeypatch.setattr(references, "dangling", meanwhile)
    assert found(fresh.folder) == []
    fresh.complete()
