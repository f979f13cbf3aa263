"""A run shows itself in a notebook: what it says, and that it is whole and harmless whatever the folder holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from warnings import catch_warnings, simplefilter

import pandas as pd
import pytest

from runfolio import Status, load_run, provenance
from runfolio import html as html_module
from runfolio.clock import Clock
from runfolio.errors import RunfolioError, WriteError
from runfolio.html import MOST_LETTERS, MOST_STEPS, plain, summary_of
from runfolio.records import Repository
from runfolio.repair import repair
from runfolio.spelling import duration, number, stamp
from runfolio.steptable import steps_of
from runfolio.view import RunView

from .hostile.forging import Place, everywhere, forge, literal, places, put, record

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}
HARMLESS = {"div", "h4", "bdi", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre"}
ATTRIBUTES = {"class", "style", "scope", "colspan", "role", "title", "aria-label", "aria-hidden"}
LONG = "x" * 100_000
HOSTILE = {
    "a script": "</td></table><script>alert(1)</script>",
    "quotes": "\"' onmouseover='alert(1)' x=\"",
    "an entity": "&lt;b&gt;&#0;",
    "escapes of a terminal": "\x1b]0;owned\x07\x9b31m",
    "another direction": "\u202egnp.exe",
    "lines": "one\r\ntwo\u2028three",
    "100,000 letters": LONG,
    "100,000 quotes": '"' * 100_000,
}


READ = ("events.jsonl", "timings.jsonl", "snapshots.jsonl")


def is_text(place: Place, value: object) -> bool:
    return isinstance(value, str) and place[-1] not in ("timestamp", "start_time", "end_time")


def is_time(place: Place, value: object) -> bool:
    return place[-1] in ("timestamp", "start_time", "end_time")


def is_number(place: Place, value: object) -> bool:
    return type(value) in (int, float) and place[-1] not in ("seq", "format_version")


FORGED = {
    "the year 1": (is_time, "0001-01-01T00:00:00.000000Z"),
    "behind all years": (is_time, "9999-12-31T23:59:59.999999-14:00"),
    "before all years": (is_time, "0001-01-01T00:00:00+14:00"),
    "the largest float": (is_number, literal("1.7976931348623157e308")),
    "401 digits": (is_number, literal("1" + "0" * 400)),
    "below 0": (is_number, -1),
}


class Page(HTMLParser):
    """A fragment as a browser reads it: each tag must be closed by its own; keeps texts and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(text)
        self.close()
        assert self.open == [], "not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in VOID
        assert len(attrs) == len(dict(attrs)), "an attribute comes twice"
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        self.text += data
        if "caption" in self.open:
            self._caption += data
        elif {"td", "th"} & set(self.open):
            self._rows[-1][-1] += data

    @property
    def summary(self) -> dict[str, str]:
        return dict(self.tables[""])

    @property
    def bars(self) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.tags if attributes.get("role") == "img"]


def shown(run: RunView, now: datetime | None = None) -> Page:
    """What a run shows, which is checked to be harmless."""
    text = summary_of(run) if now is None else summary_of(run, clock=Clock(now=lambda: now))
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= HARMLESS
    for _, attributes in page.tags:
        assert attributes.keys() <= ATTRIBUTES
        assert "url" not in (attributes.get("style") or "")
    assert text.isprintable() and text.encode()
    return page


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, monotonic=lambda: self.seconds, cpu=lambda: 0.0)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def load(status: Status, watch: Watch, people: pd.DataFrame) -> None:
    """A step that takes 2 seconds."""
    with status.step("Loader", "csv") as step:
        watch.seconds += 2
        step.result(people)


