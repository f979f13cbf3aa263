"""Bombs: small files that unpack to large ones, and files that never end. Nothing takes more memory than it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runfolio import Status, load_run
from runfolio.artifacts import StoredResult
from runfolio.errors import TooLargeError, UsageError
from runfolio.limits import MAX_RESULT
from runfolio.verification import verify


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
