"""A configuration as it may be written down: without secrets, and a digest of that to compare it by.

A secret is what stands under a name that ends in one of a few words (`password`, `api_key`), and the password in a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import yaml
from msgspec import Struct, json

from runfolio.errors import ConfigError
from runfolio.pipeline.callables import name_of
from runfolio.pipeline.grammar import RUN
from runfolio.pipeline.source import Node, Source, from_yaml
from runfolio.values import normal

MASK = "***"

_SECRET = re.compile(r"(?:^|[^a-z])(?:password|passwd|passphrase|pwd|token|secret|key|credentials?)$")
_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]+(?=@)")


class Written(Struct, frozen=True):
    """A configuration as text of YAML without its secrets; `is_whole` tells whether it says all that was given."""

    text: str
    digest: str
    is_whole: bool


def is_secret(name: str) -> bool:
    """Whether what stands under a name is a secret.

    >>> [name for name in ("path", "password", "api_key", "apiKey", "keys", "monkey") if is_secret(name)]
    ['password', 'api_key', 'apiKey']
    """
    return _SECRET.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) is not None


def written(source: Source) -> Written:
    """A configuration as it may be written down. The section `Run` does not count for its digest."""
    masked = _masked(source.root, secret=False)
    is_whole = masked == _plain_value(source.root) and not any(_is_odd(node) for node in _leaves(source.root))
    modules = {name: value for name, value in masked.items() if name != RUN}
    ordered = json.encode([[name, list(below.items())] for name, below in modules.items()], order="sorted")
    return Written(_text(source, masked), sha256(ordered).hexdigest(), is_whole)


def _masked(node: Node, *, secret: bool) -> Any:
    """The plain value of a node with names as text and secrets masked."""
    if node.entries is not None:
        return {name: _masked(entry, secret=secret or is_secret(name)) for name, entry in node.entries.items()}
    if node.items is not None:
        return [_masked(item, secret=secret) for item in node.items]
    return (
        MASK
        if secret and node.value is not None
        else _IN_URL.sub(rf"\1:{MASK}", value)
        if isinstance(value := _leaf(node.value), str)
        else value
    )


def _plain_value(node: Node) -> Any:
    if node.entries is not None:
        return {name: _plain_value(entry) for name, entry in node.entries.items()}
    return [_plain_value(item) for item in node.items] if node.items is not None else _leaf(node.value)


def _leaf(value: Any) -> Any:
    return name_of(value) if callable(value) else normal(value)


def _leaves(node: Node) -> Iterator[Node]:
    for below in (node.entries or {}).values() if node.items is None else node.items:
        yield from _leaves(below)
    if node.entries is None and node.items is None:
        yield node


def _is_odd(node: Node) -> bool:
    """Whether a value, of a dict, would not come back from YAML; a function does, by its name."""
    value = node.value
    if callable(value):
        return "<" in name_of(value) or name_of(value).startswith("__main__:")
    return node.place.line is None and value is not None and type(value) not in (str, int, float, bool)


def _text(source: Source, masked: Any) -> str:
    """The text as it was given, with masks in it; written anew where that would not say the same."""
    if source.text is not None:
        text, last = [], 0
        for start, end, value in sorted(_masks(source.root, masked)):
            text += [source.text[last:start], json.encode(value).decode()]
            last = end
        found = "".join([*text, source.text[last:]])
        try:
            again = from_yaml(found, None, source.base)
            again.problems.raise_any()
            if _plain_value(again.root) == masked:
                return found
        except ConfigError:
            pass
    return yaml.safe_dump(masked, sort_keys=False, allow_unicode=True, width=120)


def _masks(node: Node, masked: Any) -> set[tuple[int, int, Any]]:
    """Where in the text something else is to stand, and what."""
    if node.entries is not None:
        return {mask for name, entry in node.entries.items() for mask in _masks(entry, masked[name])}
    if node.items is not None:
        return {mask for item, value in zip(node.items, masked, strict=True) for mask in _masks(item, value)}
    return set() if masked == _leaf(node.value) else {(*node.span, masked)}
