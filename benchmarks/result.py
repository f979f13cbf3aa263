"""Storing a frame, against the same Parquet file and digest without runfolio; and reading it back, for information."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import file_digest
from itertools import count
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from frames import frame
from measure import Batch, Row, Sizes, pair, timed

from runfolio import Status, load_run, profiles
from runfolio.field import Profile
from runfolio.frames import WRITE_OPTIONS

LARGE = 100_000
PROFILES: tuple[Profile, ...] = ("digest", "full")
STORE = "Table.from_pandas + write_table with the same options + sha256 of the file"
READ = "read_table + to_pandas"


def measure(sizes: Sizes, folder: Path) -> list[Row]:
    """Frames of each size."""
    rows = []
    for number, batches in zip(sizes.rows, sizes.result_batches, strict=True):
        data = frame(number)
        rows += [_store(data, folder, batches, profile) for profile in PROFILES]
        rows.append(_read(data, folder, batches))
    return rows


def _store(data: pd.DataFrame, folder: Path, batches: int, profile: Profile) -> Row:
    keys, path, written = count(), folder / "limit.parquet", []

    def ours() -> None:
        profiles._known.clear()  # statistics of values that were met before are not taken again
        record = status.store_result(f"key-{next(keys)}", data)
        written.append(status.folder / record.parts[0].file)

    def theirs() -> None:
        pq.write_table(pa.Table.from_pandas(data), path, **WRITE_OPTIONS)
        with path.open("rb") as file:
            file_digest(file, "sha256").hexdigest()
        written.append(path)

    with Status(root=folder, profile=profile) as status:
        return pair(
            "result",
            f"store {_shape(data)}, {profile}",
            STORE,
            unit="ms",
            batches=batches,
            ours=_tidy(ours, written),
            theirs=_tidy(theirs, written),
            bound=None if profile == "full" else 1.3 if len(data) > LARGE else 2.0,
        )


def _tidy(work: Callable[[], None], written: list[Path]) -> Batch:
    """A batch whose file is removed when its time is taken, or a full run would leave some gigabytes."""
    batch = timed(work)

    def tidied() -> float:
        seconds = batch()
        written.pop().unlink()
        return seconds

    return tidied


def _read(data: pd.DataFrame, folder: Path, batches: int) -> Row:
    with Status(root=folder) as status:
        record = status.store_result("key", data)
    run = status.folder
    assert run is not None
    path = run / record.parts[0].file
    ours = timed(lambda: load_run(run).results["key"]["data"])
    theirs = timed(lambda: pq.read_table(path).to_pandas())
    return pair(
        "result", f"read {_shape(data)}", READ, unit="ms", batches=batches, ours=ours, theirs=theirs, bound=None
    )


def _shape(data: pd.DataFrame) -> str:
    return f"{data.shape[0]:,} x {data.shape[1]}"
