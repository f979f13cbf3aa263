"""Bombs: small files that unpack to large ones, and files that never end. Nothing takes more memory than it may."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runfolio import Status, load_run
from runfolio.artifacts import StoredResult
from runfolio.errors import DamageWarning, TooLargeError, UsageError
from runfolio.limits import MAX_RESULT
from runfolio.verification import verify

from .attack import outcome
from .forging import Seed, forge, line_of, put

GIB = 2**30


def stored(data: Any) -> tuple[Path, StoredResult]:
    with Status(profile="names") as status:
        status.store_result("k", data)
    assert status.folder is not None
    return status.folder, load_run(status.folder).results["k"]


ROWS = 400_000
BOMBS = {
    "a frame of zeros": lambda: pd.DataFrame({"a": np.zeros(ROWS)}),
    "a long text that stands once": lambda: pa.table({"a": pa.array(["x" * 10_000] * 400)}),
    "lists of a long text": lambda: pa.table({"a": pa.array([["x" * 10_000] * 4] * 100)}),
    "long texts in a struct": lambda: pa.table({"a": pa.array([{"b": "x" * 10_000, "c": 1}] * 400)}),
    "values of a fixed length": lambda: pa.table({"a": pa.array([b"x" * 10_000] * 400, pa.binary(10_000))}),
    "a report": lambda: {"a": "x" * 4_000_000},
    "a stream": lambda: (pd.DataFrame({"a": np.zeros(ROWS // 4)}) for _ in range(4)),
}


class TestWhatAResultMayTake:
    @pytest.mark.parametrize("name", BOMBS)
    def test_is_held_against_the_estimate_before_anything_is_unpacked(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, result = stored(BOMBS[name]())
        monkeypatch.setenv(MAX_RESULT, "2000000")
        before = pa.total_allocated_bytes()
        with pytest.raises(TooLargeError, match="bytes of memory, and 2,000,000 are allowed") as caught:
            result["data"].read() if name == "a stream" else result["data"]
        assert pa.total_allocated_bytes() - before < 2_000_000
        assert MAX_RESULT in str(caught.value) and ("batches(size" in str(caught.value)) == (name != "a report")
        assert result["schema"] is not None or name == "a report"
        assert verify(folder).is_sound
        monkeypatch.setenv(MAX_RESULT, "20000000")
        assert result["data"] is not None

    def test_is_not_reached_by_an_honest_table_whose_texts_are_often_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        texts = [f"a name of some length, {number % 500}" for number in range(100_000)]
        texts[7] = "x" * 5_000  # all of them as long as this one would be 500 MB
        _, result = stored(pa.table({"a": texts}))
        monkeypatch.setenv(MAX_RESULT, "10000000")
        assert result["data"].num_rows == 100_000

    def test_holds_for_each_piece_alone_where_one_reads_in_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, result = stored(pd.DataFrame({"a": np.zeros(300_000)}) for _ in range(4))
        monkeypatch.setenv(MAX_RESULT, "6000000")
        assert sum(len(frame) for frame in result["data"]) == 1_200_000
        with pytest.raises(TooLargeError):
            result["data"].read()

    def test_is_asked_of_the_columns_that_are_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, result = stored(pd.DataFrame({"a": np.zeros(ROWS), "b": ["x"] * ROWS, "c": np.zeros(ROWS, "int8")}))
        monkeypatch.setenv(MAX_RESULT, "2000000")
        assert len(result.read(columns=["c"])) == ROWS
        with pytest.raises(TooLargeError):
            result.read(columns=["a"])

    @pytest.mark.parametrize("text", ["x", "-1", "0", "1e9", "1" * 20, "٣"])
    def test_is_a_number_of_bytes(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        _, result = stored({"a": 1})
        monkeypatch.setenv(MAX_RESULT, text)
        with pytest.raises(UsageError, match=MAX_RESULT):
            result["data"]


# Files without an end


def grown(path: Path, size: int) -> None:
    with path.open("ab") as file:
        file.truncate(size)


ENDLESS = {
    "run.json": 8 * GIB,
    "main.lock": 8 * GIB,
    "SHA256SUMS": 8 * GIB,
    "config.yaml": GIB,
    "events.jsonl": GIB,
    "changes.zz.jsonl": GIB,
    "parquet": 8 * GIB,
    "json": 8 * GIB,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_file_that_holds_gigabytes_of_nothing_takes_no_memory(
    name: str, seed: Seed, home: Path, tmp_path: Path
) -> None:
    forge(home, seed)
    file = next((one for one in sorted(seed.files) if one.startswith("results/") and one.endswith(name)), name)
    grown(home / file, ENDLESS[name])
    outcome(home, tmp_path / "out")


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["without an end", "with an end"])
def test_a_line_of_more_than_a_line_may_have_is_told_and_those_behind_it_are_read(
    end: bytes, seed: Seed, home: Path, tmp_path: Path
) -> None:
    forge(home, seed)
    whole = (home / "changes.jsonl").read_bytes()
    with (home / "changes.jsonl").open("wb") as file:
        file.write(b"x" * (20 * 2**20) + b"\n" + whole + b"y" * (20 * 2**20) + end)
    with pytest.warns(DamageWarning):
        run = load_run(home)
    assert len(run.changes) == len(seed.lines["changes.jsonl"])
    assert [one.reason for one in run.damage if one.file == "changes.jsonl"] == [
        "it does not end in a checksum",
        *(["it does not end in a checksum"] if end else [f"torn: {20 * 2**20} bytes of a last line"]),
    ]
    outcome(home, tmp_path / "out")


def test_what_is_nested_without_an_end_is_told(seed: Seed, home: Path, tmp_path: Path) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    report = next(name for name in seed.files if name.endswith(".json"))
    number = next(n for n, line in enumerate(seed.lines["results.jsonl"]) if line["parts"][0]["file"] == report)
    part = {**seed.lines["results.jsonl"][number]["parts"][0], "bytes": len(deep), "sha256": sha256(deep).hexdigest()}
    forge(home, seed, put(("results.jsonl", number, "parts", 0), part))
    (home / report).write_bytes(deep)
    for name in ("run.json", "main.lock", "SHA256SUMS", "config.yaml"):
        (home / name).write_bytes(deep)
    assert any("it is no JSON report" in one.reason for one in verify(home).findings)
    outcome(home, tmp_path / "out")


# Parquet files that no writer wrote


@pytest.mark.skipif(
    int(pa.__version__.partition(".")[0]) < 26, reason="Arrow 21 aborts where a column of numbers has lengths of texts"
)
def test_a_table_whose_bytes_are_any_is_read_or_refused(root: Path, tmp_path: Path) -> None:
    with Status(profile="names") as status:
        status.store_result("frame", pd.DataFrame({"a": range(100), "b": ["x", None] * 50}))
        status.store_result("table", pa.table({"a": [[1], [2, 3], None], "b": ["x", "y", "x"]}))
        status.store_result("stream", (pd.DataFrame({"a": [number] * 9}) for number in range(9)))
    assert status.folder is not None
    errors = outcome(status.folder, tmp_path, "tables").errors
    assert len(errors) > 100
    assert not [error for error in errors if "digest differs" in error]


def thrift(*fields: tuple[int, int, bytes]) -> bytes:
    """A struct in Thrift's compact protocol: of each field its id, its kind and its bytes."""
    found, last = b"", 0
    for number, kind, data in fields:
        found += bytes([(number - last) << 4 | kind]) + data
        last = number
    return found + b"\0"


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def parquet(schema: list[bytes]) -> bytes:
    """A file without rows that has these elements of a schema, each the parent of the next."""
    elements = bytes([0xFC]) + varint(len(schema)) + b"".join(schema)
    footer = thrift((1, 5, varint(2)), (2, 9, elements), (3, 6, varint(0)), (4, 9, b"\x0c"))
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_columns_that_are_nested_without_an_end_are_refused(root: Path, tmp_path: Path) -> None:
    group = thrift((3, 5, varint(2)), (4, 8, b"\x01g"), (5, 5, varint(2)))
    leaf = thrift((1, 5, varint(2)), (3, 5, varint(2)), (4, 8, b"\x01x"))
    data = parquet([group] * 100_000 + [leaf])
    with Status(profile="names") as status:
        status.store_result("k", pd.DataFrame({"a": [1]}))
    assert status.folder is not None
    path = status.folder / "results.jsonl"
    (part,) = (result.record.parts[0] for result in load_run(status.folder).results.values())
    (status.folder / part.file).write_bytes(data)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    lines[0]["parts"][0].update(bytes=len(data), sha256=sha256(data).hexdigest())
    path.write_bytes(b"".join(line_of({k: v for k, v in line.items() if k != "crc"}) for line in lines))
    errors = outcome(status.folder, tmp_path / "out").errors
    assert any("nested more than 100 levels deep" in error for error in errors)
