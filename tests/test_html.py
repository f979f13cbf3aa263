"""A run in a notebook: what is told of it, whatever it holds, in a fragment that is sound HTML."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from runfolio import Status, load_run
from runfolio.clock import Clock
from runfolio.html import MOST_STEPS, fragment_of

from .cli.samples import HOSTILE, begin, record

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Reader(HTMLParser):
    """Takes a fragment apart, and sees that each tag is closed where it should be."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.titles: list[str] = []
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"style", "class", "title", "colspan"}
        self.open.append(tag)
        self.tags.append(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(run: object) -> Reader:
    """The fragment that a notebook gets."""
    return Reader(run._repr_html_())  # type: ignore[attr-defined]


def test_a_run_that_completed_is_told_with_its_steps_and_when_they_ran():
    run = load_run(record("people"))
    found = read(run)
    assert found.texts[:4] == [run.run_id, " ", "people", " "] and "completed" in found.texts
    assert (
        found.tags.count("table") == 2 and found.texts.count("Loader[csv]") == found.texts.count("Clean[drop_na]") == 1
    )
    assert [title.partition(":")[0] for title in found.titles] == ["Loader[csv]", "Clean[drop_na]"]
    rows = found.texts[found.texts.index("Clean[drop_na]") :]
    assert rows[1] == "completed" and rows[3:5] == ["3", "1"]


def test_bars_begin_and_end_where_steps_did():
    ticks = [0.0]
    status = Status(clock=Clock(now=lambda: NOON + timedelta(seconds=ticks[0]), monotonic=lambda: ticks[0]))
    for seconds in (10, 30):
        with status.step("Fit", str(seconds)):
            ticks[0] += seconds
    status.complete()
    bars = [style for style in read(load_run(status.folder)).styles if "background" in style]
    assert ["margin-left:0.00%;width:25.00%" in bars[0], "margin-left:25.00%;width:75.00%" in bars[1]] == [True, True]


def test_a_run_that_failed_says_why():
    found = read(load_run(record("people", error=ValueError("no <b>age</b>"))))
    assert "ValueError: no <b>age</b>" in found.texts and "failed: ValueError: no <b>age</b>" in found.texts


def test_a_live_run_says_what_is_running_and_how_far_it_is():
    status = begin("people")
    with status.step("Fit", "model") as step:
        step.progress(5, 20, "rounds")
        found = read(status)
        assert "running, 5 of 20 rounds" in found.texts and "this process writes it" in found.texts
        assert len(found.titles) == 2
    status.complete()


def test_as_of_a_snapshot_it_is_the_run_of_then():
    run = load_run(record("people"))
    before = run.get_snapshots("Loader")[-1].snapshot_id
    assert "Clean[drop_na]" not in read(run.at(before)).texts


def test_a_status_that_wrote_nothing_has_nothing_to_show():
    assert read(Status()).texts == ["a run without a folder yet", " ", "not_started"]


def test_a_folder_that_is_gone_is_told_and_no_error():
    status = begin("people")
    shutil.rmtree(status.folder)
    found = read(status)
    assert found.tags == ["pre"] and "no run folder" in found.texts[0]


@pytest.mark.parametrize("name", [HOSTILE, "<script>alert(1)</script>", '"><img src=x onerror=1>', "x" * 100_000])
def test_names_and_messages_are_text_and_not_too_long(name):
    with Status(name=name, tags=[name]) as status, status.step(name, name):
        pass
    fragment = load_run(status.folder)._repr_html_()
    found = Reader(fragment)
    assert {"script", "img"} & set(found.tags) == set()
    assert "\x1b" not in fragment and "\u202e" not in fragment
    assert len(fragment) < 10_000


def test_of_many_steps_the_last_are_shown_and_the_others_counted():
    with Status() as status:
        for number in range(MOST_STEPS + 7):
            with status.step("Fit", str(number), after=None):
                pass
    found = read(load_run(status.folder))
    assert "… 7 steps before" in found.texts and "Fit[6]" not in found.texts and "Fit[7]" in found.texts
    assert len(found.titles) == MOST_STEPS


def test_times_and_durations_beyond_all_bounds_are_no_error():
    with Status() as status:
        status.record_timing("Fit", "a", "run", 0, 1, duration=1e300)
        status.record_timing(
            "Fit", "b", "run", datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), duration=9
        )
    assert "Fit[a]" in read(load_run(status.folder)).texts


def test_a_notebook_asks_by_the_name_that_ipython_has():
    assert fragment_of(load_run(record("people"))) == load_run("latest")._repr_html_()
