"""Folders of an ill-meaning writer, and what reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .forging import Seed, record


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    """A sound run with a record of every kind, to forge others from."""
    return record(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def home(root: Path) -> Path:
    """Where the forged run lies; its name begins as those of run ids do."""
    root.mkdir()
    return root / "20261122T184800Z-forged-k3x9"
