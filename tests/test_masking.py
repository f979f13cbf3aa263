"""Masking: no form in which a secret usually stands on a command line leaves it there."""

from __future__ import annotations

import pytest

from runfolio.masking import MASK, masked_command, without_named, without_passwords

SECRET = "hunter2-Zürich"


@pytest.mark.parametrize(
    "words",
    [
        ["--password", SECRET],
        [f"--password={SECRET}"],
        ["--api-key", SECRET],
        ["-token", SECRET],
        [f"-Ddb.password={SECRET}"],
        [f"+db.password={SECRET}"],
        [f"AWS_SECRET_ACCESS_KEY={SECRET}"],
        [f'{{"user": "ada", "password": "{SECRET}"}}'],
        [f"--header=X-Api-Key: {SECRET}"],
        [f"postgresql://ada:{SECRET}@host/db"],
        [f"--url=https://host/?user=ada&access_token={SECRET}"],
        ["-c", f"connect(host='h', password='{SECRET}')"],
        ["--password", "-" + SECRET],
        ["--password", SECRET, "--url", f"ada/{SECRET}@host"],
    ],
    ids=" ".join,
)
def test_a_secret_is_masked(words: list[str]):
    found = masked_command(["train.py", "--rows", "5", *words])
    assert found[:3] == ["train.py", "--rows", "5"] and len(found) == 3 + len(words)
    assert SECRET not in " ".join(found) and MASK in " ".join(found)


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "train", "--keys", "a", "--monkey=5"],
        ["https://host:8080/a?limit=5", "a=b", "C:\\data"],
        ["--seed", "7", "key"],
        [],
    ],
    ids=" ".join,
)
def test_what_is_no_secret_stays(words: list[str]):
    assert masked_command(words) == words


def test_an_option_behind_one_without_a_value_stays():
    assert masked_command(["--token", "--verbose", "--password"]) == ["--token", "--verbose", "--password"]


def test_a_short_secret_is_not_looked_for_in_other_words():
    assert masked_command(["a.py", "--key", "a"]) == ["a.py", "--key", MASK]


def test_texts_keep_what_stands_before():
    assert without_named("rows: 5, token: abc, more") == f"rows: 5, token: {MASK}"
    assert without_passwords("see ftp://ada:x@host and http://host") == f"see ftp://ada:{MASK}@host and http://host"
