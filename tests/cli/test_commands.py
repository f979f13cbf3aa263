"""The group: how commands end, what they import, and the real process in pipes and terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest

from runfolio import __version__
from runfolio.cli.commands import commands

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL, begin, record

READING = [
    [*args, *json]
    for args in (
        ["ls"],
        ["show", "latest"],
        ["tail", "latest"],
        ["history", "latest", "age"],
        ["check", "latest", "--max-row-loss", "90%", "--max-null-increase", "5%", "--no-drop"],
        ["diff", "latest", "latest"],
    )
    for json in ([], ["--json"])
]

RUNFOLIO = [sys.executable, "-m", "runfolio"]


def run(*args: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*RUNFOLIO, *args], capture_output=True, check=False, timeout=60, **options)


class TestHelp:
    @pytest.mark.parametrize("args", [["--help"], *([name, "-h"] for name in commands.list_commands(None))])
    def test_every_help_has_examples_and_exit_codes(self, cli: Cli, args: list[str]):
        result = cli(*args)
        assert result.exit_code == 0
        assert re.search(r"Examples:\n +runfolio ", result.stdout)
        assert "141  the reader of the output went away" in result.stdout

    def test_without_a_command_there_is_the_help(self, cli: Cli):
        assert (cli().exit_code, cli().stdout) == (0, cli("--help").stdout)

    def test_every_command_takes_root_and_json(self):
        context = click.Context(commands)
        for name in commands.list_commands(context):
            options = {param.name for param in commands.get_command(context, name).params}
            assert {"root", "as_json"} - options <= ({"as_json"} if name == "watch" else set()), name

    def test_the_version_is_that_of_the_package(self, cli: Cli):
        assert cli("--version").stdout == f"runfolio {__version__}\n"


class TestExitCodes:
    CASES = {
        "no such command": (["frobnicate"], 2, "No such command 'frobnicate'; see runfolio --help"),
        "no such option": (["ls", "--frobnicate"], 2, "No such option"),
        "no such state": (["ls", "--state", "done"], 2, "'done' is not one of"),
        "no run is named": (["show"], 2, "Missing argument 'RUN'; see runfolio show --help"),
        "no such run": (["show", "nope"], 1, "no run 'nope'"),
        "the root is a file": (["ls", "--root", __file__], 1, "is a file"),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_what_can_not_be_done_is_said_on_stderr(self, cli: Cli, case: str):
        args, code, message = self.CASES[case]
        result = cli(*args)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.startswith("runfolio: ")
        assert message in result.stderr
        assert "Traceback" not in result.stderr

    def test_wrong_usage_names_the_help(self, cli: Cli):
        assert cli("ls", "--limit", "x").stderr.endswith("; see runfolio ls --help\n")

    def test_arguments_are_neutralised_in_messages(self, cli: Cli):
        assert NEUTRAL in cli("ls", HOSTILE).stderr

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_root_that_may_not_be_read_is_an_error(self, cli: Cli, root: Path):
        record("people")
        root.chmod(0)
        result = cli("ls")
        root.chmod(0o700)
        assert (result.exit_code, result.stderr) == (1, f"runfolio: {root}: Permission denied\n")

    def test_what_the_operating_system_refuses_is_one_line(self, cli: Cli, monkeypatch: pytest.MonkeyPatch):
        def refuse(*args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied", f"/runs/{HOSTILE}")

        monkeypatch.setattr("runfolio.cli.ls.scan", refuse)
        result = cli("ls")
        assert (result.exit_code, result.stderr) == (1, f"runfolio: /runs/{NEUTRAL}: Permission denied\n")

    def test_a_bug_is_not_hidden(self, cli: Cli, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("runfolio.cli.ls.scan", lambda *args, **kwargs: 1 / 0)
        assert isinstance(cli("ls").exception, ZeroDivisionError)


class TestProcess:
    def test_the_module_is_the_command(self):
        record("people")
        assert b"people" in run("ls").stdout
        assert run("show", "nope").returncode == 1

    @pytest.mark.parametrize("args", [["ls"], ["ls", "--json"], ["show", "latest"], ["show", "latest", "--json"]])
    @pytest.mark.parametrize("buffering", ["", "1"])
    def test_a_reader_that_goes_away_is_no_error_message(self, args: list[str], buffering: str):
        record("people")
        read, write = os.pipe()
        os.close(read)
        environment = {**os.environ, "PYTHONUNBUFFERED": buffering}
        process = subprocess.run([*RUNFOLIO, *args], stdout=write, stderr=subprocess.PIPE, check=False, env=environment)
        os.close(write)
        assert (process.returncode, process.stderr) == (141, b"")

    def test_a_full_disk_is_an_error(self):
        record("people")
        with Path("/dev/full").open("wb") as full:
            process = subprocess.run([*RUNFOLIO, "ls"], stdout=full, stderr=subprocess.PIPE, check=False)
        assert (process.returncode, process.stderr) == (1, b"runfolio: No space left on device\n")

    def test_ctrl_c_is_quiet(self):
        """In a process that interrupts itself while it lists."""
        code = (
            "import signal, sys; import runfolio.cli.ls as ls, runfolio.cli as cli; "
            "ls.scan = lambda *a, **k: signal.raise_signal(signal.SIGINT); sys.argv = ['runfolio', 'ls']; cli.main()"
        )
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
        assert (process.returncode, process.stdout, process.stderr.strip()) == (130, b"", b"")

    def test_a_closed_output_is_no_error(self):
        record("people")
        for args in (["ls"], ["ls", "--json"]):
            process = subprocess.run(
                ["sh", "-c", '"$@" >&-', "sh", *RUNFOLIO, *args], capture_output=True, check=False, timeout=60
            )
            assert (process.returncode, process.stderr) == (0, b"")

    def test_an_ascii_terminal_gets_ascii(self):
        record("people")
        process = run("show", "latest", env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert (process.returncode, process.stderr) == (0, b"")
        assert b"age: int64, 29 to 41 -> float64, 36.0 to 36.0" in process.stdout
        assert process.stdout.isascii()

    @pytest.mark.parametrize("args", READING)
    def test_neither_pandas_nor_rich_is_imported_for_a_pipe(self, args: list[str]):
        record("people")
        status = begin("live", 2)
        process = run(*args, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
        status.complete()
        assert process.returncode == 0, process.stderr
        imported = {line.rpartition(b"|")[2].strip().decode() for line in process.stderr.splitlines()}
        assert "runfolio.cli.terminal" in imported
        assert imported.isdisjoint({"pandas", "numpy", "pyarrow", "rich", "watchdog"})

    def test_a_list_of_ended_runs_imports_no_reader_of_journals(self):
        record("people")
        process = run("ls", env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
        assert b"runfolio.catalog" in process.stderr
        assert b"runfolio.view" not in process.stderr


def on_terminal(*args: str, columns: int, **environment: str) -> tuple[int, str]:
    """The exit code of a command and what it showed on a terminal of this width."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # execve, for readline has set COLUMNS in this process behind Python's back.
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
        kept |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        os.execve(sys.executable, [*RUNFOLIO, *args], kept | environment)
    shown = b""
    with os.fdopen(fd, "rb", buffering=0) as terminal:
        try:
            while block := terminal.read(65536):
                shown += block
        except OSError:  # Linux ends a pty so
            pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode().replace("\r\n", "\n")


