"""What a test of durability measured: one JSON file a test, from which the table in docs/durability.md is made.

A test calls `tally(...)` once for each row of the table. Only a long run writes files, so that the table can't drift
from what was measured:

    RUNFOLIO_DURABILITY=long python -m pytest tests/durability --timeout 0
    python tests/durability/tally.py
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

_FORM = re.compile(r"a run (?:small|ended|killed|resumed|pipeline)\b")
_NOTE = re.compile(r", (\d+) (that verify alone tells|in locks of the dead, and such, that nothing tells|of a .*)")
_NUMBER = re.compile(r"\d+")

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "docs" / "durability.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: how often what was tried, what happened, and what the negative control showed.

    `faults` is how many faults proved that they fired; `lost` counts acknowledged records that a reader did not give,
    `silent` damage that went unreported, `uncaught` exceptions that were no error of this package. `control` is what
    the negative control lost or missed, in words: it must not be nothing.
    """

    test: str
    trials: int
    faults: int
    acknowledged: int | None
    lost: int
    silent: int
    uncaught: int
    control: str
    seed: int | None
    seconds: float


def write(name: str, rows: list[Row]) -> None:
    """Keep what a long run of one test measured."""
    RESULTS.mkdir(exist_ok=True)
    found = {
        "date": f"{date.today()}",
        "system": f"Linux {re.match(r'[0-9.]+', platform.release())[0]}",
        "python": platform.python_version(),
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def table() -> str:
    """The table of all results, in Markdown."""
    head = ["test", "trials", "faults fired", "acknowledged", "lost", "silent", "uncaught", "negative control", "seed"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * 6 + "---|--:|"]
    systems, dates = set(), set()
    rows: list[Row] = []
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text())
        systems.add(f"{found['system']}, Python {found['python']}")
        dates.add(found["date"])
        rows += [Row(**one) for one in found["rows"]]
    for row in together(rows):
        counts = (row.trials, row.faults, row.acknowledged, row.lost, row.silent, row.uncaught)
        cells = [row.test, *("" if n is None else f"{n:,}" for n in counts), row.control, str(row.seed or "")]
        lines.append("| " + " | ".join(cells) + " |")
    if not dates:
        return "There are no results of a long run yet.\n"
    days = min(dates) if len(dates) == 1 else f"{min(dates)} to {max(dates)}"
    return "\n".join(lines) + f"\n\nMeasured on {days}, {'; '.join(sorted(systems))}.\n"


def together(rows: list[Row]) -> list[Row]:
    """Rows of one test on runs of several forms as one row, in which all numbers are sums."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_NOTE.sub("", _FORM.sub("a run", row.test)), []).append(row)
    return [one[0] if len(one) == 1 else _sum(test, one) for test, one in groups.items()]


def _sum(test: str, rows: list[Row]) -> Row:
    notes: Counter[str] = Counter()
    for row in rows:
        notes.update({what: int(number) for number, what in _NOTE.findall(row.test)})
    told = "".join(f", {number:,} {what}" for what, number in notes.items())
    counts = {
        name: sum(getattr(row, name) or 0 for row in rows)
        for name in ("trials", "faults", "acknowledged", "lost", "silent", "uncaught", "seconds")
    }
    missed = sum(int(number) for row in rows for number in _NUMBER.findall(row.control))
    control = _NUMBER.sub(f"{missed:,}", rows[0].control)
    return replace(rows[0], test=f"{test}, of {len(rows)} forms{told}", control=control, **counts)


def page(text: str) -> str:
    """The page with the table of the committed results in its place."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.stdout.write(table())
