"""What a reader meets in a folder: unfinished lines, unknown fields and kinds, damage, lost lines, several writers."""

from __future__ import annotations

import errno
import json
import re
import shutil
import warnings
from pathlib import Path
from zlib import crc32

import pytest

from runfolio import Run, Status, journal, load_run
from runfolio.errors import DamageError, DamageWarning, FormatError
from runfolio.history import History


def seal(fields: dict) -> bytes:
    """A line as the format's documentation has it, not as runfolio writes it."""
    body = json.dumps(fields, separators=(",", ":")).encode()[:-1]
    return body + b',"crc":"%08x"}\n' % crc32(body)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def fields_of(line: bytes) -> dict:
    fields = json.loads(line)
    del fields["crc"]
    return fields


def append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)


def load_damaged(folder: Path):
    with pytest.warns(DamageWarning, match=r"see run\.damage"):
        return load_run(folder)


@pytest.fixture
def ended(status: Status) -> Path:
    status.log("first")
    status.log("second")
    status.complete()
    assert status.folder is not None
    return status.folder


class TestUnfinishedLine:
    def test_of_a_live_run_is_not_there_yet(self, status):
        append(status.folder / "changes.jsonl", b'{"kind":"change","seq":99')
        run = load_run(status.folder)
        assert len(run.changes) == 7 and run.damage == []

    def test_of_a_dead_run_is_reported_and_no_error(self, ended):
        append(ended / "changes.jsonl", b'{"kind":"change","seq":99')
        run = load_damaged(ended)
        assert len(run.changes) == 7 and run.state == "completed"
        (finding,) = run.damage
        size = (ended / "changes.jsonl").stat().st_size
        assert (finding.file, finding.line, finding.byte) == ("changes.jsonl", 8, size - 25)
        assert "torn" in finding.reason

    def test_is_read_once_it_is_finished(self, status):
        path = status.folder / "events.jsonl"
        run = load_run(status.folder)
        before = len(run.events)
        status.log("late")
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert len(run.refresh().events) == before
        path.write_bytes(whole)
        assert run.refresh().events[-1].message == "late"

    def test_of_nul_bytes_as_a_power_cut_leaves_is_torn(self, ended):
        append(ended / "timings.jsonl", bytes(300))
        assert "torn" in load_damaged(ended).damage[0].reason


class TestUnknown:
    def test_fields_are_ignored(self, status):
        path = status.folder / "events.jsonl"
        fields = fields_of(lines_of(path)[-1])
        append(path, seal({**fields, "seq": last_seq(status.folder) + 1, "colour": "green"}))
        run = load_run(status.folder)
        assert run.damage == [] and run.events[-1].type == fields["type"]

    def test_types_of_events_are_kept(self, status):
        path = status.folder / "events.jsonl"
        fields = fields_of(lines_of(path)[-1])
        append(path, seal({**fields, "seq": last_seq(status.folder) + 1, "type": "note"}))
        run = load_run(status.folder)
        assert run.damage == [] and run.events[-1].type == "note"

    def test_kinds_are_kept_as_opaque(self, status):
        line = {"kind": "metric", "seq": last_seq(status.folder) + 1, "value": 0.5}
        append(status.folder / "metrics.jsonl", seal(line))
        run = load_run(status.folder)
        assert run.damage == [] and len(run.snapshots) == 5
        (opaque,) = run.opaque
        assert (opaque.kind, opaque["seq"], opaque.fields["value"]) == ("metric", line["seq"], 0.5)

    def test_a_newer_format_is_a_clear_error(self, ended):
        path = ended / "run.json"
        path.write_bytes(seal({**fields_of(path.read_bytes()), "format_version": 2}))
        with pytest.raises(FormatError, match="format version 2, and this runfolio reads up to 1.*upgrade") as caught:
            load_run(ended)
        assert caught.value.file == str(path)

    def test_a_newer_format_is_seen_even_where_its_manifest_has_another_form(self, ended):
        (ended / "run.json").write_bytes(b'{"format_version":7}\n')
        with pytest.raises(FormatError, match="format version 7"):
            load_run(ended)

    def test_a_newer_format_whose_lines_end_in_a_checksum_is_told_from_a_flipped_bit(self, ended):
        path = ended / "run.json"
        data = path.read_bytes()
        path.write_bytes(seal({"kind": "run", "format_version": 9, "is": "another form"}))
        with pytest.raises(FormatError, match="format version 9"):
            load_run(ended)
        path.write_bytes(data.replace(b'"format_version":1', b'"format_version":9'))
        run = load_damaged(ended)
        assert "checksum does not match" in run.damage[0].reason and len(run.changes) == 7

    def test_a_newer_format_of_another_writers_segment_is_too(self, ended):
        header = fields_of(lines_of(ended / "events.jsonl")[0])
        header["context"]["format_version"] = 3
        append(ended / "events.abc.jsonl", seal({**header, "seq": 1}))
        with pytest.raises(FormatError, match="format version 3"):
            load_run(ended)


