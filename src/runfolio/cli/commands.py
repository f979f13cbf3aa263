"""The group of commands: which there are, and how each ends.

Commands raise; what becomes of it is decided here alone. A `RunfolioError` or what the operating system refuses is one
line on stderr, never a traceback, for it is about the user's files; anything else is a bug of ours and is shown whole.
"""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from runfolio.cli.options import EXIT_CODES
from runfolio.cli.terminal import complain, give_up, tolerate_any_encoding
from runfolio.errors import ConfigError, RunfolioError
from runfolio.version import __version__

CANNOT = 1
WRONG = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

_COMMANDS = (
    "run",
    "petsard",
    "ls",
    "show",
    "tail",
    "watch",
    "history",
    "check",
    "compare",
    "diff",
    "export",
    "verify",
    "repair",
    "archive",
    "rename",
    "tag",
    "note",
    "redact",
    "prune",
    "sql",
)


class Commands(click.Group):
    """A group that imports the module of a command when that is called, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"runfolio.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()  # what can't be written is to be known here
        except ConfigError as error:
            complain(error.what, *(f"  {problem}" for problem in error.problems), *filter(None, [error.remedy]))
            ctx.exit(WRONG)
        except RunfolioError as error:
            complain(str(error))
            ctx.exit(CANNOT)
        except OSError as error:
            ctx.exit(_say_refused(error))

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command and exit with its code."""
        tolerate_any_encoding(sys.stdout, sys.stderr)
        run_command: Callable[..., int | None] = super().main
        kwargs["standalone_mode"] = False
        try:
            code = run_command(*args, **kwargs)
        except click.ClickException as error:
            code = _say_wrong(error)
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code)


@click.command(
    "runfolio",
    cls=Commands,
    epilog=EXIT_CODES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="runfolio %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Run pipelines, and look into the runs that runfolio has recorded.

    \b
    Examples:
      runfolio run pipeline.yaml     run a pipeline and record it
      runfolio ls                    the runs under ./runs, newest first
      runfolio show latest           what the newest of them did
      runfolio watch                 what those do that go on
      runfolio tail -f latest        what it does now
      runfolio history latest AGE    what became of a column
      runfolio COMMAND --help        more about a command

    Runs are looked up under the folder that --root names, else the environment variable RUNFOLIO_RUNS, else ./runs.
    """  # noqa: D301  (\b is click's: it keeps the lines that follow)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _say_wrong(error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    remedy = "" if context is None else f"; see {context.command_path} --help"
    complain(error.format_message().removesuffix(".") + remedy)
    return error.exit_code


def _say_refused(error: OSError) -> int:
    """What the operating system refused; a reader that went away (`runfolio ls | head -1`) is no news to anyone."""
    broken = error.errno == errno.EPIPE
    if not broken:
        complain(": ".join(str(part) for part in (error.filename, error.strerror or error) if part is not None))
    give_up(sys.stdout)
    return BROKEN_PIPE if broken else CANNOT
