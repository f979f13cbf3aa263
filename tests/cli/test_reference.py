"""docs/cli.md says what the commands say of themselves, and its examples work.

python tests/cli/test_reference.py      writes the reference anew
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from runfolio.cli.commands import BROKEN_PIPE, CANNOT, INTERRUPTED, commands

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
MARK = "compares it with the commands. -->\n"


def reference() -> str:
    """The help of each command."""
    names = [[], *([name] for name in commands.list_commands(click.Context(commands)))]
    return "".join(_section(args) for args in names)


def _section(args: list[str]) -> str:
    text = CliRunner().invoke(commands, [*args, "--help"], terminal_width=88, env={"COLUMNS": "88"}).stdout
    return f"\n### {' '.join(['runfolio', *args])}\n\n```text\n{text.strip()}\n```\n"


def examples() -> list[str]:
    """The command lines in the examples of each help."""
    return re.findall(r"^ {4}(runfolio .*?)(?: {3,}.*)?$", reference(), flags=re.MULTILINE)


def test_the_reference_is_current():
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2] == reference(), "run python tests/cli/test_reference.py"


def test_the_exit_codes_are_those_of_the_commands():
    table = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = re.findall(r"^ {4}(\d+)  ", _section([]), flags=re.MULTILINE)
    assert table == listed == [str(code) for code in (0, CANNOT, 2, INTERRUPTED, BROKEN_PIPE)]


def test_there_are_examples():
    assert len(examples()) >= 8


@pytest.mark.parametrize("line", examples())
def test_an_example_is_no_wrong_usage(line: str, project: Path):
    for name in ("pipeline.yaml", "examples/penguins.yaml", "examples/petsard.yaml"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("Loader: {few: {method: 'pandas:DataFrame', data: {age: [36, 41]}}}")
    args = shlex.split(line.partition(" | ")[0])[1:]
    if args[0] == "COMMAND":
        args[0] = "ls"
    if args[0] == "watch" and args[1:] != ["latest"]:
        args.append("--help")  # a root is watched without end
    assert CliRunner().invoke(commands, args).exit_code in (0, CANNOT)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.partition(MARK)[0] + MARK + reference(), encoding="utf-8")
