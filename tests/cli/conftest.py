"""The command line, as tests call it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from runfolio.cli.commands import commands

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """`runfolio` with these arguments, in this process and into a pipe."""
    return lambda *args: CliRunner().invoke(commands, list(args))
