"""Pipelines of the modules in `kept`, whose ledger knows what ran."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class Ledger:
    """What the modules wrote down themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def keys(self) -> list[str]:
        return [line["key"] for line in self.lines()]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of this test, and `kept` importable, here and in processes that the test starts."""
    path = tmp_path / "ledger.jsonl"
    monkeypatch.setenv("KEPT_LEDGER", str(path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(HERE))
    return Ledger(path)


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch):
    """Tell a step what is to happen in it, or nothing to any."""

    def tell(key: str = "", how: str = "") -> None:
        monkeypatch.setenv("KEPT_TROUBLE", f"{key}={how}")

    return tell
