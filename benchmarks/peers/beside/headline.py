"""README's lines: the range of each job's ratios, and who keeps what."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from beside.findings import Findings, ours_of
from beside.numbers import spell, times

WHOLE = {"break_long_words": False, "break_on_hyphens": False}


def headline(found: Findings, link: str) -> str:
    """Some lines for README: the range of ratios of each job, and who is ahead."""
    log, store = _ratios("log", "p50", found), _ratios("store", "seconds", found)
    kept = {name: ratio for name, ratio in log.items() if _keeps(found["jobs"]["log"][name]["peer"])}
    exact = {name: ratio for name, ratio in store.items() if found["jobs"]["store"][name]["peer"]["exact"]}
    table, seen = _ratios("load", "table", found), _ratios("follow", "median", found)
    lines = [
        f"- **Log**: {spell(ours_of('log', found)['p50'])} a record. {len(kept)} of {len(log)} others kept every "
        f"record after `kill -9`; these took {_range(kept, found)} as long.",
        f"- **Store** 50 results of 10,000 x 15: others took {_range(store, found)} as long. "
        f"Exactly as they were came back only runfolio's and those of {_named(exact, found)}.",
        f"- **Load** past runs: a table of them took others {_range(table, found)} as long.",
        f"- **Follow** a live run: others' records were seen after {_range(seen, found)} as long; of "
        f"{_named(_unseen_at_once(found), found)} none was there when the call returned.",
        f"- Where others are ahead, why, what each can't do at all, and how it was measured: [{link}]({link}).",
    ]
    return "\n".join(textwrap.fill(line, 118, subsequent_indent="  ", **WHOLE) for line in lines) + "\n"


def _range(ratios: dict[str, float], found: Findings) -> str:
    least, most = min(ratios, key=lambda name: ratios[name]), max(ratios, key=lambda name: ratios[name])
    return " to ".join(f"{times(ratios[name])} ({found['peers'][name]['title']})" for name in (least, most))


def _named(names: Iterable[str], found: Findings) -> str:
    titles = list(dict.fromkeys(found["peers"][name]["title"].partition(",")[0] for name in names))
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if titles[1:] else titles) or "nobody"


def _unseen_at_once(found: Findings) -> list[str]:
    jobs = found["jobs"].get("follow", {})
    return [name for name, one in jobs.items() if "peer" in one and not one["peer"]["at_once"]]


def _keeps(side: dict[str, Any]) -> bool:
    return bool(side["kept"] >= side["records"])


def _ratios(job: str, name: str, found: Findings) -> dict[str, float]:
    jobs = found["jobs"].get(job, {})
    return {peer: one["ratios"][name] for peer, one in jobs.items() if name in one.get("ratios", {})}
