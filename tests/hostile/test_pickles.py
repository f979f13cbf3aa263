"""Pickles, and types of Arrow that run code: nothing in a run folder is ever carried out."""

from __future__ import annotations

import base64
import json
import pickle
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runfolio import load_run
from runfolio.errors import DamageWarning
from runfolio.frames.footer import FOOTER_KEY
from runfolio.verification import verify

from .forging import Seed, forge, put
from .reading import survives


class Mark:
    """Leaves a mark where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self._place, "carried out")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def payload(mark: Path) -> bytes:
    found = pickle.dumps(Mark(mark))
    pickle.loads(found)
    assert mark.exists(), "it is live"
    mark.unlink()
    return found


NAMES = ["run.json", "events.jsonl", "results.jsonl", "main.lock", "SHA256SUMS", "config.yaml", "table", "report"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
def test_a_pickle_in_the_place_of_a_file_leaves_no_mark(
    name: str, payload: bytes, mark: Path, home: Path, seed: Seed
) -> None:
    suffix = {"table": "parquet", "report": "json"}.get(name)
    if suffix is None:
        forge(home, seed)
        (home / name).write_bytes(payload)
    else:
        in_place_of(home, seed, suffix, payload)
    verify(home)
    survives(home, mark.parent / "out")
    assert not mark.exists()


def in_place_of(home: Path, seed: Seed, suffix: str, data: bytes) -> str:
    """Forge a run in which a result has other bytes, with all that tells of them right; returns its key."""
    lines = seed.lines["results.jsonl"]
    number = next(n for n, line in enumerate(lines) if line["parts"][0]["file"].endswith(suffix))
    part = {**lines[number]["parts"][0], "bytes": len(data), "sha256": sha256(data).hexdigest()}
    forge(home, seed, put(("results.jsonl", number, "parts", 0), part))
    (home / part["file"]).write_bytes(data)
    key: str = lines[number]["key"]
    return key


def extension_of(payload: bytes) -> dict[bytes, bytes]:
    """A column's metadata as those types have that pyarrow up to 14.0.0 unpickled (CVE-2023-47248)."""
    return {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload}


FOOTERS = {
    "an extension type": lambda payload: ({}, extension_of(payload)),
    "the metadata of pandas": lambda payload: ({b"pandas": payload}, {}),
    "the metadata of pandas, as text": lambda payload: (
        {b"pandas": json.dumps({"columns": [{"metadata": base64.b64encode(payload).decode()}]}).encode()},
        {},
    ),
    "our own": lambda payload: ({FOOTER_KEY: payload}, {}),
    "an object in our own": lambda payload: (
        {FOOTER_KEY: b'{"version":2,"kind":"arrow","schema":"%s","types":[],"encoded":{}}' % base64.b64encode(payload)},
        {},
    ),
    "the schema of Arrow": lambda payload: ({b"ARROW:schema": base64.b64encode(payload)}, {}),
}


@pytest.mark.parametrize("name", FOOTERS)
def test_a_pickle_in_the_footer_of_a_table_leaves_no_mark(
    name: str, payload: bytes, mark: Path, home: Path, seed: Seed
) -> None:
    file = next(file for file in seed.files if file.endswith("parquet"))
    whole = pq.read_table(pa.BufferReader(seed.files[file]))
    of_file, of_field = FOOTERS[name](payload)
    fields = [field.with_metadata(of_field) for field in whole.schema]
    metadata = {**(whole.schema.metadata or {}), **of_file}
    sink = pa.BufferOutputStream()
    pq.write_table(whole.cast(pa.schema(fields, metadata)), sink)
    key = in_place_of(home, seed, "parquet", sink.getvalue().to_pybytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        assert key in load_run(home).results
        verify(home)
        survives(home, mark.parent / "out")
    assert not mark.exists()
