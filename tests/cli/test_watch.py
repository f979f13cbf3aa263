"""`runfolio watch`, in a real terminal: what a person sees of a run that succeeds, fails, or is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from runfolio import Status, load_run

from .conftest import Cli
from .samples import HOSTILE, record
from .screens import Terminal

WATCHED = """
import os, sys, time
from pathlib import Path
import pandas as pd
from runfolio import Status
how, root, go = sys.argv[1:]

def wait(name):
    while not Path(go, name).exists():
        time.sleep(0.01)

with Status(name="people", root=root) as status:
    print(status.folder, flush=True)
    with status.step("Loader", "csv") as step:
        people = step.result(pd.DataFrame({"name": ["Ada", "Bob", None], "age": [36, 41, 29]}))
    with status.step("Clean", "named", data=people) as step:
        step.log("one has no name", "warning")
        people = step.result(people.dropna())
    with status.step("Fit", "model", data=people) as step:
        for number in (7, 14, 28):
            time.sleep(0.25)  # more than there is between two samples
            step.progress(number, 60, "rounds")
        wait("on")
        if how == "fails":
            raise ValueError("the model does not converge")
        if how == "killed":
            os.kill(os.getpid(), 9)
"""


class Watched:
    """A run in another process, which waits in its last step until it is let go on."""

    def __init__(self, how: str, root: Path, go: Path) -> None:
        self._go = go
        go.mkdir(exist_ok=True)
        command = [sys.executable, "-c", WATCHED, how, str(root), str(go)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait(30)

    def go_on(self) -> None:
        """Let it come to its end."""
        (self._go / "on").touch()


@pytest.fixture
def watched(root: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A run that succeeds, or comes to the end that the test asks for."""
    with Watched(getattr(request, "param", "succeeds"), root, tmp_path / "go") as found:
        yield found


def board(watched: Watched, **options: object) -> Terminal:
    """The board of that run in a terminal."""
    return Terminal("watch", str(watched.folder), **options)  # type: ignore[arg-type]


RUNNING = r"Fit\[model\]   +running  \S+  █*░*  \d+ of 60 rounds"


def is_running(text: str) -> bool:
    """Whether a board shows the last step as far as it is."""
    return "28 of 60 rounds" in text and "q leaves" in text


PAGE = Path(__file__).parents[2] / "docs" / "progress.md"

_MASKS = (
    (r"\d{8}T\d{6}Z-people-\w{4}", "RUN"),
    (r"\d\d:\d\d:\d\d\.\d\d\d", "TIME"),
    (r"<?[\d.]+m?s\b", "SECONDS"),
    (r"[\d.e+,]+ rounds/s|…$", "RATE"),
    (r"process \d+ on \S+,", "process"),
    (r"1 run in progress  .*", "1 run in progress  ROOT"),
    (r"(?m)  about SECONDS left", ""),
    (r"(?m)(\d of 60 rounds).*$", r"\1"),
    (r" +", " "),
    (r"(?m) (RATE)?$", ""),
)


def masked(text: str) -> str:
    """A screen without what is another each time."""
    for pattern, name in _MASKS:
        text = re.sub(pattern, name, text)
    return text.strip()


def assert_is_in_docs(name: str, text: str) -> None:
    """docs/progress.md shows what a terminal showed. With RUNFOLIO_SCREENS=write it is written there."""
    page = PAGE.read_text(encoding="utf-8")
    begin = page.index(f"```screen {name}\n") + len(f"```screen {name}\n")
    end = page.index("```", begin)
    if os.environ.get("RUNFOLIO_SCREENS") == "write":
        text = re.sub(
            r" on \S+, is gone", " on laptop, is gone", re.sub(r"progress  /\S+/runs", "progress  runs", text)
        )
        text = text.strip("\n")
        PAGE.write_text(f"{page[:begin]}{text}\n{page[end:]}", encoding="utf-8")
    else:
        assert masked(page[begin:end]) == masked(text), "run RUNFOLIO_SCREENS=write pytest tests/cli/test_watch.py"


