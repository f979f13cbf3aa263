"""The command line, as tests call it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runfolio.cli.commands import commands

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """`runfolio` with these arguments, in this process and into a pipe."""
    return lambda *args: CliRunner().invoke(commands, list(args))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, which is the current one; modules that are imported from it are forgotten at the end."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]