class TestStates:
    def test_a_completed_run_says_how_it_went(self, watch: Watch, people: pd.DataFrame):
        with Status(name="people", tags=["a", "b"], clock=watch.clock) as status:
            load(status, watch, people)
            watch.seconds += 6
        page = shown(status)
        assert page.text.startswith(f"{status.run_id} completed")
        assert {key: text for key, text in page.summary.items() if key != "commit"} == {
            "name": "people",
            "tags": "a, b",
            "started": "2026-11-22T12:00:00Z",
            "took": "8.00s",
            "folder": str(status.folder),
        }
        assert page.tables["Steps"] == [
            ["step", "outcome", "took", "rows in", "rows out", "nulls"],
            ["Loader[csv]", "completed", "2.00s", "-", "3", "2"],
        ]
        assert summary_of(load_run(status.folder)) == summary_of(status) == status._repr_html_()

    def test_it_tells_the_commit_of_the_code(self, monkeypatch: pytest.MonkeyPatch):
        commit = Repository(commit="3f2a91c0d5b8" + "0" * 28, branch="<main>", dirty=False)
        for found, expected in ((commit, "3f2a91c0d5b8 on <main>, unchanged"), (None, None)):
            monkeypatch.setattr(provenance, "repository_of", lambda *folders, found=found: found)
            with Status() as status:
                pass
            assert shown(status).summary.get("commit") == expected

    def test_a_failed_run_says_why_in_one_line(self, watch: Watch, people: pd.DataFrame):
        with suppress(ValueError), Status(clock=watch.clock) as status:
            load(status, watch, people)
            with status.step("Clean", "drop_na"):
                raise ValueError("no column 'x'\nsecond line")
        page = shown(status)
        assert page.text.startswith(f"{status.run_id} failed")
        assert page.summary["error"] == "ValueError: no column 'x'" and "why" not in page.summary
        assert page.tables["Steps"][2][:2] == ["Clean[drop_na]", "failedValueError: no column 'x'"]

    def test_a_live_run_says_what_is_running_up_to_now(self, watch: Watch, people: pd.DataFrame):
        status = Status(clock=watch.clock)
        load(status, watch, people)
        with status.step("Train", "slow"):
            status.progress(412, 1000, "rows")
            watch.seconds += 6
            page = shown(status, watch.now)
            assert page.text.startswith(f"{status.run_id} in_progress")
            assert (page.summary["why"], page.summary["took"]) == ("this process writes it", "8.00s")
            assert page.tables["Steps"][2][:3] == ["Train[slow]", "running, 412 of 1,000 rows", "6.00s"]
            (loader, train) = page.bars
            assert "left:0.00%;width:25.00%" in loader["style"]
            assert "left:25.00%;width:75.00%" in train["style"]
            assert train["title"] == "Train[slow]: 2026-11-22T12:00:02Z, running, took 6.00s"
            assert shown(load_run(status.folder), watch.now).tables == page.tables | {
                "": [[label, load_run(status.folder).state_reason if label == "why" else text]
                     for label, text in page.tables[""]]
            }  # fmt: skip
        status.complete()

    def test_a_view_as_of_a_snapshot_stays_as_it_was_then(self, watch: Watch, people: pd.DataFrame):
        with Status(clock=watch.clock) as status:
            load(status, watch, people)
            snapshot = status.snapshots[-1].snapshot_id
            watch.seconds += 100
            with status.step("Clean", "later"):
                pass
        view = status.at(snapshot)
        page = shown(view)
        assert page.summary["took"] == "2.00s" and page.text.startswith(f"{status.run_id} in_progress")
        assert [row[0] for row in page.tables["Steps"]] == ["step", "Loader[csv]"]
        assert "left:0.00%;width:100.00%" in page.bars[0]["style"]
        assert view._repr_html_() == summary_of(view)

    def test_an_interrupted_run_took_until_its_last_record(self, tmp_path: Path):
        code = """
import os
from runfolio import Status
status = Status(name="killed")
step = status.step("Train", "slow").__enter__()
status.progress(412, 1000, "rows")
os._exit(9)
"""
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
        run = load_run("latest")
        page = shown(run, datetime(2100, 1, 1, tzinfo=UTC))
        assert page.text.startswith(f"{run.run_id} interrupted")
        assert page.summary["why"] == run.state_reason
        assert page.summary["took"].endswith("s") and "d" not in page.summary["took"]
        assert page.tables["Steps"][1][:3] == ["Train[slow]", "unfinished, 412 of 1,000 rows", "-"]

    def test_a_repaired_run_took_no_longer_for_its_repair(self, watch: Watch, people: pd.DataFrame, tmp_path: Path):
        with Status(clock=watch.clock) as status:
            load(status, watch, people)
            torn = shutil.copytree(status.folder, tmp_path / "torn", ignore=shutil.ignore_patterns("*.lock"))
        with (torn / "events.jsonl").open("a") as journal:
            journal.write("torn")
        with catch_warnings():
            simplefilter("ignore")
            repair(torn, to=tmp_path / "repaired")
            runs = [load_run(torn), load_run(tmp_path / "repaired")]
        assert [run.state for run in runs] == ["interrupted"] * 2
        assert [shown(run).summary["took"] for run in runs] == ["2.00s"] * 2

    def test_damage_is_counted(self, status: Status):
        status.complete()
        for path in (status.folder / "results").iterdir():
            path.unlink()
        with pytest.warns(UserWarning, match="damaged"):
            run = load_run(status.folder)
        assert shown(run).summary["damage"] == f"{len(run.damage)} findings"
        assert len(run.damage) > 1

    def test_each_state_is_told_in_a_word_and_in_a_colour_that_is_read_on_light_and_on_dark(self):
        assert set(html_module._COLOURS) >= {"completed", "failed", "in_progress", "interrupted", "running"}
        for colour in {*html_module._COLOURS.values(), html_module._colour("not_started")}:
            assert contrast(colour, "#ffffff") > 4 and contrast(colour, "#111111") > 4


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestNothingToRead:
    def test_a_status_that_wrote_nothing_is_its_repr(self):
        status = Status(name="people")
        assert Page(status._repr_html_()).text == repr(status)
        assert status._repr_html_().startswith("<pre>&lt;Status ")
        assert shown(status).text.startswith("a run without a folder yet not_started")

    def test_a_view_of_no_run_is_its_repr(self):
        assert Page(RunView(None)._repr_html_()).text == repr(RunView(None))

    def test_a_live_run_whose_folder_was_deleted_is_its_repr(self):
        status = Status()
        status.log("begun")
        shutil.rmtree(status.folder)
        found = status._repr_html_()
        with suppress(WriteError):
            status.complete()
        assert found == plain(f"<Status: no run folder at {status.folder}: No such file or directory>")

    def test_a_loaded_run_whose_folder_was_deleted_shows_what_it_has_read(self, status: Status):
        status.complete()
        run = load_run(status.folder)
        before = run._repr_html_()
        shutil.rmtree(status.folder)
        assert run._repr_html_() == before

    def test_whatever_goes_wrong_the_notebook_goes_on(self, status: Status, monkeypatch: pytest.MonkeyPatch):
        def fail(run: RunView) -> str:
            raise ZeroDivisionError("<b>" + LONG)

        monkeypatch.setattr(html_module, "summary_of", fail)
        found = status._repr_html_()
        assert Page(found).text.startswith("<Status: it can't be shown: ZeroDivisionError('<b>x")
        assert len(found) < 2 * MOST_LETTERS


