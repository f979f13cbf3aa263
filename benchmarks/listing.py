"""Listing ended runs, against opening, reading and decoding each `run.json`."""

from __future__ import annotations

import os
from pathlib import Path

from data import ended_run, ended_runs
from measure import Row, Sizes, pair, timed
from msgspec import json

from runfolio.catalog import scan
from runfolio.records import Manifest

BOUND = 2.0
LARGE = 65536
LIMIT = "os.open, os.read and typed msgspec decode of each run.json"


def measure(sizes: Sizes, folder: Path) -> list[Row]:
    """A root of ended runs alone."""
    root = folder / "root"
    paths = ended_runs(root, ended_run(folder), sizes.runs)
    assert len(list(scan(root))) == sizes.runs
    decode = json.Decoder(Manifest).decode

    def decoded() -> list[Manifest]:
        found = []
        for path in paths:
            fd = os.open(path, os.O_RDONLY)
            found.append(decode(os.read(fd, LARGE)))
            os.close(fd)
        return found

    ours, theirs = timed(lambda: list(scan(root)), sizes.runs), timed(decoded, sizes.runs)
    what = f"{sizes.runs:,} ended runs, each"
    return [pair("list", what, LIMIT, unit="µs", batches=sizes.scans, ours=ours, theirs=theirs, bound=BOUND)]
