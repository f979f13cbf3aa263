"""A configuration as it may be written down: without secrets, and a digest of that to compare it by.

A secret is what stands under a parameter whose name says so, and the password in a URL: see `masking`. Of an object
that YAML has no form for, only its kind is written down.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from inspect import ismethod
from typing import Any

import yaml
from msgspec import Struct, json, structs

from runfolio.errors import ConfigError
from runfolio.masking import MASK, is_secret, is_telling, without_named, without_passwords
from runfolio.pipeline.callables import name_of
from runfolio.pipeline.grammar import METHOD, RUN
from runfolio.pipeline.source import FLOAT, MAX_DEPTH, Node, Source, from_yaml
from runfolio.values import normal, plain_text

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PARAMETER = 2
"""The level of parameters' names, below those of modules and experiments."""
_MAX_DIGITS = 4_000
_MAX_ITEMS = 1_000
_KNOWN = ("builtins", "decimal", "fractions", "numpy", "pandas", "re", "uuid")
"""Packages whose objects tell by their `repr` what they are, and hold nothing else."""


class Written(Struct, frozen=True):
    """A configuration as text of YAML without its secrets; `is_whole` tells whether it says all that was given.

    `digest` is one of all that it declares, `experiments` has one of each (module, experiment).
    """

    text: str
    digest: str
    experiments: dict[tuple[str, str], str]
    is_whole: bool


def written(source: Source) -> Written:
    """A configuration as it may be written down. The section `Run` does not count for its digest."""
    writer = _Writer(source)
    plain = writer.plain(source.root)
    modules = {name: below for name, below in writer.digested(plain).items() if name != RUN}
    ordered = json.encode([[name, list(below.items())] for name, below in modules.items()], order="sorted")
    experiments = {
        (module, name): sha256(json.encode(declared, order="sorted")).hexdigest()
        for module, below in modules.items()
        for name, declared in below.items()
    }
    text, is_same = writer.text(plain)
    is_whole = is_same and not writer.has_masks and not writer.has_odd
    return Written(text, sha256(ordered).hexdigest(), experiments, is_whole)


class _Writer:
    """Masks a configuration's secrets, and writes down what is left."""

    def __init__(self, source: Source) -> None:
        self._source = source
        secrets = list(_secrets(source.root, 0))
        self._secret_spans = {node.span for node in secrets}
        self._secret_texts = sorted({str(node.value) for node in secrets if _is_telling(node.value)}, key=len)[::-1]
        self.has_masks = False
        self.has_odd = False
        """Whether something is no value that YAML gives back as it is."""

    def plain(self, node: Node, *, secret: bool = False, level: int = 0) -> Any:
        """The value of a node in YAML's types, with secrets masked."""
        if node.entries is not None:
            self.has_odd |= level > _PARAMETER and type(node.value) is not dict
            return {
                self._key(node, name): self.plain(entry, secret=secret or _is_masked(name, level), level=level + 1)
                for name, entry in node.entries.items()
            }
        if node.items is not None:
            self.has_odd |= level > _PARAMETER and type(node.value) is not list
            return [self.plain(item, secret=secret, level=level) for item in node.items]
        if (secret or (node.span != (0, 0) and node.span in self._secret_spans)) and node.value is not None:
            self.has_masks |= not _same(node.value, MASK)
            return MASK
        return self._leaf(node)

    def _key(self, node: Node, name: str) -> Any:
        key = node.keys.get(name, name)
        if _is_native(key):
            return key
        self.has_odd = True
        return name

    def _leaf(self, node: Node) -> Any:
        value = node.value
        if callable(value):
            self.has_odd |= node.place.names[_PARAMETER:] != (METHOD,) or not _is_importable(value)
            return plain_text(name_of(value))
        if not _is_native(value):
            self.has_odd |= node.place.line is None
            value = self._masked_below(_Description().of(value))
        return self._without_passwords(value) if isinstance(value, str) else value

    def _masked_below(self, value: Any) -> Any:
        """What an object is made of, masked too."""
        if isinstance(value, dict):
            return {name: self._masked_entry(name, below) for name, below in value.items()}
        if isinstance(value, list):
            return [self._masked_below(item) for item in value]
        return self._without_passwords(value) if isinstance(value, str) else value

    def _masked_entry(self, name: str, value: Any) -> Any:
        if not is_secret(name) or value is None:
            return self._masked_below(value)
        self.has_masks = True
        return MASK

    def _without_passwords(self, text: str) -> str:
        found = without_passwords(text)
        self.has_masks |= found != text
        return found

    def digested(self, plain: Any) -> Any:
        """What the digest is taken of: JSON, in which what is of another type is another value."""
        if isinstance(plain, dict):
            return {
                key if isinstance(key, str) else f"!{type(key).__name__} {key}": self.digested(value)
                for key, value in plain.items()
            }
        if isinstance(plain, list):
            return [self.digested(item) for item in plain]
        return plain if _is_json(plain) else {f"!{type(plain).__name__}": normal(plain)}

    def text(self, plain: Any) -> tuple[str, bool]:
        """The text as it was given, with masks in it, written anew where that would not say the same.

        Comes with whether what is read from it is all that was to be written.
        """
        given = self._source.text
        if given is not None:
            edits = {*_masks(self._source.root, plain), *_edits_of_comments(given, self._secret_texts)}
            text = _edited(given, sorted(edits))
            if not edits or self._says(text, plain):
                return text, True
        text = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        return text, self._says(text, plain)

    def _says(self, text: str, plain: Any) -> bool:
        try:
            again = from_yaml(text, None, self._source.base)
            again.problems.raise_any()
        except ConfigError:
            return False
        return _same(_Writer(again).plain(again.root), plain)


