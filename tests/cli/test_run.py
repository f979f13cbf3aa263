"""`runfolio run`: what is printed while it goes on and at its end, how it ends, and what is said of wrong input.

Where the process matters, it is a real one.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from runfolio import load_run
from runfolio.catalog import list_runs, scan
from runfolio.cli import progress
from runfolio.progress import Look, Progress

from .conftest import Cli
from .samples import HOSTILE, NEUTRAL
from .test_commands import RUNFOLIO, on_terminal, run, without_colour

KIT = '''
import logging, os, sys, time, warnings
from pathlib import Path
import pandas as pd

LIMIT = 3
log = logging.getLogger("kit")
handler = logging.StreamHandler()
log.addHandler(handler)

def load(rows: int = 3):
    return pd.DataFrame({"id": range(rows), "name": ["n"] * rows})

def keep(data, most: int = 2, columns: list[str] | None = None):
    return data[:most]

def wait(data, step, seconds: float = 0.6, unit: str = "rounds"):
    for number in range(1, 7):
        step.progress(number, 6, unit)
        time.sleep(seconds / 6)
    return data

def until(data):
    """Wait for a file, and say that it does."""
    here = Path(__file__).parent
    (here / "waits").touch()
    while not (here / "go").exists():
        time.sleep(0.01)
    return data

def talk(data, times: int = 1, text: str = "to stdout"):
    for _ in range(times):
        print(text)
        log.warning("to a handler made at import")
        warnings.warn("a warning")
        print("dots", end="", flush=True)
        time.sleep(0.25)
        print("...done")
    return data

def progress(data):
    from rich.progress import track
    for _ in track(range(4), description="theirs"):
        time.sleep(0.1)
    return data

def spawn(data):
    os.system("echo from a subprocess")
    return data

def direct(data):
    time.sleep(0.4)
    os.write(1, b"by its number")
    return data

def closes(data):
    sys.stdout.close()
    sys.stderr.close()
    return data

def forks(data):
    """Fork while another thread prints."""
    import threading
    held = threading.Event()
    def hold():
        with sys.stdout._screen.lock:
            held.set()
            time.sleep(0.3)
    threading.Thread(target=hold).start()
    held.wait()
    pid = os.fork()
    if not pid:
        print("from a fork")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    return data

def remove(data, step):
    import shutil
    shutil.rmtree(step.status.folder)
    return data

def nothing(data):
    return None

def thing(data):
    return object()

def mixed(data):
    return pd.DataFrame({"a": [1, object()]})

def fails(data, message: str = "told to"):
    return helper(message)

def helper(message):
    raise ValueError(message)

def leaves(data, code: int = 3):
    sys.exit(code)
'''

LOADER = "Loader:\n  few: {method: kit:load}\n"


def pipeline(method: str = "kit:keep", loader: str = LOADER, **parameters: object) -> str:
    """A pipeline of two steps, the second of this method."""
    told = "".join(f", {name}: {json.dumps(value)}" for name, value in parameters.items())
    return f"{loader}Clean:\n  one: {{method: {method}{told}}}\n"


@pytest.fixture(autouse=True)
def kit(project: Path) -> Path:
    """The module `kit` in the current folder, and `p.yaml`."""
    (project / "kit.py").write_text(KIT)
    (project / "p.yaml").write_text(pipeline())
    return project


def is_like(text: str, shown: str) -> bool:
    """Whether a text is as shown, where `…` stands for any text in a line."""
    return re.fullmatch("[^\n]*".join(map(re.escape, shown.split("…"))), text) is not None


def the_run():
    (row,) = scan()
    return load_run(row.run_id)


class Running:
    """`runfolio run` in a process of its own."""

    def __init__(self, *args: str, **options: object) -> None:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        if ignored:  # by the shell that runs the tests in the background; it would be inherited
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.process = subprocess.Popen([*RUNFOLIO, "run", *args], **pipes | options)
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait_for(self, path: Path) -> None:
        end = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < end
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, (out or b"").decode(), (err or b"").decode()


class TestEnd:
    def test_a_line_for_each_step_and_what_there_is_at_the_end(self, cli: Cli):
        result = cli("run", "p.yaml")
        assert (result.exit_code, result.stderr) == (0, "")
        found = the_run()
        steps, summary, files, last = result.stdout.split("\n\n")
        assert is_like(steps, "Loader[few]  completed  …  3 rows\nClean[one]   completed  …  2 rows (-1)")
        assert is_like(summary, "completed in …: 2 of 2 steps, 3 schema changes, 2 results")
        assert files.startswith(f"{found.folder}/\nfile ")
        listed = {line.split()[0].rstrip("/") for line in files.splitlines()[2:]}
        assert listed == {path.name for path in found.folder.iterdir()}
        assert all(len(line.split()) > 2 for line in files.splitlines()[2:]), "a file without a word on it"
        assert last == f"runfolio show {found.run_id}  tells more\n"
        assert cli("show", found.run_id).exit_code == 0

    def test_a_failed_run_says_how_to_go_on(self, cli: Cli, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:fails"))
        result = cli("run", "p.yaml")
        assert result.exit_code == 1
        found = the_run()
        lines = result.stdout.splitlines()
        assert is_like(lines[1], "Clean[one]   failed: ValueError: told to  …")
        assert is_like(lines[3], "failed in …: 1 of 2 steps, 2 schema changes, 1 result")
        assert lines[-1] == f"runfolio run p.yaml --resume {found.run_id}  goes on from here"
        assert found.state == "failed"

    def test_a_long_error_is_cut_in_the_line_of_its_step_alone(self, cli: Cli, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:fails", message="x" * 200))
        result = cli("run", "p.yaml")
        assert max(map(len, result.stdout.splitlines())) < 120
        assert f"ValueError: {'x' * 200}\n" in result.stderr

    def test_name_tags_and_root(self, cli: Cli, kit: Path):
        args = ["run", "p.yaml", "--name", "nightly", "--tag", "a", "--tag", "b", "--root", "my runs"]
        result = cli(*args)
        (row,) = scan("my runs")
        assert (row.name, row.tags, row.state) == ("nightly", ["a", "b"], "completed")
        assert f"runfolio show {row.run_id} --root 'my runs'  tells more\n" in result.stdout
        assert len(list_runs()) == 0

    def test_a_root_in_the_file_is_told_as_well(self, cli: Cli, kit: Path):
        (kit / "p.yaml").write_text("Run: {root: elsewhere}\n" + pipeline())
        assert " --root elsewhere  tells more\n" in cli("run", "p.yaml").stdout

    def test_modules_are_found_beside_the_file_wherever_one_is(self, kit: Path, tmp_path: Path):
        (tmp_path / "other").mkdir()
        done = run("run", "../project/p.yaml", cwd=tmp_path / "other")
        assert (done.returncode, done.stderr) == (0, b"")

    def test_several_failures_are_told_one_by_one(self, cli: Cli, kit: Path):
        clean = "Clean:\n  a: {method: kit:fails}\n  b: {method: kit:nothing}\n  c: {method: kit:keep}\n"
        (kit / "p.yaml").write_text("Run: {on_error: continue}\n" + LOADER + clean)
        result = cli("run", "p.yaml")
        assert result.exit_code == 1
        assert "2 of 4 steps" in result.stdout
        assert result.stderr.startswith("runfolio: 2 of 4 steps failed; the others ran, ")
        assert "\nrunfolio: kit:nothing returned nothing; " in result.stderr
        assert result.stderr.count("Traceback") == result.stderr.count("ValueError: told to") == 1


class TestDryRun:
    def test_it_prints_the_plan_and_writes_nothing(self, cli: Cli, kit: Path, root: Path):
        (kit / "p.yaml").write_text(pipeline("kit:fails", loader=LOADER + "  two: {method: kit:load}\n"))
        result = cli("run", "p.yaml", "--dry-run")
        assert (result.exit_code, result.stderr) == (0, "")
        assert [line.split() for line in result.stdout.splitlines()] == [
            ["step", "after", "module", "experiment", "method"],
            ["1", "-", "Loader", "few", "kit:load"],
            ["2", "1", "Clean", "one", "kit:fails"],
            ["3", "-", "Loader", "two", "kit:load"],
            ["4", "3", "Clean", "one", "kit:fails"],
            [],
            ["4", "steps,", "2", "at", "the", "end", "of", "a", "branch;", "nothing", "was", "run"],
        ]
        assert not root.exists()
        assert {path.name for path in kit.iterdir()} - {"__pycache__"} == {"kit.py", "p.yaml"}

    def test_json_has_the_plan(self, cli: Cli):
        plan = json.loads(cli("run", "p.yaml", "--dry-run", "--json").stdout)
        assert [(step["key"], step["parent"]) for step in plan] == [
            ("Loader[few]", None),
            ("Loader[few]_Clean[one]", 0),
        ]
        assert plan[1]["methods"] == ["kit:keep"]

    def test_a_resume_is_not_begun(self, cli: Cli, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:fails"))
        cli("run", "p.yaml")
        before = {path.name: path.read_bytes() for path in the_run().folder.iterdir() if path.is_file()}
        result = cli("run", "--resume", "latest", "--dry-run")
        assert result.stdout.endswith("2 steps, 1 at the end of a branch; 1 done already; nothing was run\n")
        assert {path.name: path.read_bytes() for path in the_run().folder.iterdir() if path.is_file()} == before


class TestJson:
    @pytest.mark.filterwarnings("ignore::UserWarning")
    @pytest.mark.parametrize(("method", "code"), [("kit:talk", 0), ("kit:fails", 1), ("kit:leaves", 1)])
    def test_there_is_one_document_whatever_happens(self, cli: Cli, kit: Path, method: str, code: int):
        (kit / "p.yaml").write_text(pipeline(method))
        result = cli("run", "p.yaml", "--json")
        assert result.exit_code == code
        document = json.loads(result.stdout)
        assert document == json.loads(cli("show", "latest", "--json").stdout)
        assert document["run"]["state"] == ("failed" if code else "completed")
        assert (method == "kit:talk") == ("to stdout" in result.stderr)

    def test_neither_do_subprocesses_write_into_it(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:spawn"))
        done = run("run", "p.yaml", "--json")
        assert json.loads(done.stdout)["run"]["state"] == "completed"
        assert done.stderr == b"from a subprocess\n"

    def test_a_wrong_configuration_prints_none(self, cli: Cli):
        result = cli("run", "nope.yaml", "--json")
        assert (result.exit_code, result.stdout) == (2, "")


class TestProcess:
    def test_lines_come_while_the_run_goes_on(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:until"))
        running = Running("p.yaml")
        assert select.select([running.process.stdout], [], [], 60)[0]
        assert running.process.stdout.readline().startswith(b"Loader[few]  completed")
        assert the_run().state == "in_progress"
        (kit / "go").touch()
        assert running.end()[0] == 0

    def test_ctrl_c_in_a_step_ends_the_run_as_failed(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:until"))
        running = Running("p.yaml")
        running.wait_for(kit / "waits")
        code, out, err = running.end(signal.SIGINT)
        assert code == 130
        assert "\nfailed in " in out
        assert is_like(
            err, "runfolio: stopped by Ctrl-C\nraised in Loader[few]_Clean[one], step 2 of 2, of the run in …\n"
        )
        assert (the_run().state, the_run().error.type) == ("failed", "KeyboardInterrupt")

    def test_a_killed_run_goes_on_where_it_was(self, kit: Path, cli: Cli):
        (kit / "p.yaml").write_text(pipeline("kit:until"))
        running = Running("p.yaml")
        running.wait_for(kit / "waits")
        assert running.end(signal.SIGKILL)[0] == -signal.SIGKILL
        assert the_run().state == "interrupted"
        assert cli("show", "latest").stdout.count("unfinished") == 1
        (kit / "go").touch()
        done = run("run", "--resume", "latest", cwd=kit.parent)
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode().splitlines()
        assert lines[0] == "1 of 2 steps were done before"
        assert is_like(lines[1], "Clean[one]   completed  …  3 rows")
        assert is_like(lines[3], "completed in …: 2 of 2 steps, 2 schema changes, 2 results")
        (_, shown) = cli("show", "latest").stdout.split("\nSteps\n")
        outcomes = [line.split()[:2] for line in shown.split("\n\n")[0].splitlines()[1:]]
        assert outcomes == [["Loader[few]", "completed"], ["Clean[one]", "unfinished"], ["Clean[one]", "completed"]]

    @pytest.mark.parametrize("method", ["kit:direct", "kit:talk", "kit:fails"])
    def test_a_reader_that_goes_away_does_not_end_the_run(self, kit: Path, method: str):
        (kit / "p.yaml").write_text(pipeline(method))
        read, write = os.pipe()
        os.close(read)
        running = Running("p.yaml", stdout=write)
        os.close(write)
        code, _, err = running.end()
        assert code == (1 if method == "kit:fails" else 141)
        assert ("ValueError: told to" in err) == (method == "kit:fails")
        assert ("BrokenPipe" in err, "Exception ignored" in err) == (False, False)
        assert the_run().state == ("failed" if method == "kit:fails" else "completed")

    def test_a_full_disk_behind_the_output_does_not_end_the_run(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:talk"))
        with Path("/dev/full").open("wb") as full:
            code, _, err = Running("p.yaml", stdout=full).end()
        assert (code, err.splitlines()[-1]) == (1, "runfolio: No space left on device")
        assert the_run().state == "completed"

    def test_a_closed_output_is_no_error(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:talk"))
        for more in ([], ["--json"]):
            done = subprocess.run(
                ["sh", "-c", '"$@" >&- 2>&-', "sh", *RUNFOLIO, "run", "p.yaml", *more], check=False, timeout=60
            )
            assert done.returncode == 0
        assert [row.state for row in scan()] == ["completed", "completed"]

    def test_what_steps_print_comes_in_lines_of_its_own(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:talk"))
        done = run("run", "p.yaml")
        assert done.stdout.decode().splitlines()[1:3] == ["to stdout", "dots...done"]
        assert b"to a handler made at import\n" in done.stderr

    def test_a_step_can_not_close_the_output(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:closes"))
        done = run("run", "p.yaml")
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"tells more" in done.stdout

    def test_a_fork_prints(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:forks"))
        assert run("run", "p.yaml").stdout.count(b"from a fork\n") == 1

    def test_a_folder_that_vanishes_fails_the_run(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:remove"))
        done = run("run", "p.yaml")
        assert done.returncode == 1
        assert done.stderr.startswith(b"runfolio: could not write ")
        assert b"Traceback" not in done.stderr


class Screen:
    """A terminal of this width, as far as it is written to here: it takes text, line ends, and lines away."""

    def __init__(self, columns: int) -> None:
        self.lines, self.row, self.column, self.columns = [""], 0, 0, columns
        self.most = 0

    def take(self, shown: str) -> Screen:
        for sign in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", shown, re.DOTALL):
            self._take(sign)
            self.most = max(self.most, len(self.lines[self.row]))
        return self

    def _take(self, sign: str) -> None:
        if sign == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif sign == "\r":
            self.column = 0
        elif sign == "\x1b[2K":
            self.lines[self.row] = ""
        elif sign.startswith("\x1b[") and sign.endswith("A"):
            assert self.row > 0
            self.row -= int(sign[2:-1] or 1)
        elif sign.startswith("\x1b[") and sign[-1] in "mhl":
            pass
        else:
            assert sign >= " ", repr(sign)
            if self.column == self.columns:
                self._take("\n")
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + sign + line[self.column + 1 :]
            self.column += 1


class TestTerminal:
    def shown(self, *args: str, columns: int = 100) -> tuple[int, str, list[str]]:
        code, shown = on_terminal("run", *args, columns=columns)
        lines = Screen(columns).take(shown).lines
        return code, shown, [line.rstrip() for line in lines]

    def test_a_step_is_shown_while_it_runs_and_nothing_is_left_of_that(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:wait"))
        code, shown, lines = self.shown("p.yaml")
        assert code == 0
        assert re.search(r"Clean\[one\]   running  (\d+ms|0\.\d\ds)  █*░*  [1-6] of 6 rounds", without_colour(shown))
        assert "1 of 2 steps" in without_colour(shown)
        assert is_like(lines[0], "Loader[few]  completed  …  3 rows")
        assert is_like(lines[1], "Clean[one]   completed  …  3 rows")
        assert lines[2] == ""
        assert is_like(lines[3], "completed in …: 2 of 2 steps, 2 schema changes, 2 results")
        assert "running" not in "\n".join(lines)
        assert "\x1b[?25l" not in shown, "the cursor is hidden, and stays so if the process is killed"

    def test_there_are_no_colours_where_they_are_not_wanted(self):
        assert "\x1b[32mcompleted\x1b[0m" in self.shown("p.yaml")[1]
        _, shown = on_terminal("run", "p.yaml", columns=100, NO_COLOR="1")
        assert re.findall(r"\x1b\[[0-9;]*3[0-9]m", shown) == []
        assert "Clean[one]   completed" in without_colour(shown)
        _, shown = on_terminal("run", "p.yaml", columns=100, TERM="dumb")
        assert "\x1b[1A" not in shown
        assert "\x1b[2K" not in shown

    @pytest.mark.parametrize("columns", [20, 60])
    def test_a_narrow_terminal_is_left_as_tidy(self, kit: Path, columns: int):
        (kit / "p.yaml").write_text(pipeline("kit:wait", unit="rounds of a long name " * 5))
        code, shown, lines = self.shown("p.yaml", columns=columns)
        assert code == 0
        assert "running" in without_colour(shown)
        assert "running" not in "\n".join(lines)
        assert sum("rounds of a long name" in line for line in lines) == 0
        assert " ".join(lines[:3]).split()[:2] == ["Loader[few]", "completed"]

    def test_control_characters_are_spelled_out(self, kit: Path):
        (kit / "p.yaml").write_text(
            f"Loader:\n  {json.dumps(HOSTILE)}: {{method: kit:load}}\n"
            f"Clean:\n  one: {{method: kit:wait, unit: {json.dumps(HOSTILE)}}}\n"
            f"Last:\n  two: {{method: kit:fails, message: {json.dumps(HOSTILE)}}}\n"
        )
        code, shown = on_terminal("run", "p.yaml", columns=250)
        assert code == 1
        ours = re.sub(r"\r|\x1b\[(2K|1A|[0-9;]*m)", "", shown)
        assert set(ours) & set(HOSTILE) <= set("]0;owned31m[bold]\n")
        assert f"Loader[{NEUTRAL}]" in ours
        assert "failed: ValueError: " + r"\x1b]0;owned\x07" in ours

    def test_what_steps_print_stays_whole_among_the_lines(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:talk", times=3))
        code, _, lines = self.shown("p.yaml", columns=200)
        assert code == 0
        theirs = ["to stdout", "to a handler made at import", "dots...done"]
        printed = [line for line in lines if line in theirs]
        assert printed == theirs * 3
        assert sum("UserWarning: a warning" in line for line in lines) == 1
        assert "running" not in "\n".join(lines)

    def test_a_step_may_have_a_progress_display_of_its_own(self, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:progress"))
        code, _, lines = self.shown("p.yaml")
        assert code == 0
        assert sum(line.startswith("theirs") and "100%" in line for line in lines) == 1
        assert sum(line.startswith("theirs") for line in lines) == 1
        assert "running" not in "\n".join(lines)


class TestLooking:
    def test_no_thread_is_left(self, cli: Cli, kit: Path):
        for method in ("kit:keep", "kit:fails", "kit:leaves"):
            (kit / "p.yaml").write_text(pipeline(method))
            cli("run", "p.yaml")
            assert "runfolio-progress" not in {thread.name for thread in threading.enumerate()}

    def test_looking_takes_a_small_share_of_the_time(self, cli: Cli, kit: Path, monkeypatch: pytest.MonkeyPatch):
        looks = []

        def look(self):
            looks.append(time.thread_time())
            while time.thread_time() < looks[-1] + 0.05:
                pass
            nothing = Progress(running=[], steps_done=0, steps_total=None, waiting=[], seconds_left=None)
            return Look(state="in_progress", progress=nothing, ended=[], changes=[], messages=[])

        monkeypatch.setattr(progress.Live, "look", look)
        (kit / "p.yaml").write_text(pipeline("kit:wait", seconds=1.0))
        assert cli("run", "p.yaml").exit_code == 0
        assert len(looks) <= 3


class TestResume:
    def failed(self, cli: Cli, kit: Path) -> None:
        (kit / "data.csv").write_text("id\n1\n2\n3\n")
        loader = "Loader:\n  few: {path: data.csv}\n"
        (kit / "p.yaml").write_text(pipeline("kit:until", loader=loader) + "Last:\n  two: {method: kit:fails}\n")
        (kit / "go").touch()
        assert cli("run", "p.yaml").exit_code == 1

    def test_a_failed_run_is_told_in_full(self, cli: Cli, kit: Path):
        (kit / "p.yaml").write_text(pipeline("kit:fails") + "Last:\n  two: {method: kit:keep}\n")
        cli("run", "p.yaml")
        shown = cli("show", "latest").stdout.split("\n\n")[1].splitlines()[2:]
        assert [re.split(" {2,}", line)[:2] for line in shown] == [
            ["Loader[few]", "completed"],
            ["Clean[one]", "failed: ValueError: told to"],
            ["Last[two]", "not reached"],
        ]

    def test_what_is_resumed_has_its_name(self, cli: Cli):
        result = cli("run", "--resume", "latest", "--name", "x")
        assert (result.exit_code, result.stderr) == (
            2,
            "runfolio: a run that is resumed has its name and tags; see runfolio run --help\n",
        )

    def test_a_run_that_was_completed(self, cli: Cli):
        cli("run", "p.yaml")
        result = cli("run", "--resume", "latest")
        assert (result.exit_code, result.stdout) == (1, "")
        assert is_like(result.stderr, "runfolio: … can't be resumed: it is completed, …; begin another run\n")

    def test_another_input_of_a_committed_step(self, cli: Cli, kit: Path):
        self.failed(cli, kit)
        (kit / "p.yaml").write_text((kit / "p.yaml").read_text().replace("two", "three"))  # it is still to run
        (kit / "data.csv").write_text("id\n1\n2\n")
        result = cli("run", "p.yaml", "--resume", "latest")
        assert (result.exit_code, result.stdout) == (2, "")
        assert is_like(
            result.stderr,
            "runfolio: … can't be resumed as it was begun:\n"
            "  the input file data.csv is another one\n"
            "bring them back, begin another run, or go on anyway: anyway=True, or --anyway\n",
        )
        result = cli("run", "p.yaml", "--resume", "latest", "--anyway")
        assert result.exit_code == 1
        assert result.stderr.startswith("runfolio: goes on although the input file data.csv is another one\n")
        assert result.stdout.startswith("2 of 3 steps were done before\nLast[three]  failed: ")

    def test_a_damaged_run_says_so_in_a_line(self, cli: Cli, kit: Path):
        self.failed(cli, kit)
        folder = the_run().folder
        (folder / "run.json").unlink()
        result = cli("run", "--resume", "latest")
        assert result.exit_code == 1
        assert result.stderr.count("is damaged: run.json: it is missing; see run.damage\n") == 1
        assert "warnings.warn" not in result.stderr


WRONG_YAML = "runfolio: p.yaml has one problem, and nothing was run:\n  "
CSV = "Loader:\n  few: {path: data.csv}\n"
RAISED = "\nraised in Loader[few]_Clean[one], step 2 of 2, of the run in …\n"
LOADING = "\nraised in Loader[few], step 1 of 1, of the run in …\n"


def loader(told: str) -> str:
    return f"Loader:\n  few: {{{told}}}\n"


CONFIGURATIONS: dict[str, tuple[str | bytes | None, str]] = {
    "no such file": (None, "runfolio: the configuration p.yaml can't be read: …\n…\n"),
    "not UTF-8": (
        LOADER.encode() + b"  caf\xe9: {method: kit:load}\n",
        "runfolio: the configuration p.yaml is no text:\n  line 3: byte 0xe9 is not UTF-8\nsave it as UTF-8\n",
    ),
    "syntax": (
        "Loader:\n  few: {method: kit:load\nClean:\n",
        f"{WRONG_YAML}line 3, column 6: no valid YAML: …\n",
    ),
    "a tab": ("Loader:\n\tfew: {method: kit:load}\n", f"{WRONG_YAML}line 2, column 1: no valid YAML: …\n"),
    "empty": ("", f"{WRONG_YAML}it declares no module…\n"),
    "a list": ("- Loader\n", f"{WRONG_YAML}line 1, column 1: expected …\n"),
    "no such method": (
        loader("method: kitload"),
        f"{WRONG_YAML}line 2, column 17: Loader → few → method: no method 'kitload'; there is file, csv, …\n",
    ),
    "a misspelt method": (
        LOADER + "Preprocessor:\n  one: {method: scal}\n",
        f"{WRONG_YAML}line 4, column 17: Preprocessor → one → method: no method 'scal'; did you mean 'scale'?\n",
    ),
    "a misspelt parameter": (
        loader("method: kit:load, row: 3"),
        f"{WRONG_YAML}line 2, column 32: Loader → few → row: kit:load has no parameter 'row'; did you mean 'rows'?\n",
    ),
    "a misspelt setting": (
        "Run: {nam: x}\n" + LOADER,
        f"{WRONG_YAML}line 1, column 12: Run → nam: no such setting; did you mean 'name'?\n",
    ),
    "a misspelt module": (
        LOADER + "Preprocesor:\n  one: {method: scale}\n",
        f"{WRONG_YAML}line 4, column 17: Preprocesor → one → method: no method 'scale' in a module 'Preprocesor'; "
        "did you mean …'Preprocessor'?\n",
    ),
    "no parameter": (loader("method: csv"), f"{WRONG_YAML}line 2, column 8: Loader → few: missing parameter 'path'\n"),
    "no method": (LOADER + "Clean:\n  one: {most: 3}\n", f"{WRONG_YAML}line 4, column 8: Clean → one: no method; …\n"),
    "a wrong type": (
        loader("method: kit:load, rows: many"),
        f"{WRONG_YAML}line 2, column 33: Loader → few → rows: expected …int…\n",
    ),
    "an empty module": (LOADER + "Clean:\n", f"{WRONG_YAML}line 3, column 1: Clean: the module has no experiment\n"),
    "a name twice": (
        LOADER + "  few: {method: kit:load}\n",
        f"{WRONG_YAML}line 3, column 3: Loader → few: it is in line 2 already\n",
    ),
    "no such package": (
        loader("method: nowhere:load"),
        f"{WRONG_YAML}line 2, column 17: Loader → few → method: no module 'nowhere': …\n",
    ),
    "no such callable": (
        loader("method: kit:loud"),
        f"{WRONG_YAML}line 2, column 17: Loader → few → method: no 'loud' in 'kit'; did you mean 'load'?\n",
    ),
    "no callable": (
        loader("method: kit:LIMIT"),
        f"{WRONG_YAML}line 2, column 17: Loader → few → method: 'kit:LIMIT' is … int, which can't be called\n",
    ),
    "an import that raises": (
        loader("method: broken:load"),
        f"{WRONG_YAML}line 2, column 17: Loader → few → method: importing 'broken' failed: …told to…\n",
    ),
    "no input": (
        loader("path: date.csv"),
        f"{WRONG_YAML}line 2, column 15: Loader → few → path: no file 'date.csv' in the current folder; "
        "did you mean 'data.csv'?\n",
    ),
    "two writers of a file": (
        LOADER + "  two: {method: kit:load}\nReporter:\n  all: {method: data, to: out.csv}\n",
        f"{WRONG_YAML}line 5, column …: Reporter → all…to: Loader[few]_Reporter[all] and Loader[two]_Reporter[all] "
        "would both write …out.csv…; put {Loader} in its name\n",
    ),
    "an input as output": (
        CSV + "Reporter:\n  all: {method: data, to: data.csv}\n",
        f"{WRONG_YAML}line 4, column …: Reporter → all…to: …data.csv… is read by this pipeline, …\n",
    ),
    "a circle": (
        "Loader:\n  few: &few {method: kit:load, rows: *few}\n",
        "runfolio: p.yaml has …, and nothing was run:\n  line 2, column 8: Loader → few → rows: it contains…\n…\n",
    ),
    "control characters": (
        f"Loader:\n  {json.dumps(HOSTILE)}: {{method: kit:load, row: 1}}\n",
        f"{WRONG_YAML}line 2, column …: Loader → …x1b]0;owned… → row: …\n",
    ),
}  # fmt: skip
"""What a file says, and what is said of it; nothing is run then."""

INPUTS: dict[str, tuple[str, str | bytes, str]] = {
    "ragged": (
        CSV,
        "a,b\n1,2\n1,2,3\n",
        "runfolio: …data.csv can't be read as CSV: Expected 2 fields in line 3, saw 3; correct the file, …" + LOADING,
    ),
    "another encoding": (
        CSV,
        b"a,b\n1,2\ncaf\xe9,2\n",
        "runfolio: …data.csv is not utf-8 text: byte 0xe9 in line 3; set encoding to that of the file, …" + LOADING,
    ),
    "empty": (CSV, "", "runfolio: …data.csv is empty; name a file that has data in it" + LOADING),
    "not Parquet": (
        loader("path: data.csv, method: parquet"),
        "a,b\n1,2\n",
        "runfolio: …data.csv can't be read as Parquet: …; correct the file, …" + LOADING,
    ),
    "no such column": (
        LOADER + "Preprocessor:\n  one: {method: drop, columns: [nam]}\n",
        "",
        "runfolio: no column 'nam'…; did you mean 'name'?" + RAISED.replace("Clean", "Preprocessor"),
    ),
    "nothing is returned": (
        pipeline("kit:nothing"),
        "",
        "runfolio: kit:nothing returned nothing; return a frame, a dict of frames, or a report" + RAISED,
    ),
    "an object is returned": (
        pipeline("kit:thing"),
        "",
        "runfolio: can't store the result: the result is a …object; store a table, …" + RAISED,
    ),
    "a mixed column": (
        pipeline("kit:mixed"),
        "",
        "runfolio: the frame would not come back exactly: column 'a', row …: …; convert or drop …" + RAISED,
    ),
    "a module raises": (
        pipeline("kit:fails"),
        "",
        'runfolio: a step failed\nTraceback (most recent call last):\n  File "…/kit.py", line …, in fails\n'
        "    return helper(message)\n           ^^^^^^^^^^^^^^^\n"
        '  File "…/kit.py", line …, in helper\n    raise ValueError(message)\nValueError: told to' + RAISED,
    ),
    "a module calls sys.exit": (
        pipeline("kit:leaves"),
        "",
        'runfolio: a step failed\nTraceback (most recent call last):\n  File "…/kit.py", line …, in leaves\n'
        "    sys.exit(code)\nSystemExit: 3" + RAISED,
    ),
}
"""What a file says, what `data.csv` holds, and what is said; the run is recorded as failed."""

ARGUMENTS: dict[str, tuple[list[str], int, str]] = {
    "a folder": (["."], 2, "runfolio: the configuration . can't be read: …\n…\n"),
    "nothing": ([], 2, "runfolio: Missing argument 'FILE', or --resume RUN; see runfolio run --help\n"),
    "two files": (
        ["p.yaml", "q.yaml"],
        2,
        "runfolio: Got unexpected extra argument (q.yaml); see runfolio run --help\n",
    ),
    "anyway alone": (["p.yaml", "--anyway"], 2, "runfolio: --anyway goes with --resume; see runfolio run --help\n"),
    "YAML itself": ([LOADER], 2, "runfolio: the configuration … can't be read: …\n…\n"),
    "the root is a file": (
        ["p.yaml", "--root", "p.yaml"],
        1,
        "runfolio: could not write …/p.yaml: Not a dir…; …\n",
    ),
    "the root can't be made": (["p.yaml", "--root", "/proc/runs"], 1, "runfolio: could not write /proc/runs: …\n"),
    "no run to resume": (["--resume", "latest"], 1, "runfolio: no run 'latest' under …; …\n"),
}


class TestWrong:
    @pytest.mark.parametrize("case", CONFIGURATIONS)
    def test_a_wrong_configuration_is_told_by_its_place(self, cli: Cli, kit: Path, root: Path, case: str):
        text, shown = CONFIGURATIONS[case]
        (kit / "p.yaml").unlink()
        if text is not None:
            (kit / "p.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        (kit / "data.csv").write_text("id\n1\n")
        (kit / "broken.py").write_text("raise ValueError('told to')\n")
        result = cli("run", "p.yaml")
        assert (result.exit_code, result.stdout) == (2, "")
        assert is_like(result.stderr, shown), result.stderr
        assert result.stderr.replace("\n", "").isprintable()
        assert not root.exists()

    @pytest.mark.parametrize("case", INPUTS)
    def test_a_step_that_fails_is_told_by_its_cause(self, cli: Cli, kit: Path, case: str):
        text, data, shown = INPUTS[case]
        (kit / "p.yaml").write_text(text)
        (kit / "data.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
        result = cli("run", "p.yaml")
        assert result.exit_code == 1
        assert is_like(result.stderr, shown), result.stderr
        assert the_run().state == "failed"

    @pytest.mark.parametrize("case", ARGUMENTS)
    def test_what_can_not_be_run_is_said(self, cli: Cli, root: Path, case: str):
        args, code, shown = ARGUMENTS[case]
        result = cli("run", *args)
        assert (result.exit_code, result.stdout) == (code, "")
        assert is_like(result.stderr, shown), result.stderr
        assert not root.exists()

    def test_names_of_experiments_need_not_be_text(self, cli: Cli, kit: Path):
        (kit / "p.yaml").write_text("Loader:\n  1: {method: kit:load}\n  2024-01-01: {method: kit:load}\n")
        assert "Loader[2024-01-01]  completed" in cli("run", "p.yaml").stdout

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_root_that_may_not_be_written(self, cli: Cli, kit: Path):
        kit.chmod(0o500)
        result = cli("run", "p.yaml", "--root", "runs")
        kit.chmod(0o700)
        assert result.exit_code == 1
        assert result.stderr.startswith("runfolio: could not write runs: Permission denied")


def test_what_could_not_be_recorded_is_told_in_lines_of_the_command(cli: Cli, kit: Path):
    (kit / "taken").touch()
    (kit / "p.yaml").write_text("Run: {root: taken, on_write_error: warn}\n" + pipeline())
    result = cli("run", "p.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    first, second, last = result.stderr.splitlines()
    assert first.startswith("runfolio: could not write ") and "the run goes on" in first
    assert "that could not be written and are lost: " in second
    assert last.startswith("runfolio: nothing of this run could be recorded; ")
