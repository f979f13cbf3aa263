"""Masking: what looks like a secret is not written down.

A secret is what stands under a name that ends in one of a few words (`password`, `api_key`), and the password in a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"

_SECRET = re.compile(
    r"(?:^|[^a-z])(?:passwords?|passwd|passphrase|pwd|token|secrets?|(?:api)?key|credentials?)[^a-z]*$"
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):(?![0-9]+(?:/|$))\S+(?=@)")
_IN_QUERY = re.compile(r"(?<=[?&;])([\w.-]+)=([^&;#\s]+)")
_NAMED = re.compile(r"(?<![\w.-])([\w.-]+)[\"']?\s*[:=]\s*(?=\S)")
_MAX_CHANCE = 3


def is_secret(name: str) -> bool:
    """Whether what stands under a name is a secret.

    >>> [name for name in ("path", "password", "api_key", "APIKey", "keys", "monkey") if is_secret(name)]
    ['password', 'api_key', 'APIKey']
    """
    return _SECRET.search(_WORDS.sub("_", name).lower()) is not None


def without_passwords(text: str) -> str:
    """A text in which the passwords of URLs are masked.

    >>> without_passwords("postgres://ada:lovelace@host/db?token=x&limit=5")
    'postgres://ada:***@host/db?token=***&limit=5'
    """
    if "://" not in text:
        return text
    found = _IN_URL.sub(rf"\1:{MASK}", text) if "@" in text else text
    return _IN_QUERY.sub(lambda part: f"{part[1]}={MASK}" if is_secret(part[1]) else part[0], found)


def without_named(text: str) -> str:
    """A text in which all is masked behind the first name of a secret that a `:` or `=` follows.

    >>> without_named("rows=5 db.password = 'a b'")
    'rows=5 db.password = ***'
    """
    for named in _NAMED.finditer(text):
        if is_secret(named[1]):
            return text[: named.end()] + MASK
    return text


def is_telling(secret: str) -> bool:
    """Whether a secret is long enough to be told from other text that has it in it by chance."""
    return len(secret.strip()) > _MAX_CHANCE


def masked_command(words: Iterable[str]) -> list[str]:
    """The words of a command line without the secrets that are told by an option's name, or stand in a URL.

    >>> masked_command(["train.py", "--password", "hunter2", "--token=abc", "--rows", "5", "sql://ada:x@host"])
    ['train.py', '--password', '***', '--token=***', '--rows', '5', 'sql://ada:***@host']
    """
    found: list[str] = []
    secrets: set[str] = set()
    is_next = False
    for word in words:
        if is_next and not word.startswith("--"):
            secrets.add(word)
            found.append(MASK)
            is_next = False
            continue
        found.append(without_named(without_passwords(word)))
        is_next = word.startswith("-") and "=" not in word and is_secret(word)
    telling = sorted(filter(is_telling, secrets), key=len, reverse=True)
    for secret in telling:  # such as in a URL beside the option
        found = [word.replace(secret, MASK) for word in found]
    return found
