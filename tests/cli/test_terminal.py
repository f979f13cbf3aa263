"""Text for terminals is safe, short and in line."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from runfolio.cli import terminal
from runfolio.cli.terminal import Column, PlainPage, Styled, neutral
from runfolio.spelling import age, duration, number, size, stamp

from .samples import HOSTILE, NEUTRAL

NOW = datetime(2026, 11, 22, 18, 48, tzinfo=UTC)

UNSAFE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "\ud800",
    "\udfff",
]


class TestNeutral:
    @pytest.mark.parametrize("character", UNSAFE, ids=ascii)
    def test_what_a_terminal_acts_upon_is_spelled_out(self, character: str):
        assert neutral(f"a{character}b").isascii()
        assert neutral(f"a{character}b").isprintable()

    def test_each_is_spelled_as_python_spells_it(self):
        assert neutral(HOSTILE) == NEUTRAL

    @pytest.mark.parametrize("text", ["", "bill_length (mm)", "Größe → 企鹅 🐧", "é", "[bold]x[/bold]", "a\\x1b"])
    def test_other_text_is_left_alone(self, text: str):
        assert neutral(text) == text


class TestFormats:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (None, "-"),
            (0.0, "<0.1ms"),
            (-3.0, "<0.1ms"),
            (0.0004, "0.4ms"),
            (0.00994, "9.9ms"),
            (0.0971, "97ms"),
            (0.0996, "0.10s"),
            (9.994, "9.99s"),
            (12.34, "12.3s"),
            (59.94, "59.9s"),
            (59.96, "1m00s"),
            (125, "2m05s"),
            (3599.6, "1h00m"),
            (11_000, "3h03m"),
            (200_000, "2d07h"),
            (1e300, "1e+300s"),
        ],
    )
    def test_a_duration_has_at_most_two_units(self, seconds: float | None, text: str):
        assert duration(seconds) == text

    @pytest.mark.parametrize(
        ("count", "text"),
        [
            (None, "-"),
            (0, "0B"),
            (999, "999B"),
            (1000, "1.0kB"),
            (9_949, "9.9kB"),
            (9_950, "10kB"),
            (999_499, "999kB"),
            (999_500, "1.0MB"),
            (4_200_000_000, "4.2GB"),
            (10**24, "1000000000PB"),
        ],
    )
    def test_a_size_has_two_or_three_digits(self, count: int | None, text: str):
        assert size(count) == text

    @pytest.mark.parametrize(
        ("since", "text"),
        [
            (timedelta(seconds=-5), "0 s ago"),
            (timedelta(seconds=59), "59 s ago"),
            (timedelta(seconds=60), "1 min ago"),
            (timedelta(hours=1), "1 hour ago"),
            (timedelta(hours=23.9), "23 hours ago"),
            (timedelta(days=1), "1 day ago"),
            (timedelta(days=400), "400 days ago"),
        ],
    )
    def test_an_age_has_one_unit(self, since: timedelta, text: str):
        assert age(NOW - since, NOW) == text

    def test_a_time_is_iso_8601(self):
        assert stamp(NOW) == "2026-11-22T18:48:00Z"
        assert stamp(datetime(1, 2, 3, tzinfo=UTC)) == "0001-02-03T00:00:00Z"

    def test_what_is_not_known_is_a_dash(self):
        assert [stamp(None), age(None, NOW), number(None)] == ["-", "-", "-"]

    def test_a_count_has_its_thousands_separated(self):
        assert number(336_776) == "336,776"


class TestPlainPage:
    def test_columns_are_in_line_and_numbers_end_together(self, capsys: pytest.CaptureFixture[str]):
        columns = [Column(title="name"), Column(title="rows", right=True), Column(title="note")]
        PlainPage().table(columns, [["a", "336,776", ""], ["企鹅", "3", Styled("lost", "red")]])
        assert capsys.readouterr().out == "name     rows  note\na     336,776\n企鹅        3  lost\n"

    def test_texts_are_neutralised(self, capsys: pytest.CaptureFixture[str]):
        PlainPage().table([Column(title="name")], [[HOSTILE], [Styled(HOSTILE, "red")]])
        PlainPage().line(HOSTILE, Styled(HOSTILE, "red"))
        assert capsys.readouterr().out == f"name\n{NEUTRAL}\n{NEUTRAL}\n{NEUTRAL}{NEUTRAL}\n"


class TestJson:
    @pytest.mark.parametrize("text", [HOSTILE, "Größe → 企鹅 🐧", "lone \udcff"], ids=ascii)
    def test_text_comes_back_and_is_safe_to_print(self, text: str, capfdbinary: pytest.CaptureFixture[bytes]):
        terminal.echo_json({"name": text, "at": NOW})
        printed = capfdbinary.readouterr().out.decode()
        assert json.loads(printed) == {"name": text, "at": "2026-11-22T18:48:00Z"}
        assert neutral(printed.replace("\n", "")) == printed.replace("\n", "")

    def test_it_is_utf_8_whatever_the_terminal_has(self, monkeypatch: pytest.MonkeyPatch):
        raw = io.BytesIO()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
        terminal.echo_json("企鹅")
        assert json.loads(raw.getvalue()) == "企鹅"

    def test_all_is_written_where_a_write_takes_a_part(self, monkeypatch: pytest.MonkeyPatch):
        class Slow(io.RawIOBase):
            taken = b""

            def writable(self) -> bool:
                return True

            def write(self, data: bytes) -> int:
                self.taken += bytes(data[:7])
                return len(data[:7])

        raw = Slow()
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="utf-8", write_through=True))
        terminal.echo_json(list(range(100)))
        assert json.loads(raw.taken) == list(range(100))


def test_a_stream_spells_out_what_its_encoding_lacks():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    terminal.tolerate_any_encoding(stream)
    stream.write("344 → 342 … ±2 企")
    stream.flush()
    assert raw.getvalue() == rb"344 -> 342 ... +/-2 \u4f01"
