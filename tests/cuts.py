"""Killing a process at each of its calls that touch files, one copy of a run for each; no tracer is needed.

A child forks for each cut. Python's audit events come just before each call; what has none of its own (the exchange of
two folders) lies between two that have. So each order of what is on the disk is seen.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_CHILD = """
import json, os, shutil, signal, sys
from pathlib import Path

exec(sys.argv[1])
folder, scratch = Path(sys.argv[2]), Path(sys.argv[3])
WATCHED = set(
    "open os.rename os.mkdir os.remove os.rmdir os.chmod os.utime os.listdir os.scandir fcntl.fcntl fcntl.flock".split()
)
root = scratch / "whole" / folder.name
shutil.copytree(folder, root)
act(root)  # what is imported on the way is imported now
cuts = []
for number in range(1, 5000, int(sys.argv[4])):
    copy = scratch / f"{number:04d}" / folder.name
    shutil.copytree(folder, copy)
    child = os.fork()
    if child == 0:
        left = number
        def hook(event, arguments):
            global left
            if event not in WATCHED or (event == "open" and "/proc/" in str(arguments[0])):
                return
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        act(copy)
        os._exit(0)
    _, code = os.waitpid(child, 0)
    if code == 0:
        break
    assert os.WTERMSIG(code) == signal.SIGKILL, code
    cuts.append(str(copy))
print(json.dumps(cuts))
"""


def cut_at_calls(code: str, folder: Path, *, every: int = 1) -> list[Path]:
    """Copies of a run, in each of which a process was killed at another call of `act`, which the code defines.

    In order, of so many calls one. Each copy has a root of its own.
    """
    scratch = folder.parent.parent / "cuts"
    arguments = [code, str(folder), str(scratch), str(every)]
    ran = subprocess.run([sys.executable, "-c", _CHILD, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [Path(copy) for copy in json.loads(ran.stdout.splitlines()[-1])]
