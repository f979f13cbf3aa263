"""Storing a stream of frames and reading it back in batches, against plain Parquet; and the memory that it takes.

As a script it is the process that stores: `python stream.py ROWS ROOT` prints its peak of resident bytes.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import Any

BATCH_ROWS = 250_000
MEMORY_BOUND = 2**30
STORE = "ParquetWriter with the same options over the same batches + sha256 of the file"
READ = "ParquetFile.iter_batches with page checksums + to_pandas + sha256 of the file"


def measure(sizes: Any, folder: Any) -> list[Any]:
    """A stream of each kind of cost."""
    from children import answer
    from measure import Row

    number, batches = sizes.streamed, sizes.stream_batches
    peak = answer("stream", [str(sizes.stream_rows), str(folder)], folder / "bytecode")
    what = f"peak memory, storing {sizes.stream_rows:,} rows x 15 from a generator"
    row = Row("stream", what, "1 GiB", "MiB", [peak], [MEMORY_BOUND], peak / MEMORY_BOUND, 1.0)
    return [
        _store(number, folder, batches, "names"),
        _store(number, folder, batches, "full"),
        _read(number, folder),
        row,
    ]


def frames(rows: int) -> Iterator[Any]:
    """So many rows, a batch at a time: the same batch over and over, so that no time goes into making it."""
    from frames import frame

    batch = frame(min(rows, BATCH_ROWS))
    for _ in range(max(rows // BATCH_ROWS, 1)):
        yield batch


def _store(rows: int, folder: Any, batches: int, profile: Any) -> Any:
    from itertools import count

    import pyarrow as pa
    import pyarrow.parquet as pq
    from measure import pair, timed

    from runfolio import Status
    from runfolio.files import sha256
    from runfolio.frames import WRITE_OPTIONS

    given, keys, path = list(frames(rows)), count(), folder / "limit.parquet"

    def ours() -> None:
        record = status.store_result(f"key-{next(keys)}", iter(given))
        (status.folder / record.parts[0].file).unlink()

    def theirs() -> None:
        writer = None
        for batch in given:
            table = pa.Table.from_pandas(batch, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema, **WRITE_OPTIONS)
            writer.write_table(table)
        writer.close()
        sha256(path)

    with Status(root=folder, profile=profile) as status:
        return pair(
            "stream",
            f"store {rows:,} x 15 in batches, profile {profile}",
            STORE,
            unit="s",
            batches=batches,
            ours=timed(ours),
            theirs=timed(theirs),
            bound=1.3 if profile == "names" else None,
        )


def _read(rows: int, folder: Any) -> Any:
    import pyarrow.parquet as pq
    from measure import pair, timed

    from runfolio import Status, load_run
    from runfolio.files import sha256

    with Status(root=folder, profile="names") as status:
        record = status.store_result("key", frames(rows))
    path = status.folder / record.parts[0].file

    def ours() -> None:
        for _ in load_run(status.folder).results["key"]["data"]:
            pass

    def theirs() -> None:
        sha256(path)
        for batch in pq.ParquetFile(path, page_checksum_verification=True).iter_batches(BATCH_ROWS):
            batch.to_pandas()

    return pair(
        "stream",
        f"read {rows:,} x 15 in batches",
        READ,
        unit="s",
        batches=1,
        ours=timed(ours),
        theirs=timed(theirs),
        bound=None,
    )


def _peak(rows: int, root: str) -> int:
    from frames import frame

    from runfolio import Status

    with Status(root=root) as status:
        status.store_result("key", (frame(min(rows, BATCH_ROWS)) for _ in range(max(rows // BATCH_ROWS, 1))))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    print(_peak(int(sys.argv[1]), sys.argv[2]))
