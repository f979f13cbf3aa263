"""A process that runs a tracked pipeline and is killed in the midst of a step. Run as: child.py PIPELINE WITNESS."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from petsard import Executor
from witness import Witness

from runfolio.integrations.petsard import track

if __name__ == "__main__":
    with Witness(Path(sys.argv[2])).watching():
        executor = Executor(sys.argv[1])
        with track(executor, name="killed"):
            executor.run()
