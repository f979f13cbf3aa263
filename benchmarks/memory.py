"""The memory of a process that only writes: how far it grows above its start, sampled.

As a script it is that process: `python memory.py COUNT ROOT` prints its resident bytes at the start and at their peak.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BOUND = 50 * 2**20
SAMPLES = 200


def measure(sizes: Any, folder: Path) -> list[Any]:
    """Changes and timings in turn."""
    from children import answer
    from measure import Row

    start, peak = answer("memory", [str(sizes.written), str(folder)], folder / "bytecode")
    what = f"growth of a writer over {sizes.written:,} records, from {start / 2**20:.0f} MiB"
    return [Row("memory", what, "50 MiB", "MiB", [peak - start], [BOUND], (peak - start) / BOUND, 1.0)]


def _write(count: int, root: str) -> tuple[int, int]:
    from runfolio import Status

    begin = datetime(2026, 11, 22, tzinfo=UTC)
    with Status(root=root) as status:
        start = peak = _resident()
        for number in range(count // 2):
            status.record_change("UPDATE", f"column_{number % 100}", {"number": number}, module="M", experiment="e")
            end = begin + timedelta(seconds=number)
            status.record_timing("M", "e", "run", begin, end, context={"number": number})
            if number % (count // 2 // SAMPLES or 1) == 0:
                peak = max(peak, _resident())
    return start, max(peak, _resident())


def _resident() -> int:
    pages = Path("/proc/self/statm").read_bytes().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(list(_write(int(sys.argv[1]), sys.argv[2])))