def _is_masked(name: str, level: int) -> bool:
    """Whether a name says that a secret is below: names of modules and experiments say nothing."""
    return level >= _PARAMETER and is_secret(name)


def _secrets(node: Node, level: int, *, secret: bool = False) -> Iterator[Node]:
    """The secrets themselves; an alias makes one stand under other names as well."""
    for name, entry in (node.entries or {}).items():
        yield from _secrets(entry, level + 1, secret=secret or _is_masked(name, level))
    for item in node.items or ():
        yield from _secrets(item, level, secret=secret)
    if secret and node.entries is None and node.items is None:
        yield node


def _is_telling(value: Any) -> bool:
    """Whether a secret is long enough to be told from other text that has it in it by chance."""
    return type(value) in (str, int) and _is_native(value) and is_telling(str(value))


# Text


Edit = tuple[int, int, str]
"""Where in the text something else is to stand, and what."""


def _masks(node: Node, plain: Any) -> Iterator[Edit]:
    """What of the text is masked."""
    if node.entries is not None:
        for entry, value in zip(node.entries.values(), plain.values(), strict=True):
            yield from _masks(entry, value)
    elif node.items is not None:
        for item, value in zip(node.items, plain, strict=True):
            yield from _masks(item, value)
    elif isinstance(plain, str) and MASK in plain and not _same(node.value, plain):
        yield (*node.span, json.encode(plain).decode())


def _edited(text: str, edits: list[Edit]) -> str:
    parts, last = [], 0
    for start, end, new in edits:
        old = text[start:end]
        anchor = re.match(r"(?:!\S*\s+)*(&\S+\s+)", old)
        # An alias needs its anchor, and what follows a block scalar the end of its last line.
        parts += [text[last:start], anchor[1] if anchor else "", new, old[len(old.rstrip()) :]]
        last = end
    return "".join([*parts, text[last:]])


def _edits_of_comments(text: str, secrets: list[str]) -> Iterator[Edit]:
    """Comments that hold secrets too: a password of old, or the one that is used."""
    for start, comment in _comments(text) if "#" in text else ():
        found = without_passwords(comment)
        for secret in secrets:
            found = found.replace(secret, MASK)
        found = without_named(found)
        if found != comment:
            yield start, start + len(comment), found


def _comments(text: str) -> Iterator[tuple[int, str]]:
    last = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        for found in re.finditer(r"#[^\r\n]*", text[last : token.start_mark.index]):
            yield last + found.start(), found[0]
        last = max(last, token.end_mark.index)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which knows what is a number to the loader, and writes all out."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether something is written out each time."""
        return True