class TestOfARun:
    def test_that_succeeds_shows_what_is_done_what_runs_and_what_happened(self, watched):
        with board(watched, columns=100) as terminal:
            shown = terminal.wait_for(is_running).splitlines()
            assert shown[0] == f"{watched.folder.name}  people"
            assert re.fullmatch(r"in_progress, \S+", shown[1])
            assert shown[2] == "2 steps done"
            assert re.fullmatch(r"Loader\[csv\]   +completed  \S+  3 rows", shown[4])
            assert re.fullmatch(r"Clean\[named\]  completed  \S+  2 rows \(-1\)", shown[5])
            assert re.match(RUNNING, shown[6])
            assert "Clean[named]  UPDATE  *: 3 rows → 2 rows" in shown
            assert any(
                re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d  Clean\[named\] warning: one has no name", line) for line in shown
            )
            assert_is_in_docs("running", terminal.text)
            watched.go_on()
            assert terminal.wait() == 0
            assert_is_in_docs("succeeds", terminal.text)
            assert terminal.text.splitlines()[1].startswith("completed, ")
            assert re.search(r"^Fit\[model\] +completed ", terminal.text, re.MULTILINE)
            assert "q leaves" not in terminal.text

    @pytest.mark.parametrize("watched", ["fails"], indirect=True)
    def test_that_fails_shows_the_error_in_full(self, watched):
        with board(watched) as terminal:
            terminal.wait_for(is_running)
            watched.go_on()
            assert terminal.wait() == 0
            assert_is_in_docs("fails", terminal.text)
            assert "Fit[model]    failed: ValueError: the model does not converge" in terminal.text
            error = terminal.text[terminal.text.index("Error in Fit[model]") :]
            assert "Traceback (most recent call last):" in error
            assert error.splitlines()[-1] == "ValueError: the model does not converge"

    @pytest.mark.parametrize("watched", ["killed"], indirect=True)
    def test_that_is_killed_is_told_as_interrupted_and_its_step_as_unfinished(self, watched):
        with board(watched) as terminal:
            terminal.wait_for(is_running)
            watched.go_on()
            assert terminal.wait() == 0
            assert_is_in_docs("killed", terminal.text)
            assert re.search(r"^interrupted: its writer, process \d+ on \S+, is gone", terminal.text, re.MULTILINE)
            assert re.search(r"^Fit\[model\] +unfinished$", terminal.text, re.MULTILINE)

    def test_that_ended_long_ago_is_shown_and_left(self):
        folder = record("people")
        with Terminal("watch", str(folder)) as terminal:
            assert terminal.wait() == 0
            assert "completed" in terminal.text.splitlines()[1] and "2 steps done" in terminal.text

    @pytest.mark.parametrize(("keys", "code"), [("q", 0), ("Q", 0), ("\x03", 130)])
    def test_is_left_by_a_key_and_goes_on(self, watched, keys, code):
        with board(watched) as terminal:
            before = termios.tcgetattr(terminal._fd)[3]
            terminal.wait_for(is_running)
            assert termios.tcgetattr(terminal._fd)[3] != before
            terminal.press(f"x{keys}")
            assert terminal.wait() == code
            assert termios.tcgetattr(terminal._fd)[3] == before
            assert terminal.raw.endswith(b"\x1b[?25h") or b"\x1b[?25h" in terminal.raw[-2000:]
            assert b"Traceback" not in terminal.raw
        assert load_run(watched.folder).state == "in_progress"
        watched.go_on()
        watched.process.wait(30)
        assert load_run(watched.folder).state == "completed"

    def test_that_is_told_to_end_gives_the_terminal_back(self, watched):
        with board(watched) as terminal:
            before = termios.tcgetattr(terminal._fd)[3]
            terminal.wait_for(is_running)
            terminal._process.send_signal(signal.SIGTERM)
            assert terminal.wait() == 128 + signal.SIGTERM
            assert termios.tcgetattr(terminal._fd)[3] == before
            assert b"\x1b[?1049l" in terminal.raw
            assert b"Traceback" not in terminal.raw

    def test_fits_a_terminal_that_becomes_smaller_and_larger(self, watched):
        with board(watched, lines=30, columns=100) as terminal:
            terminal.wait_for(is_running)
            terminal.resize(9, 40)
            shown = terminal.wait_for(lambda text: "…" in text and "q leaves" in text and "Messages" not in text)
            assert len(shown.splitlines()) <= 9 and all(len(line) <= 40 for line in shown.splitlines())
            assert "Fit[model]" in shown
            terminal.resize(30, 100)
            terminal.wait_for(lambda text: "Messages" in text and is_running(text))
            terminal.press("q")
            assert terminal.wait() == 0

    def test_on_a_terminal_that_can_not_move_its_cursor_is_line_by_line(self, watched):
        with board(watched, TERM="dumb") as terminal:
            terminal.wait_for("Fit[model]  began")
            watched.go_on()
            assert terminal.wait() == 0
            assert not re.search(rb"\x1b\[[0-9;?]*[A-LJKHf]", terminal.raw)
            assert re.search(r"^completed in \S+, 3 steps done$", terminal.text, re.MULTILINE)

    def test_on_a_terminal_of_ascii_has_bars_all_the_same(self, watched):
        with board(watched, PYTHONIOENCODING="ascii", PYTHONUTF8="0") as terminal:
            assert re.search(r"running  \S+  #+-+  28 of 60", terminal.wait_for(is_running))
            terminal.press("q")
            assert terminal.wait() == 0

    def test_in_a_pipe_is_line_by_line_as_it_happens(self, watched):
        command = [sys.executable, "-m", "runfolio", "watch", str(watched.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert next(lines) == f"{watched.folder.name}  people\n"
            shown = []
            for line in lines:  # each comes before the run goes on
                shown.append(line.rstrip())
                if shown[-1].startswith("Fit[model]"):
                    break
            watched.go_on()
            rest = process.stdout.read().splitlines()
        assert any(re.fullmatch(r"Loader\[csv\] +completed  \S+  3 rows", line) for line in shown)
        assert shown[-1] == "Fit[model]  began"
        shown = rest
        assert re.fullmatch(r"completed in \S+, 3 steps done", shown[-1])
        assert process.returncode == 0

    def test_a_reader_that_goes_away_ends_it_quietly(self, watched):
        command = f"{sys.executable} -m runfolio watch {watched.folder} | head -1"
        watched.go_on()
        found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
        assert (found.stdout, found.stderr) == (f"{watched.folder.name}  people\n", "")

    def test_names_and_messages_do_nothing_to_the_terminal(self, cli: Cli):
        with Status(name=HOSTILE) as status, status.step(HOSTILE, HOSTILE) as step:
            step.log(HOSTILE, HOSTILE)
        with Terminal("watch", str(status.folder), lines=40, columns=200) as terminal:
            assert terminal.wait() == 0
            assert terminal.screen.title == "" and "owned" in terminal.text
            assert b"\x1b]0;" not in terminal.raw and "\u202e".encode() not in terminal.raw
        assert "\x1b" not in cli("watch", str(status.folder)).stdout

    def test_that_is_nowhere_is_an_error(self, cli: Cli):
        found = cli("watch", "nothing")
        assert (found.exit_code, found.stdout) == (1, "") and "nothing" in found.stderr

    def test_of_another_folder_while_it_is_watched_says_so(self, watched, tmp_path):
        with board(watched) as terminal:
            terminal.wait_for(is_running)
            watched.folder.rename(tmp_path / "elsewhere")
            assert terminal.wait() == 1
            assert "runfolio: no run folder at" in terminal.text


class TestJson:
    def test_has_a_line_for_each_change_until_the_run_ends(self, watched):
        command = [sys.executable, "-m", "runfolio", "watch", "--json", str(watched.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            lines = map(json.loads, iter(process.stdout.readline, ""))
            first = next(line for line in lines if "Fit" in str(line["progress"]["running"]))
            watched.go_on()
            rest = list(lines)
        assert (first["run_id"], first["state"]) == (watched.folder.name, "in_progress")
        assert [step["module_name"] for step in first["progress"]["running"]] == ["Fit"]
        assert (rest[-1]["state"], rest[-1]["progress"]["steps_done"], process.returncode) == ("completed", 3, 0)
        assert [step["module_name"] for line in rest for step in line["ended"]] == ["Fit"]

    def test_is_of_one_run(self, cli: Cli, root):
        found = cli("watch", "--json", "--root", str(root))
        assert (found.exit_code, found.stdout) == (2, "")
        assert "--json watches one run" in found.stderr


class TestOfARoot:
    def test_has_a_line_for_each_run_that_goes_on_those_that_appear_included(self, watched, root, tmp_path):
        record("ended")
        with Terminal("watch", "--root", str(root), columns=120) as terminal:
            shown = terminal.wait_for("Fit[model] 47%").splitlines()
            assert shown[0].startswith("1 run in progress  ")
            assert re.fullmatch(rf"{watched.folder.name}  in_progress  \S+  2 steps done  Fit\[model\] 47%", shown[2])
            assert len(shown) == 4
            with Watched("fails", root, tmp_path / "another") as other:
                terminal.wait_for(lambda text: "2 runs in progress" in text and text.count("47%") == 2)
                other.go_on()
                shown = terminal.wait_for("ValueError: the model does not converge").splitlines()
            assert shown[0].startswith("1 run in progress  ")
            assert_is_in_docs("root", terminal.text)
            assert re.fullmatch(rf"{other.folder.name}  failed +\S+  2 steps done  ValueError: .*", shown[3])
            terminal.press("q")
            assert terminal.wait() == 0

    def test_may_be_empty_or_still_to_come(self, tmp_path, root, watched):
        while "28.0" not in str([event.done for event in load_run(watched.folder).events]):
            time.sleep(0.05)  # until then it makes files, and would fail where it was moved away
        with Terminal("watch", "--root", str(tmp_path / "later")) as terminal:
            terminal.wait_for("0 runs in progress")
            (tmp_path / "later").mkdir()
            watched.folder.rename(tmp_path / "later" / watched.folder.name)
            terminal.wait_for("1 run in progress")
            terminal.press("q")
            assert terminal.wait() == 0
        (tmp_path / "later" / watched.folder.name).rename(watched.folder)

    def test_in_a_pipe_tells_what_changes(self, watched, root):
        command = [sys.executable, "-m", "runfolio", "watch", str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith(f"{watched.folder.name}  in_progress")
            watched.go_on()
            while not (line := process.stdout.readline()).startswith(f"{watched.folder.name}  completed"):
                assert line
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors.strip()) == (130, "")

    def test_a_run_that_can_not_be_read_hides_no_other(self, watched, root):
        broken = root / "20261101T000000Z-broken-aaaa"
        broken.mkdir()
        (broken / "run.json").write_text('{"kind":"run","format_version":99}\n')
        with Terminal("watch", "--root", str(root), columns=300) as terminal:
            shown = terminal.wait_for(lambda text: "unreadable" in text and "Fit[model]" in text)
            assert "format version 99" in shown
            terminal.press("q")
            assert terminal.wait() == 0


def test_watching_takes_a_small_share_of_a_processor(watched):
    with board(watched) as terminal:
        terminal.wait_for(is_running)
        before, begun = _spent(terminal), time.monotonic()
        while time.monotonic() < begun + 3:
            terminal._read(0.1)
        share = (_spent(terminal) - before) / (time.monotonic() - begun)
        terminal.press("q")
        terminal.wait()
    assert share < 0.2, "a look is due four times a second"


def _spent(terminal: Terminal) -> float:
    """Seconds of processor time of the command."""
    fields = Path(f"/proc/{terminal._process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
