"""Appending a line, and reading on: whatever the sizes of blocks and lines."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio import files, journal
from runfolio.codec import MAX_LINE
from runfolio.errors import FormatError, WriteError
from runfolio.journal import Journal, Tail
from runfolio.policy import Policy


def lines_of(tail: Tail) -> list[bytes]:
    return [line for lines in tail.read() for line in lines.lines]


def test_what_is_appended_is_read_on_line_by_line(tmp_path):
    written, tail = Journal(tmp_path / "a.jsonl", Policy()), Tail(tmp_path / "a.jsonl")
    for n in range(5):
        written.append(b"%d\n" % n)
        assert lines_of(tail) == [b"%d" % n]
    assert (written.lines, written.bytes) == (tail.lines, tail.offset) == (5, 10)
    written.close()


def test_a_journal_is_never_opened_twice_to_write(tmp_path):
    Journal(tmp_path / "a.jsonl", Policy()).close()
    with pytest.raises(WriteError):
        Journal(tmp_path / "a.jsonl", Policy())


def test_of_a_file_that_is_not_there_yet_nothing_is_read(tmp_path):
    assert lines_of(Tail(tmp_path / "none.jsonl")) == []


def test_an_unfinished_line_waits(tmp_path):
    path, tail = tmp_path / "a.jsonl", Tail(tmp_path / "a.jsonl")
    path.write_bytes(b"one\ntw")
    assert lines_of(tail) == [b"one"] and tail.rest == 2
    path.write_bytes(b"one\ntwo\n")
    assert lines_of(tail) == [b"two"] and tail.rest == 0


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 64), st.binary(max_size=5))
def test_lines_are_the_same_whatever_the_block(tmp_path_factory, lengths, block, rest):
    lines = [b"x" * length for length in lengths]
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + rest.replace(b"\n", b""))
    old, journal.BLOCK = journal.BLOCK, block
    try:
        tail = Tail(path)
        taken = list(tail.read())
    finally:
        journal.BLOCK = old
    assert [line for part in taken for line in part.lines] == lines
    assert [part.first for part in taken] == [1 + sum(len(p.lines) for p in taken[:i]) for i in range(len(taken))]
    data = path.read_bytes()
    assert all(data[part.offset :].startswith(b"\n".join(part.lines)) for part in taken)


def test_a_line_longer_than_a_block_is_read_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    long = b"x" * (journal.BLOCK + 100)
    path.write_bytes(b"a\n" + long + b"\nb\n")
    assert lines_of(Tail(path)) == [b"a", long, b"b"]


def test_a_line_longer_than_any_writer_writes_comes_as_an_empty_one_and_takes_no_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b"a\n")
        file.seek(2 * 2**30)  # a sparse file: it takes no space
        file.write(b"\nb\n")
    tracemalloc.start()
    found = lines_of(Tail(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [b"a", b"", b"b"] and peak < 4 * MAX_LINE


def test_a_line_without_end_is_no_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.touch()
    os.truncate(path, 200 * 2**20)
    tail = Tail(path)
    assert lines_of(tail) == [] and tail.rest == 200 * 2**20


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"x\n")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("link", "a symbolic link"), ("pipe", "no regular file")):
        with pytest.raises(FormatError, match=reason) as caught:
            files.open_regular(tmp_path / name)
        assert caught.value.file == str(tmp_path / name)