_Dumper.add_implicit_resolver(*FLOAT, list("-+.0123456789"))


# Values


def _same(one: Any, two: Any) -> bool:
    """Whether two plain values are the same, of the same types and in the same order; NaN is."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return len(one) == len(two) and all(
            _same(a, b) and _same(value_a, value_b)
            for (a, value_a), (b, value_b) in zip(one.items(), two.items(), strict=True)
        )
    if isinstance(one, list):
        return len(one) == len(two) and all(map(_same, one, two))
    if isinstance(one, float):
        return repr(one) == repr(two)
    return bool(one == two)


def _is_native(value: Any) -> bool:
    """Whether YAML has a form for a value, from which it comes back as it is."""
    kind = type(value)
    if kind is str:
        return bool(plain_text(value) == value)
    if kind is int:
        return bool(-(10**_MAX_DIGITS) < value < 10**_MAX_DIGITS)
    if kind is datetime:
        return isinstance(value.tzinfo, timezone | None) and value.fold == 0
    return value is None or kind in (bool, float, date, bytes)


def _is_json(value: Any) -> bool:
    if type(value) is int:
        return -(2**63) <= value < 2**64
    return type(value) in (str, bool, type(None)) or (type(value) is float and math.isfinite(value))


def _is_importable(function: Any) -> bool:
    """Whether the name of a callable leads to it, in another process too."""
    home, _, name = name_of(function).partition(":")
    found: Any = None if home == "__main__" else sys.modules.get(home)
    try:
        for part in name.split("."):
            found = getattr(found, part, None)
        return found is function or (ismethod(function) and bool(found == function))
    except Exception:  # noqa: BLE001  (classes and modules may compute their attributes)
        return False


class _Description:
    """What an object holds, in plain values, as far as that is known; else what kind it is."""

    def __init__(self) -> None:
        self._left = 10_000

    def of(self, value: Any, depth: int = 0) -> Any:
        """That of a value."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            return _kind(value)
        if callable(value):
            return plain_text(name_of(value))
        try:
            return self._of_known(value, depth)
        except Exception:  # noqa: BLE001  (the object is the user's, and so is what its fields raise)
            return _kind(value)

    def _of_known(self, value: Any, depth: int) -> Any:
        home = type(value).__module__.partition(".")[0]
        if isinstance(value, Enum):
            return self.of(value.value, depth + 1)
        if isinstance(value, str | int | float | bytes | date | time | timedelta | Decimal | os.PathLike):
            return normal(value)
        if isinstance(value, Mapping):
            return {plain_text(str(key)): self.of(below, depth + 1) for key, below in value.items()}
        if isinstance(value, Set):
            return sorted((self.of(item, depth + 1) for item in value), key=json.encode)
        if isinstance(value, list | tuple | deque | range):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, Struct):
            return self.of(structs.asdict(value), depth + 1)
        if is_dataclass(value):
            return self.of({field.name: getattr(value, field.name) for field in fields(value)}, depth + 1)
        if home == "numpy" and getattr(value, "ndim", 0) > 0:
            return self._of_array(value, depth)
        if home == "pandas" and hasattr(value, "memory_usage"):  # a frame, series or index
            return f"{_kind(value)} {_digest_of_table(value)}"
        if home not in _KNOWN:
            return _kind(value)
        found = normal(value)
        return _ADDRESS.sub("", found) if isinstance(found, str) else found

    def _of_array(self, value: Any, depth: int) -> Any:
        if value.size <= _MAX_ITEMS:
            return self.of(value.tolist(), depth + 1)
        return f"{_kind(value)} {'' if value.dtype.hasobject else sha256(value.tobytes()).hexdigest()}"


def _kind(value: Any) -> str:
    return plain_text(f"<{type(value).__module__}.{type(value).__qualname__}>")


def _digest_of_table(value: Any) -> str:
    from pandas.util import hash_pandas_object  # noqa: PLC0415  (the value is of pandas, which is loaded then)

    found = sha256(repr((getattr(value, "columns", None), getattr(value, "dtypes", None))).encode())
    found.update(hash_pandas_object(value).to_numpy().tobytes())
    return found.hexdigest()
