"""W&B, offline. It has no reader of what an offline run wrote: here its file is parsed by hand."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from beside import reasons
from beside.trackers import RECORD

TITLE = "W&B, offline"
REQUIRES = ("wandb", "pandas", "pyarrow")
SHOWN = ("wandb",)
IMPORTS = ("wandb", "wandb.proto.wandb_internal_pb2", "pyarrow.parquet", "pandas")
CALLS = {
    "log": "`run.log(record)`, a dict",
    "store": "`frame.to_parquet` by hand, `Artifact.add_file`, `run.log_artifact`; it can't be read back offline",
    "load": "it has no reader of offline runs: their files by hand, as its service writes them",
    "follow": "it has no reader of offline runs: its file by hand, as fast as it goes",
}
CANNOT = {"fetch": "an offline artifact can be read once it was synced to a server"}
AHEAD = {"store": reasons.PLAIN, "large": reasons.PLAIN, "table": reasons.LISTED, "records": reasons.SMALL}
BLOCK, HEAD = 32_768, 7


class Session:
    """A run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def log(self, number: int) -> None:
        """The record; what is nested is flattened by itself."""
        self._run.log({**RECORD, "change_id": number})

    def store(self, key: str, frame: Any) -> None:
        """A Parquet file that is staged."""
        import wandb

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{key}.parquet"
            frame.to_parquet(path)
            artifact = wandb.Artifact(key, type="dataset")
            artifact.add_file(str(path))
            self._run.log_artifact(artifact)


def session(folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
    """An offline run."""
    os.environ["WANDB_DATA_DIR"] = str(folder / "data")
    import wandb

    with wandb.init(project="peer", name=f"run-{number:06d}", mode="offline", dir=str(folder)) as run:
        body(Session(run))


def _pieces(content: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format behind a head, until one is not whole."""
    position, parts = HEAD, b""
    while position + HEAD <= len(content):
        if BLOCK - position % BLOCK < HEAD:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        piece = content[position + HEAD : position + HEAD + length]
        if kind not in (1, 2, 3, 4) or len(piece) < length:
            return
        position += HEAD + length
        parts = piece if kind in (1, 2) else parts + piece
        if kind in (1, 4):
            yield parts


def _records(folder: Path) -> Iterator[tuple[Path, Any]]:
    from wandb.proto.wandb_internal_pb2 import Record

    for path in folder.rglob("*.wandb"):
        for piece in _pieces(path.read_bytes()):
            record = Record()
            record.ParseFromString(piece)
            yield path, record


def count(folder: Path) -> int:
    """Its lines of history."""
    return records(folder)


def table(folder: Path) -> int:
    """The run's record in each file: all of it has to be read."""
    return len({record.run.run_id for _, record in _records(folder) if record.HasField("run")})


def records(folder: Path) -> int:
    """All lines of history."""
    return sum(record.HasField("history") for _, record in _records(folder))