class TestDamage:
    def test_in_the_middle_is_loud_and_hides_nothing_else(self, ended):
        path = ended / "changes.jsonl"
        lines = lines_of(path)
        damaged = lines[3].replace(b"UPDATE", b"DELETE")
        assert damaged != lines[3]
        path.write_bytes(b"".join([*lines[:3], damaged, *lines[4:]]))
        run = load_damaged(ended)
        assert [change.change_id for change in run.changes] == [f"change-00000{n}" for n in (1, 2, 3, 5, 6, 7)]
        bad, lost = run.damage
        assert (bad.file, bad.line, bad.byte) == ("changes.jsonl", 4, sum(map(len, lines[:3])))
        assert "checksum does not match" in bad.reason
        assert "a record is lost: seq" in lost.reason

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"\n", "does not end in a checksum"),
            (b"no json at all\n", "does not end in a checksum"),
            (b'\xff\xfe,"crc":"%08x"}\n' % crc32(b"\xff\xfe"), "no JSON object"),
            (seal({"kind": "change", "seq": 3}), "no change: .*missing required field"),
            (seal({"kind": "change"}), "it has no kind and seq"),
            (b'{"a":' * 2000 + b',"crc":"%08x"}\n' % crc32(b'{"a":' * 2000), "no JSON object"),
        ],
    )
    def test_of_any_sort_names_its_line_and_its_reason(self, ended, line, reason):
        path = ended / "changes.jsonl"
        lines = lines_of(path)
        path.write_bytes(b"".join([*lines, line]))
        with pytest.warns(DamageWarning):
            run = load_run(ended)
        assert len(run.changes) == 7
        assert run.damage[0].line == 8
        assert re.search(reason, run.damage[0].reason)

    def test_warns_once_however_much_there_is(self, ended):
        for name in ("changes.jsonl", "timings.jsonl"):
            append(ended / name, b"x\ny\n")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = load_run(ended)
            assert run.changes and run.timing_records and run.damage
        assert [w.category for w in caught] == [DamageWarning]
        assert "and 3 more" in str(caught[0].message)

    def test_a_line_in_the_journal_of_another_kind_is_told(self, status):
        one, other = status.folder / "changes.jsonl", status.folder / "snapshots.jsonl"
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
        run = load_damaged(status.folder)
        assert (run.changes, run.snapshots, run.opaque) == ([], [], [])
        assert run.damage[0].reason == "it is a snapshot, in a journal of another kind"
        assert (run.damage[0].file, run.damage[0].line) == ("changes.jsonl", 1)

    def test_a_line_that_stands_again_at_the_end_hides_nothing_behind_a_gap(self, status):
        for message in ("first", "second", "third"):
            status.log(message)
        path = status.folder / "events.jsonl"
        *before, first, _, third = lines_of(path)
        path.write_bytes(b"".join([*before, first, third, before[0]]))
        run = load_damaged(status.folder)
        assert [event.message for event in run.events if event.type == "log"] == ["first", "third"]

    def test_a_line_that_stands_twice_counts_once(self, ended):
        path = ended / "changes.jsonl"
        append(path, lines_of(path)[2])
        run = load_damaged(ended)
        assert len(run.changes) == 7 and "stands twice" in run.damage[0].reason

    def test_a_whole_journal_that_is_gone_is_noticed(self, ended):
        (ended / "timings.jsonl").unlink()
        run = load_damaged(ended)
        assert run.timing_records == [] and len(run.changes) == 7
        assert (
            str(run.damage[0])
            == "timings.jsonl: it is missing, with 2 lines and " + str(run.damage[0]).rpartition("and ")[2]
        )

    def test_a_cut_between_two_lines_of_an_ended_run_is_noticed(self, ended):
        path = ended / "events.jsonl"
        lines = lines_of(path)
        path.write_bytes(b"".join(lines[:-1]))
        run = load_damaged(ended)
        assert [finding.reason for finding in run.damage if "cut" in finding.reason]
        assert run.state == "interrupted"

    def test_a_damaged_manifest_loses_nothing(self, ended):
        path = ended / "run.json"
        path.write_bytes(path.read_bytes().replace(b"completed", b"competent"))
        run = load_damaged(ended)
        assert run.state == "completed" and run.name == "people" and len(run.changes) == 7
        assert run.damage[0].file == "run.json"

    def test_a_manifest_without_its_last_byte_is_told(self, ended):
        path = ended / "run.json"
        path.write_bytes(path.read_bytes()[:-1])
        assert load_damaged(ended).damage[0].reason == "its last newline is missing"

    @pytest.mark.parametrize("name", ["run.json", "events.jsonl"])
    def test_a_file_of_another_run_is_told(self, ended, name):
        with Status(name="people") as other:
            other.log("of another run")
        (ended / name).write_bytes((other.folder / name).read_bytes())
        reasons = [str(finding) for finding in load_damaged(ended).damage]
        assert f"run.json: it is of another run, {other.run_id if name == 'run.json' else ended.name}" in reasons

    def test_a_missing_manifest_loses_nothing(self, ended):
        (ended / "run.json").unlink()
        run = load_damaged(ended)
        assert run.state == "completed" and run.run_id == ended.name

    def test_a_manifest_that_is_no_file_hides_nothing(self, ended):
        (ended / "run.json").unlink()
        (ended / "run.json").mkdir()
        run = load_damaged(ended)
        assert len(run.changes) == 7 and "no regular file" in run.damage[0].reason

    def test_a_manifest_that_missed_the_end_is_told(self, ended):
        path = ended / "run.json"
        path.write_bytes(seal({**fields_of(path.read_bytes()), "state": "in_progress", "segments": []}))
        assert "does not know that the run has ended" in load_damaged(ended).damage[0].reason

    def test_a_cut_of_a_segment_that_another_goes_on_for_is_noticed(self, status):
        header = fields_of(lines_of(status.folder / "events.jsonl")[0])
        left = [{"file": "changes.jsonl", "lines": 9, "bytes": 99_999}]
        header["context"] |= {"writer": "w2", "continues": {"writer": "main", "files": left}}
        append(status.folder / "events.w2.jsonl", seal({**header, "seq": 1, "event_id": "event-w2-000001"}))
        assert "cut: 7 lines" in load_damaged(status.folder).damage[0].reason

    @pytest.mark.parametrize("size", [2**62, 10**40, -5])
    def test_a_result_of_an_absurd_size_is_damage(self, ended, size):
        path = ended / "results.jsonl"
        lines = lines_of(path)
        fields = fields_of(lines[0])
        fields["parts"][0]["bytes"] = size
        path.write_bytes(seal(fields) + lines[1])
        run = Run(ended)
        assert "Loader[csv]_Preprocessor[drop_na]" in run.results
        if "Loader[csv]" in run.results:
            with pytest.raises(DamageError):
                run.results["Loader[csv]"]["data"]

    def test_a_result_without_parts_is_no_result(self, ended):
        path = ended / "results.jsonl"
        lines = lines_of(path)
        path.write_bytes(seal({**fields_of(lines[0]), "parts": []}) + lines[1])
        run = load_damaged(ended)
        assert "no result: Expected `array` of length >= 1" in run.damage[0].reason
        assert list(run.get_data_by_module(["Loader", "Preprocessor"])) == ["Preprocessor"]

    def test_a_result_of_parts_with_and_without_names_comes_without_its_names(self, ended):
        path = ended / "results.jsonl"
        lines = lines_of(path)
        fields = fields_of(lines[0])
        (part,) = fields["parts"]
        path.write_bytes(seal({**fields, "parts": [{**part, "name": "a"}, part]}) + lines[1])
        assert list(Run(ended).get_data_by_module("Loader")) == ["Loader"]

    def test_a_time_out_of_all_bounds_is_none_in_a_table_of_timings(self, ended):
        path = ended / "timings.jsonl"
        first, *rest = lines_of(path)
        path.write_bytes(seal({**fields_of(first), "start_time": "0001-01-01T00:00:00+23:59"}) + b"".join(rest))
        timing = Run(ended).get_timing()
        assert timing["start_time"].isna().to_list() == [True, False]
        assert str(timing["start_time"].dtype) == "datetime64[us, UTC]"

    def test_a_path_of_another_form_is_no_path(self, status):
        path = status.folder / "snapshots.jsonl"
        fields = fields_of(lines_of(path)[-1])
        fields |= {"seq": last_seq(status.folder) + 1, "context": {"point": "after", "path": [{"module_name": ["q"]}]}}
        append(path, seal(fields))
        assert load_run(status.folder).get_full_expt() == {}

    def test_a_lock_of_any_content_is_read(self, ended):
        (ended / "main.lock").write_bytes(b'{"x":' + b"[" * 4000)
        assert load_run(ended).state == "completed"

    def test_a_missing_schema_is_named(self, ended):
        path = ended / "schemas.jsonl"
        path.write_bytes(b"".join(lines_of(path)[:1]))
        run = load_damaged(ended)
        assert any("is named by a snapshot and is in no journal" in finding.reason for finding in run.damage)
        assert run.get_metadata("Loader") is not None

    def test_a_journal_that_is_a_folder_is_reported(self, ended):
        (ended / "metrics.jsonl").mkdir()
        assert "no regular file" in load_damaged(ended).damage[0].reason

    def test_a_journal_that_is_a_link_is_not_followed(self, ended, tmp_path):
        (tmp_path / "elsewhere.jsonl").write_bytes(lines_of(ended / "changes.jsonl")[0])
        (ended / "changes.x.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
        assert "a symbolic link" in load_damaged(ended).damage[0].reason

    @pytest.mark.parametrize("damage", ["flip", "cut", "gone", "link"])
    def test_of_a_result_raises_when_its_data_is_asked_for(self, ended, damage, tmp_path):
        path = next((ended / "results").glob("000001-*"))
        data = path.read_bytes()
        path.unlink()
        if damage == "flip":
            path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        elif damage == "cut":
            path.write_bytes(data[:-5])
        elif damage == "link":
            (tmp_path / "copy").write_bytes(data)
            path.symlink_to(tmp_path / "copy")
        run = Run(ended)
        if damage != "flip":
            assert [finding.file for finding in run.damage] == ["results/000001-loader-csv.parquet"]
        result = run.results["Loader[csv]"]
        assert result["schema"].rows == 3
        with pytest.raises(DamageError, match=r"the result file .*000001-loader-csv.parquet") as caught:
            result["data"]
        assert caught.value.file == str(path)
        assert run.results["Loader[csv]_Preprocessor[drop_na]"]["data"].shape == (1, 5)

    def test_a_path_that_leaves_the_folder_is_refused(self, ended):
        path = ended / "results.jsonl"
        lines = lines_of(path)
        fields = fields_of(lines[0])
        fields["parts"][0]["file"] = "results/../../../etc/passwd"
        path.write_bytes(seal(fields) + lines[1])
        with pytest.raises(DamageError, match="is no result file's path"):
            load_damaged(ended).results["Loader[csv]"]["data"]


class TestSeveralWriters:
    """Segments of a second writer, made by hand as the format has them."""

    @pytest.fixture
    def folder(self, ended: Path) -> Path:
        header = fields_of(lines_of(ended / "events.jsonl")[0])
        first, last = (fields_of(line) for line in (lines_of(ended / "events.jsonl")[i] for i in (0, -1)))
        assert first["timestamp"] < last["timestamp"]
        early = {**header, "seq": 1, "event_id": "event-w2-000001", "timestamp": first["timestamp"]}
        early["context"] = {**header["context"], "writer": "w2"}
        log = {**header, "type": "log", "seq": 2, "event_id": "event-w2-000002", "context": {}, "message": "from w2"}
        late = {**log, "seq": 4, "event_id": "event-w2-000003", "timestamp": "2999-01-01T00:00:00.000000Z"}
        change = fields_of(lines_of(ended / "changes.jsonl")[0])
        append(ended / "events.w2.jsonl", seal(early) + seal({**log, "timestamp": first["timestamp"]}) + seal(late))
        append(ended / "changes.w2.jsonl", seal({**change, "seq": 3, "change_id": "change-w2-000001"}))
        return ended

    def test_are_merged_by_time(self, folder):
        ids = [event.event_id for event in load_run(folder).events]
        assert ids[:3] == ["event-000001", "event-w2-000001", "event-w2-000002"]
        assert ids[-1] == "event-w2-000003"

    def test_that_another_writer_began_is_told(self, folder):
        (folder / "events.w2.jsonl").rename(folder / "events.w3.jsonl")
        reasons = [finding.reason for finding in load_damaged(folder).damage]
        assert f"it is of writer w2 of the run {folder.name}" in reasons

    @pytest.mark.parametrize("writer", [[], {}, 5, None, "main", "w2", "nobody"])
    def test_may_go_on_for_what_is_no_writer(self, folder, writer):
        path = folder / "events.w2.jsonl"
        lines = [fields_of(line) for line in lines_of(path)]
        lines[0]["context"]["continues"] = {"writer": writer}
        path.write_bytes(b"".join(map(seal, lines)))
        assert len(Run(folder).changes) == 8

    def test_are_read_for_every_kind(self, folder):
        run = load_run(folder)
        assert len(run.changes) == 8 and run.damage == []

    def test_keep_the_order_of_their_own_seq_where_a_clock_was_set_back(self, folder):
        path = folder / "events.w2.jsonl"
        lines = [fields_of(line) for line in lines_of(path)]
        lines[2]["timestamp"] = "1999-01-01T00:00:00.000000Z"
        path.write_bytes(b"".join(map(seal, lines)))
        ids = [event.event_id for event in load_run(folder).events if "w2" in event.event_id]
        assert ids == ["event-w2-000001", "event-w2-000002", "event-w2-000003"]

    def test_a_timing_recorded_with_a_time_to_come_does_not_move_its_writer(self, folder):
        path = folder / "timings.jsonl"
        lines = [fields_of(line) for line in lines_of(path)]
        lines[0]["end_time"] = "2998-01-01T00:00:00.000000Z"
        path.write_bytes(b"".join(map(seal, lines)))
        run = Run(folder)
        assert [event.event_id for event in run.events][-1] == "event-w2-000003"
        then = run.at(run.snapshots[-1].snapshot_id)
        assert len(then.results) == 2

    def test_getters_of_different_kinds_agree_on_the_order(self, folder):
        run = load_run(folder)
        stream = run._see().of("event", "change")
        events = [record for record in stream if type(record).__name__ == "Event"]
        assert events == run.events and [r for r in stream if r not in events] == run.changes

    def test_a_lost_line_of_one_is_told_with_its_writer(self, folder):
        (folder / "changes.w2.jsonl").unlink()
        assert "seq 3 of writer w2" in load_damaged(folder).damage[0].reason

    def test_at_takes_of_others_what_came_before(self, folder):
        run = load_run(folder)
        then = run.at(run.snapshots[-1].snapshot_id)
        assert "event-w2-000002" in [event.event_id for event in then.events]
        assert "event-w2-000003" not in [event.event_id for event in then.events]


class TestReadingOn:
    def test_a_gap_is_held_back_until_it_is_filled(self, status):
        """What a reader sees that read one journal before, and another after two lines were written."""
        folder = status.folder
        copy = folder.with_name("copy")
        shutil.copytree(folder, copy)
        history = History(copy)
        history.refresh()
        before = {name: (folder / name).stat().st_size for name in ("changes.jsonl", "events.jsonl")}
        status.log("first")
        change = status.record_change("UPDATE", "age")
        status.log("last")
        new = (folder / "events.jsonl").read_bytes()[before["events.jsonl"] :].splitlines(keepends=True)
        reader = history._readers["main"]
        held = {"event": history._readers["main"]._decode("event", reader.tails["event"], lines_from(new))}
        given = reader._without_gaps(held, held["event"][0].seq)
        assert [record.message for record in given["event"]] == ["first"]
        append(copy / "events.jsonl", b"".join(new))
        append(copy / "changes.jsonl", (folder / "changes.jsonl").read_bytes()[before["changes.jsonl"] :])
        fresh = History(copy)
        fresh.refresh()
        assert fresh.timeline.of("change")[-1] == change and fresh.findings == []

    def test_a_loaded_run_answers_as_of_its_loading_until_it_is_refreshed(self, status):
        run = load_run(status.folder)
        before = len(run.events)
        status.log("later")
        assert len(run.events) == before
        assert len(run.refresh().events) == before + 1

    def test_what_is_no_run_folder_is_refused(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(FormatError, match="is no run folder"):
            load_run(tmp_path / "empty")


def lines_from(lines: list[bytes]):
    from runfolio.journal import Lines

    return Lines(1, 0, [line.rstrip(b"\n") for line in lines])


def last_seq(folder: Path) -> int:
    return max(fields_of(line)["seq"] for path in folder.glob("*.jsonl") for line in lines_of(path))


@pytest.mark.parametrize("writer", ["aaaaaaaa", "zzzzzzzz"])
@pytest.mark.parametrize("lost", ["main", "guest"])
def test_a_schema_that_is_lost_in_one_journal_is_taken_from_another_writers(
    status, people, monkeypatch, writer, lost
) -> None:
    monkeypatch.setattr("runfolio.layout.token", lambda length: writer)
    with Status.join(status.folder) as guest, guest.step("Guest", "g", data=people) as step:
        step.result(people)
    status.complete()
    module = "Guest" if lost == "guest" else "Loader"
    wanted = [snapshot.metadata for snapshot in load_run(status.folder).get_snapshots(module)]
    name = "schemas.jsonl" if lost == "main" else f"schemas.{writer}.jsonl"
    lines = lines_of(status.folder / name)
    (status.folder / name).write_bytes(b"".join(lines[1:]))
    run = load_damaged(status.folder)
    assert [snapshot.metadata for snapshot in run.get_snapshots(module)] == wanted
    assert not any("is named by a snapshot" in finding.reason for finding in run.damage)


def test_a_journal_that_can_not_be_opened_for_a_moment_is_an_error_and_then_whole(status, monkeypatch):
    run, real = load_run(status.folder), journal.open_regular

    def barred(path: Path) -> int:
        if path.name == "changes.jsonl":
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path)

    status.record_change("UPDATE", "last")
    status.log("behind it")
    monkeypatch.setattr(journal, "open_regular", barred)
    with pytest.raises(FormatError, match="Too many open files; close some files"):
        run.refresh()
    monkeypatch.setattr(journal, "open_regular", real)
    assert (run.refresh().changes[-1].target, run.damage) == ("last", [])
