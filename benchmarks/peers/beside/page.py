"""docs/benchmarks.md: tables and plots between its markers, and README's headline, from what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from beside import trackers
from beside.findings import Findings, ours_of
from beside.headline import headline
from beside.numbers import spell, times
from beside.plots import Point, plot

REPOSITORY = Path(__file__).parents[3]
PAGE, README = REPOSITORY / "docs" / "benchmarks.md", REPOSITORY / "README.md"
PICTURES = ("log", "store", "load", "follow")


def write(found: Findings) -> None:
    """Make the page, its pictures and README's paragraph."""
    for path, text in made(found).items():
        path.write_text(text, encoding="utf-8")


def made(found: Findings) -> dict[Path, str]:
    """Every file with what was found in it, as it has to be."""
    files = {PAGE: between(PAGE.read_text(encoding="utf-8"), "measured", tables(found))}
    files[README] = between(README.read_text(encoding="utf-8"), "beside others", headline(found, "docs/benchmarks.md"))
    return files | {PAGE.with_name(f"peers-{job}.svg"): picture(job, found) for job in PICTURES}


def between(text: str, name: str, new: str) -> str:
    """The text with this between its markers."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{new}\n{end}{rest.split(end)[1]}"


# ---------------------------------------------------------------------------------------------------- tables


def tables(found: Findings) -> str:
    """All that the page has between its markers."""
    parts = [about(found), *(_section(job, found) for job in SECTIONS), _ahead(found), _mapping(found)]
    return "\n\n".join(parts) + "\n"


def about(found: Findings) -> str:
    """What it depends on."""
    place, loads = found["environment"], [one["load_average"] for job in found["jobs"].values() for one in job.values()]
    ours = ", ".join(f"{name} {value}" for name, value in found["peers"]["runfolio"]["versions"].items())
    others = [
        ", ".join(f"{name} {value}" for name, value in peer["versions"].items()) or peer["problem"]
        for name, peer in found["peers"].items()
        if name != "runfolio" and (peer["versions"] or peer["problem"])
    ]
    return (
        f"Measured on {place['date']}: Python {place['Python']}, {place['on']}, {place['CPUs']} CPUs, shared with "
        f"other work (load average {min(loads, default=0):g} to {max(loads, default=0):g}). {ours}; beside it "
        f"{'; '.join(dict.fromkeys(others))}."
    )


def _section(job: str, found: Findings) -> str:
    title, head, row = SECTIONS[job]
    lines = [f"### {title}", ""]
    if job in PICTURES:
        lines += [f"![{title}](peers-{job}.svg)", ""]
    lines += [f"| tracker | {' | '.join(head)} |", f"|---|{'--:|' * len(head)}"]
    ours = ours_of(job, found)
    if ours:
        lines.append(f"| **runfolio** | {' | '.join(row(ours, {}, found, 'runfolio'))} |")
    for name, figures in found["jobs"].get(job, {}).items():
        cells = [_refusal(figures)] if "peer" not in figures else row(figures["peer"], figures["ratios"], found, name)
        cells += [""] * (len(head) - len(cells))
        lines.append(f"| {found['peers'][name]['title']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _refusal(figures: dict[str, Any]) -> str:
    return f"can't: {figures['cannot']}" if "cannot" in figures else f"failed: {figures['failed']}"


def _log(side: dict[str, Any], ratios: dict[str, float], found: Findings, name: str) -> list[str]:
    lost = side["records"] - side["kept"]
    return [
        f"{side['records']:,}",
        spell(side["p50"]),
        times(ratios.get("p50")),
        spell(side["p99"]),
        f"{1 / side['seconds']:,.0f}",
        times(ratios.get("seconds")),
        f"{side['bytes_each']:,.0f}",
        f"{side['files']:,}",
        "all" if lost <= 0 else "**none**" if not side["kept"] else f"**all but {lost:,}**",
        _at_once(found, name),
    ]


def _at_once(found: Findings, name: str) -> str:
    figures = found["jobs"].get("follow", {})
    side = ours_of("follow", found) if name == "runfolio" else figures.get(name, {}).get("peer", {})
    if "at_once" not in side:
        return "no"
    return (
        "yes"
        if side["at_once"] == side["looks"]
        else f"{side['at_once']} of {side['looks']}"
        if side["at_once"]
        else "no"
    )


def _store(side: dict[str, Any], ratios: dict[str, float], found: Findings, name: str) -> list[str]:
    return [
        spell(side["seconds"]),
        times(ratios.get("seconds")),
        f"{side['bytes'] / 2**20:,.0f}",
        times(ratios.get("bytes")),
        spell(side["read"]) if "read" in side else "",
        "yes" if side["exact"] else f"no: {side['differs']}",
    ]


def _load(side: dict[str, Any], ratios: dict[str, float], found: Findings, name: str) -> list[str]:
    expected = side["runs"] * found["sizes"]["run_records"]
    missed = "" if side["records_found"] == expected else f" (gave {side['records_found']:,} of {expected:,})"
    return [
        f"{side['runs']:,}",
        spell(side["table"]),
        spell(side["table"] / side["runs"]),
        times(ratios.get("table")),
        spell(side["records"]) + missed,
        times(ratios.get("records")),
    ]


def _follow(side: dict[str, Any], ratios: dict[str, float], found: Findings, name: str) -> list[str]:
    seen = f"{side['seen']} of {side['followed']}"
    if "median" not in side:
        return [seen, "not within 12 s", "", ""]
    return [seen, spell(side["median"]), spell(side["p99"]), times(ratios.get("median"))]


Row = Callable[[dict[str, Any], dict[str, float], Findings, str], list[str]]
SECTIONS: dict[str, tuple[str, tuple[str, ...], Row]] = {
    "log": (
        "Log records",
        (
            "records",
            "p50",
            "time",
            "p99",
            "a second",
            "time on average",
            "bytes each",
            "files",
            "kept after `kill -9`",
            "seen at once",
        ),
        _log,
    ),
    "store": ("Store 50 results of 10,000 x 15", ("took", "time", "MiB", "size", "read one back", "exact"), _store),
    "large": ("Store one result of 5,000,000 x 15", ("took", "time", "MiB", "size", "read back", "exact"), _store),
    "load": (
        "Load past runs of 20 records each",
        ("runs", "a table of them", "each", "time", "all their records", "time"),
        _load,
    ),
    "follow": ("Follow a live run", ("seen", "median", "p99", "time"), _follow),
}


# ------------------------------------------------------------------------------- who is ahead, and what was called

AHEAD = {
    "log": ("p50",),
    "store": ("seconds",),
    "large": ("seconds",),
    "load": ("table", "records"),
    "follow": ("median",),
}
WHAT = {
    "log": "Logging",
    "store": "Storing 50 results",
    "large": "Storing the large result",
    "table": "A table of past runs",
    "records": "Reading all their records",
    "follow": "Following",
}


def ahead(found: Findings) -> Iterator[tuple[str, str, float]]:
    """Where a tracker took less time than runfolio: what at, its name, and the share of runfolio's time."""
    for job, names in AHEAD.items():
        for tracker, figures in found["jobs"].get(job, {}).items():
            for name in names:
                if (ratio := figures.get("ratios", {}).get(name, 1.0)) < 1:
                    yield name if job == "load" else job, tracker, ratio