class TestHostile:
    @pytest.mark.parametrize("case", HOSTILE)
    def test_names_and_messages_are_shown_as_texts_and_cut(self, case: str):
        text = HOSTILE[case]
        with suppress(ValueError), Status(name=text, tags=[text, text]) as status, status.step(text, text):
            status.end_timing(status.start_timing(text, text, text))
            raise ValueError(text)
        assert status.state == "failed" and [step.depth for step in steps_of(status)] == [0, 1]
        page = shown(status)
        assert len(page.text) < 20 * MOST_LETTERS
        assert all(len(cell) <= 2 * MOST_LETTERS + 20 for rows in page.tables.values() for row in rows for cell in row)
        assert all(len(value or "") < 3 * MOST_LETTERS for _, found in page.tags for value in found.values())
        assert page.summary["name"][:3] == plain_beginning(text)

    @pytest.mark.parametrize("case", [*FORGED, "a script", "escapes of a terminal", "100,000 quotes"])
    def test_a_forged_folder_is_shown_or_refused_whatever_stands_in_any_place(
        self, case: str, root: Path, tmp_path: Path
    ):
        seed = record(root)
        wanted, put_there = FORGED[case] if case in FORGED else (is_text, HOSTILE[case])
        changes = [put(place, put_there) for place in places(seed.lines, wanted) if place[0] in READ]
        changes.append(everywhere(lambda place, found: put_there if wanted(place, found) else found))
        seen = 0
        for count, change in enumerate(changes):
            with catch_warnings(), suppress(RunfolioError):
                simplefilter("ignore")
                run = load_run(forge(tmp_path / str(count), seed, change))
                shown(run)
                for snapshot in run.snapshots:
                    with suppress(RunfolioError):
                        shown(run.at(snapshot.snapshot_id))
                seen += 1
        assert seen > len(changes) / 2

    def test_a_folder_whose_name_is_no_text_can_be_shown(self, status: Status, tmp_path: Path):
        status.complete()
        folder = tmp_path / "\udc80<b>\x1b"
        shutil.copytree(status.folder, folder)
        assert r"\udc80<b>\x1b" in shown(load_run(folder)).summary["folder"]

    def test_dollar_signs_make_no_formula(self, status: Status):
        assert shown(status).tags[0] == ("div", {"class": "tex2jax_ignore mathjax_ignore"})

    def test_a_long_text_is_neutralised_as_far_as_it_is_shown(self):
        assert Page(plain("\x1b" * 10**6)).text == (r"\x1b" * MOST_LETTERS)[: MOST_LETTERS - 1] + "…"
        assert Page(plain("x" * MOST_LETTERS)).text == "x" * MOST_LETTERS

    def test_timings_at_any_time_and_of_any_length_have_a_bar_within_the_run_or_none(self, watch: Watch):
        watch.seconds = 10
        with Status(clock=watch.clock) as status:
            now = watch.now
            status.record_timing("by hand", "before", "x", 0, 1)
            status.record_timing("by hand", "across", "x", now - timedelta(days=9), now + timedelta(days=999))
            status.record_timing("by hand", "nothing", "x", now, now)
            status.record_timing("by hand", "long", "x", now, now + timedelta(seconds=1), duration=1e300)
            status.record_timing("by hand", "last", "x", datetime.max.replace(tzinfo=UTC), datetime.max)
            watch.seconds += 4
        page = shown(status)
        rows = dict(page.tables["Timeline"][1:])
        assert [name for name, text in rows.items() if text] == ["by hand[before]", "by hand[last]"]
        assert set(filter(None, rows.values())) == {"not in the time of the run"}
        assert [extent(bar) for bar in page.bars] == [(0, 100), (0, 0), (0, 100)]

    def test_a_run_that_took_no_time_has_bars(self, watch: Watch, people: pd.DataFrame):
        with Status(clock=watch.clock) as status, status.step("Loader", "csv") as step:
            step.result(people)
        assert [extent(bar) for bar in shown(status).bars] == [(0, 0)]


