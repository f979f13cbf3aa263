"""The published table is that of the committed results."""

from __future__ import annotations

import json

import pytest

from . import tally as tallies


def row(**changed) -> tallies.Row:
    fields = {"test": "kills", "trials": 10_000, "faults": 9_999, "acknowledged": None, "control": "buffered lost 7"}
    return tallies.Row(**{**fields, "lost": 0, "silent": 0, "uncaught": 0, "seed": 3, "seconds": 1.5, **changed})


def test_the_page_has_the_table_of_the_committed_results():
    text = tallies.PAGE.read_text()
    assert text == tallies.page(text), "run: python tests/durability/tally.py"


def test_a_row_is_told_as_it_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(tallies, "RESULTS", tmp_path)
    assert tallies.table() == "There are no results of a long run yet.\n"
    tallies.write("kills", [row()])
    assert "| kills | 10,000 | 9,999 |  | 0 | 0 | 0 | buffered lost 7 | 3 |" in tallies.table()
    assert json.loads((tmp_path / "kills.json").read_text())["date"] in tallies.table()


def test_rows_of_runs_of_several_forms_are_one_row_of_sums():
    rows = [
        row(test="a line of a run ended cut, 3 that verify alone tells", trials=10, acknowledged=5, control="missed 7"),
        row(test="a line of a run small cut", trials=20, acknowledged=6, control="missed 8"),
        row(),
    ]
    found, other = tallies.together(rows)
    assert other == row()
    assert found.test == "a line of a run cut, of 2 forms, 3 that verify alone tells"
    assert (found.trials, found.acknowledged, found.control, found.seconds) == (30, 11, "missed 15", 3.0)


@pytest.mark.parametrize("wrong", [{"lost": 1}, {"silent": 1}, {"uncaught": 1}, {"faults": 0}, {"control": ""}])
def test_a_row_that_shows_a_loss_or_proves_nothing_is_an_error(tally, wrong):
    with pytest.raises(AssertionError):
        tally(**{"test": "kills", "trials": 1, "faults": 1, "acknowledged": 1, "control": "lost 1", **wrong})