def _ahead(found: Findings) -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for what, name, ratio in ahead(found):
        why = trackers.tracker(name).AHEAD.get(what, "")
        groups.setdefault((what, why), []).append(f"{found['peers'][name]['title']} ({times(ratio)})")
    lines = [f"- **{WHAT[what]}**: {'; '.join(names)}. {why}" for (what, why), names in groups.items()]
    return "\n".join(["### Where others are ahead", "", *(lines or ["Nowhere."])])


def _mapping(found: Findings) -> str:
    lines = ["### What was called", "", "| tracker | log | store; read back | load | follow |", "|---|---|---|---|---|"]
    for name, peer in found["peers"].items():
        module = trackers.tracker(name)
        cells = [module.CALLS.get(job) or f"can't: {module.CANNOT[job]}" for job in trackers.JOBS]
        lines.append(f"| {peer['title']} | {' | '.join(cells)} |")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------------ pictures


def picture(job: str, found: Findings) -> str:
    """The plot of a job."""
    title, value, note = PLOTS[job]
    ours = ours_of(job, found)
    points = [Point("runfolio", value(ours), f"{spell(value(ours))}", ours=True)]
    for name, figures in found["jobs"].get(job, {}).items():
        label = found["peers"][name]["title"]
        side = figures.get("peer", {})
        if not side or value(side) is None:
            points.append(Point(label, None, "can't" if "cannot" in figures else "failed" if not side else note(side)))
        else:
            told = ", ".join(part for part in (spell(value(side)), note(side)) if part)
            points.append(Point(label, value(side), told, hollow=bool(note(side))))
    return plot(title, points)


def _lost(side: dict[str, Any]) -> str:
    lost = side["records"] - side["kept"]
    return "" if lost <= 0 else "kill -9 loses all" if not side["kept"] else f"kill -9 loses {lost:,}"


def _unseen(side: dict[str, Any]) -> str:
    return "" if side["seen"] == side["followed"] else f"sees {side['seen']} of {side['followed']} in 12 s"


PLOTS: dict[str, tuple[str, Callable[[dict[str, Any]], float | None], Callable[[dict[str, Any]], str]]] = {
    "log": ("Time to log a record, median (hollow: lost by kill -9)", lambda side: side["p50"], _lost),
    "store": (
        "Time to store 50 results of 10,000 x 15 (hollow: does not come back exactly)",
        lambda side: side["seconds"],
        lambda side: "" if side["exact"] else "not exact",
    ),
    "load": ("Time of a table of past runs, for each run", lambda side: side["table"] / side["runs"], lambda _: ""),
    "follow": ("From a call to its record in another process, median", lambda side: side.get("median"), _unseen),
}