def plain_beginning(text: str) -> str:
    """The first letters of a text, neutralised by hand."""
    return {"\x1b": r"\x1", "\u202e": r"\u2"}.get(text[0], text[:3])


def extent(bar: dict[str, str | None]) -> tuple[float, float]:
    left, width = re.search(r"left:([\d.]+)%;width:([\d.]+)%", bar["style"] or "").groups()
    return float(left), float(width)


class TestSteps:
    def test_they_are_those_of_the_table_of_steps(self, watch: Watch, people: pd.DataFrame):
        with Status(clock=watch.clock) as status:
            load(status, watch, people)
            with status.step("Clean", "drop_na", data=people) as step:
                with status.step("Clean", "inner"):
                    watch.seconds += 1
                watch.seconds += 1
                step.result(people.dropna())
        steps = steps_of(status)
        page = shown(status)
        assert page.tables["Steps"][1:] == [
            [
                step.step_name if step.depth else f"{step.module_name}[{step.experiment_name}]",
                step.outcome,
                duration(step.duration_seconds),
                number(step.rows_before),
                number(step.rows_after),
                number(step.nulls_after),
            ]
            for step in steps
        ]
        assert [bar["title"] for bar in page.bars] == [
            f"{step.module_name}[{step.experiment_name}]: {stamp(step.start_time)}, completed, "
            f"took {duration(step.duration_seconds)}"
            for step in steps
            if not step.depth
        ]
        assert [bar["aria-label"] for bar in page.bars] == [bar["title"] for bar in page.bars]

    def test_what_was_timed_inside_a_step_is_indented_and_has_no_bar(self, watch: Watch):
        with Status(clock=watch.clock) as status, status.step("Train", "fit"):
            status.end_timing(status.start_timing("Train", "fit", "fold"))
        page = shown(status)
        assert [step.depth for step in steps_of(status)] == [0, 1]
        indents = re.findall(r"padding-left:([\d.]+)em", summary_of(status))
        assert indents == ["0.6", "1.8"]
        assert [row[0] for row in page.tables["Steps"][1:]] == ["Train[fit]", "fold"]
        assert len(page.bars) == 1

    def test_there_is_a_limit_to_how_many_are_shown(self, watch: Watch):
        with Status(clock=watch.clock) as status:
            for count in range(1000):
                status.record_timing("Loader", f"{count:03}", "read", watch.now, watch.now + timedelta(seconds=1))
                watch.seconds += 1
        page = shown(status)
        for name in ("Steps", "Timeline"):
            rows = page.tables[name]
            assert len(rows) == 1 + MOST_STEPS + 1
            assert [row[0] for row in rows[1:3]] == ["Loader[000]", "Loader[001]"]
            assert rows[-1] == ["and 950 more"]
        assert len(page.bars) == MOST_STEPS
        assert len(summary_of(status)) < 100_000

    def test_as_many_as_are_shown_have_no_more_behind_them(self, watch: Watch):
        with Status(clock=watch.clock) as status:
            for count in range(MOST_STEPS):
                status.record_timing("Loader", str(count), "read", watch.now, watch.now)
        assert "more" not in shown(status).text

    def test_a_run_without_steps_has_neither_table_nor_timeline(self):
        with Status() as status:
            status.log("nothing to do")
        assert list(shown(status).tables) == [""]

    def test_tables_have_titles_for_readers_of_the_screen(self, status: Status):
        page = shown(status)
        scopes = [found.get("scope") for tag, found in page.tags if tag == "th"]
        assert set(scopes) == {"col", "row"} and scopes.count("col") == 6 + 2
        assert [tag for tag, _ in page.tags].count("caption") == 2


def test_recording_and_reading_load_nothing_of_it(tmp_path: Path):
    code = f"""
import sys
from runfolio import Status, load_run
with Status(root={str(tmp_path)!r}) as status:
    status.log("x")
repr(load_run(status.folder))
print("runfolio.html" in sys.modules, "html" in sys.modules)
status._repr_html_()
print("runfolio.html" in sys.modules, "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\nTrue False\n"
