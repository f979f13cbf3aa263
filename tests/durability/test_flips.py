"""Flipped bits and overwritten bytes: a reader gives the golden answers, or says what is damaged, and lacks no more.

What no checksum covers is counted apart (`damage.is_unread`): nothing that a getter answers comes from there.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from runfolio import Status, codec
from runfolio.catalog import RunRow, scan
from runfolio.cli.commands import commands
from runfolio.errors import DamageError

from . import damage, forked, golden, oracle
from .damage import Counts
from .golden import Golden, Line

SEED = 502
BITS = [1 << bit for bit in range(8)]


@pytest.fixture
def run(size, tmp_path: Path) -> Golden:
    """A run with less than 5 kB of journals, or with 17 kB."""
    form = size("small", "ended")
    return golden.record(form, tmp_path / form)


@pytest.fixture
def table(size, tmp_path: Path) -> Golden:
    """A run with one larger table."""
    rows, numbers = size(300, 3000), np.random.default_rng(SEED)
    frame = pd.DataFrame({"x": numbers.normal(size=rows), "t": numbers.choice(["a", "b", None], rows)})
    with Status(root=tmp_path / "table", clock=golden.fixed_clock()) as status, status.step("Loader", "a") as step:
        step.result(frame)
    assert status.folder is not None
    return golden.as_written(status.folder)


def touched(run: Golden, name: str, data: bytes | bytearray) -> list[Line]:
    """The lines that no longer stand whole in this data."""
    whole, before = set(bytes(data).split(b"\n")[:-1]), run.files[name]
    return [line for line in run.lines.get(name, []) if before[line.begin : line.end - 1] not in whole]


def is_read_otherwise(run: Golden, data: bytes, lost: list[Line]) -> bool:
    """Whether a reader that does not look at checksums takes a damaged line for a record that was not written."""
    for line in lost:
        written = next(one for one in run.streams[line.writer][line.kind] if one.seq == line.seq)
        try:
            found = msgspec.json.decode(data[line.begin : line.end], type=codec.LINE_TYPES[line.kind])
        except (ValueError, msgspec.DecodeError):
            continue
        if damage.without_metadata(found) != damage.without_metadata(written):
            return True
    return False


class TestABit:
    def test_of_a_journal_is_told_and_takes_its_line_alone(self, run, tally):
        counts, missed = Counts(), 0
        for name in run.lines:
            data = bytearray(run.files[name])
            with damage.opened(run, name) as fd:
                for offset, bit in ((offset, bit) for offset in range(len(data)) for bit in BITS):
                    data[offset] ^= bit
                    damage.overwrite(fd, data, offset, 1)
                    lost = touched(run, name, data)
                    assert lost, "the fault did not fire"
                    counts.judge(run, (name,), lost)
                    missed += is_read_otherwise(run, data, lost)
                    data[offset] ^= bit
                    damage.overwrite(fd, data, offset, 1)
        assert missed
        tally(
            test=f"each bit of {sum(len(run.files[name]) for name in run.lines)} bytes of journals flipped",
            acknowledged=run.records,
            control=f"a reader without checksums gave other records for {missed}",
            **counts.row(),
        )

    @pytest.mark.parametrize("form", golden.FORMS)
    def test_of_any_other_file_changes_no_answer_untold(self, form, tmp_path, size, tally):
        run, counts, missed = golden.record(form, tmp_path / form), Counts(), 0
        whole = rows_of(run)
        for name in (name for name in run.files if name not in run.lines and not name.endswith(".parquet")):
            data = bytearray(run.files[name])
            with damage.opened(run, name) as fd:
                for offset in range(0, len(data), size(stride(form, name), 1)):
                    for bit in BITS:
                        data[offset] ^= bit
                        damage.overwrite(fd, data, offset, 1)
                        if name.startswith("results/"):
                            counts["faults"] += 1
                            counts.judge_data(run, name)
                        else:
                            counts.judge(run, (name,), [])
                        if name == "run.json":
                            rows = rows_of(run)
                            counts["silent"] += rows != whole and not rows[0].damage
                            missed += is_other_manifest(run, data)
                        data[offset] ^= bit
                        damage.overwrite(fd, data, offset, 1)
        assert missed
        tally(
            test=f"each bit of run.json, reports and all other files of a run {form} flipped{counts}",
            acknowledged=run.records,
            control=f"a reader without checksums took {missed} for another run.json",
            **counts.row(),
        )

    @pytest.mark.parametrize("name", ["config.yaml", "SHA256SUMS"])
    def test_of_what_no_getter_reads_is_told_by_verify(self, name, tmp_path, size, tally):
        run, trials, silent = golden.record("pipeline", tmp_path / "pipeline"), 0, 0
        data, missed = run.files[name], 0
        for offset in range(0, len(data), size(31, 1)):
            for bit in BITS:
                flipped = data[:offset] + bytes([data[offset] ^ bit]) + data[offset + 1 :]
                with damage.changed(run, {name: flipped}):
                    trials += 1
                    silent += not damage.is_told_by_verify(run) and flipped.lower() != data
                    missed += not oracle.read(run.folder).damage
        tally(
            test=f"each bit of {name} flipped, and verify called",
            trials=trials,
            faults=trials,
            acknowledged=None,
            silent=silent,
            control=f"load_run, which does not read it, missed {missed}",
        )

    def test_of_a_table_is_told_when_its_data_is_asked_for(self, table, tally):
        (stored,) = oracle.read(table.folder).results.values()
        name, chosen, silent, uncaught = stored.record.parts[0].file, random.Random(SEED), 0, 0
        data = bytearray(table.files[name])
        flips = [(offset, chosen.choice(BITS)) for offset in range(len(data))]
        with damage.opened(table, name) as fd:
            for offset, bit in flips:
                data[offset] ^= bit
                damage.overwrite(fd, data, offset, 1)
                try:
                    (stored.read, stored.dataset, lambda: next(iter(stored.batches(size=9))))[offset % 3]()
                    silent += 1
                except DamageError:
                    pass
                except Exception:  # noqa: BLE001  (that there is none is what the test is about)
                    uncaught += 1
                data[offset] ^= bit
                damage.overwrite(fd, data, offset, 1)
        assert damage.same(stored.read(), table.data[stored.record.key])
        missed = tables_read_otherwise(table, name, flips[:: max(len(flips) // 500, 1)])
        assert missed
        tally(
            test="one bit of each byte of a Parquet file flipped",
            trials=len(flips),
            faults=len(flips),
            acknowledged=None,
            silent=silent,
            uncaught=uncaught,
            control=f"pyarrow without the digest gave other values for {missed} of 500",
            seed=SEED,
        )


class TestOverwrittenBytes:
    @pytest.mark.parametrize("form", golden.FORMS)
    def test_of_any_file_are_told_and_take_their_lines_alone(self, form, tmp_path, size, tally):
        run, counts, missed = golden.record(form, tmp_path / form), Counts(), 0
        chosen = random.Random(f"{SEED}-{form}")
        names = list(run.files)
        while counts["faults"] < size(800, 40_000):
            name = chosen.choice(names)
            data = corrupted(run.files[name], chosen)
            lost = touched(run, name, data)
            if data == run.files[name] or (name in run.lines and not lost):
                continue
            with damage.changed(run, {name: data}):
                if name.startswith("results/"):
                    counts["faults"] += 1
                    counts.judge_data(run, name)
                    continue
                counts.judge(run, (name,), lost)
                missed += is_read_otherwise(run, data, lost)
        assert missed
        tally(
            test=f"random bytes of the files of a run {form} overwritten{counts}",
            acknowledged=run.records,
            control=f"a reader without checksums gave other records for {missed}",
            seed=SEED,
            **counts.row(),
        )

    def test_never_keep_the_command_line_from_answering(self, tmp_path, monkeypatch, size):
        run = golden.record("resumed", tmp_path / "resumed")
        monkeypatch.setenv("RUNFOLIO_RUNS", str(run.folder.parent))
        chosen = random.Random(SEED)
        whole = json.loads(CliRunner().invoke(commands, ["show", "latest", "--json"]).stdout)
        for _ in range(size(150, 3000)):
            name = chosen.choice(list(run.files))
            data = corrupted(run.files[name], chosen)
            if data == run.files[name] or (name in run.lines and not touched(run, name, data)):
                continue
            with damage.changed(run, {name: data}):
                found = {what: CliRunner().invoke(commands, what.split()) for what in COMMANDS}
            for what, result in found.items():
                assert result.exit_code in (0, 1), (what, name, data)
                assert result.exception is None or isinstance(result.exception, SystemExit), (what, name, data)
            shown = json.loads(found["show latest --json"].stdout)
            if name in run.lines or name == "run.json":
                assert shown["damage"], (name, data)
            elif not damage.is_unread(name):
                assert shown["steps"] == whole["steps"], (name, data)


def stride(form: str, name: str) -> int:
    """Of how many bytes of a file one is flipped in the small size: of all where a reader depends on each."""
    if damage.is_unread(name):
        return 101
    return 1 if form == "small" or name.startswith("results/") else 17


COMMANDS = ("ls --json", "show latest --json", "ls", "show latest")


def rows_of(run: Golden) -> list[RunRow]:
    """What the catalog says."""
    return list(scan(run.folder.parent))


def corrupted(data: bytes, chosen: random.Random) -> bytes:
    """Bytes of the same length: scattered ones, a run, a block of zeros, or two stretches that changed places."""
    found = bytearray(data)
    begin = chosen.randrange(len(data))
    length = min(chosen.choice((2, 3, 4, 8, 16, 64, 512)), len(data) - begin)
    match chosen.randrange(4):
        case 0:
            for _ in range(length):
                found[chosen.randrange(len(data))] = chosen.randrange(256)
        case 1:
            found[begin : begin + length] = chosen.randbytes(length)
        case 2:
            found[begin : begin + length] = bytes(length)
        case _:
            other = chosen.randrange(len(data) - length + 1)
            one, two = data[begin : begin + length], data[other : other + length]
            found[begin : begin + length], found[other : other + length] = two, one
    return bytes(found)


def is_other_manifest(run: Golden, data: bytes) -> bool:
    """Whether a reader that does not look at checksums takes this for a manifest that was not written."""
    written = codec.decode_manifest(run.files["run.json"])
    try:
        return msgspec.json.decode(bytes(data), type=type(written)) != written
    except (ValueError, msgspec.DecodeError):
        return False


def tables_read_otherwise(table: Golden, name: str, flips: list[tuple[int, int]]) -> int:
    """How often pyarrow by itself silently reads other values; in a child, for it may crash by this."""
    data = table.files[name]
    written = pq.read_table(pa.BufferReader(data))

    def is_other(number: int) -> bool:
        offset, bit = flips[number]
        flipped = data[:offset] + bytes([data[offset] ^ bit]) + data[offset + 1 :]
        try:
            return not pq.read_table(pa.BufferReader(flipped)).equals(written)
        except Exception:  # noqa: BLE001  (whatever it is: it was seen)
            return False

    return sum(found is True for _, found in forked.each(is_other, range(len(flips))))