def without_colour(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


class TestTerminal:
    def test_states_have_colours_and_times_are_ages(self):
        record("people", 1)
        record("failed", 2, error=ValueError("no column 'x'"))
        code, shown = on_terminal("ls", columns=120)
        assert code == 0
        assert "\x1b[32mcompleted\x1b[0m" in shown
        assert "\x1b[1;31mfailed" in shown
        assert re.search(r"(days?|hours?|min|s) ago", shown)
        assert "ValueError: no column 'x'" in shown

    def test_a_narrow_terminal_keeps_id_and_state_whole(self):
        folder = record("people", error=ValueError("no column 'x'"))
        for columns in (45, 60, 80, 100):
            _, shown = on_terminal("ls", columns=columns)
            title, line = without_colour(shown).splitlines()
            assert line.split()[:2] == [folder.name, "failed"]
            assert max(len(title), len(line)) <= columns
        assert title.split() == ["run", "state", "started", "took", "steps", "size", "note"]

    def test_the_less_weighty_columns_go_first(self):
        record("people")
        _, shown = on_terminal("ls", columns=60)
        assert without_colour(shown).split("\n")[0].split() == ["run", "state", "started", "took"]

    def test_no_line_of_a_run_is_wider_than_the_terminal(self):
        record("people", error=ValueError("x" * 200))
        code, shown = on_terminal("show", "latest", columns=60)
        assert code == 0
        assert max(map(len, without_colour(shown).splitlines())) == 60
        assert "x" * 58 in shown

    def test_nothing_from_a_file_reaches_the_terminal_raw(self, root: Path):
        folder = record(HOSTILE, error=ValueError(HOSTILE))
        folder.rename(root / HOSTILE)
        for args in (["ls"], ["show", f"{root}/{HOSTILE}"], ["show", "nope" + HOSTILE]):
            _, shown = on_terminal(*args, columns=200)
            assert set(without_colour(shown)) & set(HOSTILE) <= set("]0;owned31m[bold]\n"), args
            assert r"\x1b]0;owned\x07\x9b31m[bold]\u202e" in without_colour(shown)
            if args[-1] != "nope" + HOSTILE:
                assert r"ValueError: \x1b]0;owned\x07\x9b31m[bold]\u202e" in without_colour(shown)
