"""A configuration as a tree: YAML text, a file of it, or a dict, each part with its place.

YAML is 1.1 as PyYAML reads it, by its safe loader, with two differences: `1e3` is a number, and the names of modules,
experiments and parameters are text as they are written, so that `no:` and `2024-01-01:` are names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, structs

from runfolio.errors import ConfigError, FormatError
from runfolio.files import read_bytes

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_000_000
"""More than anyone writes by hand; aliases of aliases can stand for any number."""

_UNNAMED = "the configuration"
_DEEP = "it is nested too deeply"
_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class Place(Struct, frozen=True):
    """Where something stands: the names that lead to it and, in YAML, line and column, counted from 1."""

    names: tuple[str, ...] = ()
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}, column {self.column}: "
        return place + (f"{' → '.join(self.names)}: " if self.names else "")


class Node(Struct, frozen=True):
    """A part of a configuration: its plain value and, of a mapping or a list, its parts."""

    place: Place
    value: Any
    entries: dict[str, Node] | None = None
    items: list[Node] | None = None
    span: tuple[int, int] = (0, 0)
    """Where it stands in the text, for a scalar in YAML."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there: null, or a mapping or list without parts."""
        return self.value is None or (self.entries is not None and not self.entries) or self.items == []


class Problems:
    """What is wrong with a configuration, collected to be told all at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: dict[str, tuple[int, int]] = {}

    def add(self, place: Place, what: str) -> None:
        """Note a problem at a place."""
        self._found.setdefault(f"{place}{what}", (place.line or 0, place.column or 0))

    def raise_any(self) -> None:
        """Raise ConfigError with all of them, in the order of the file, if there are any."""
        if not self._found:
            return
        problems = tuple(sorted(self._found, key=lambda problem: self._found[problem]))
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{self.name} has {count}, and nothing was run:", problems=problems, file=self.name)


class Source(Struct, frozen=True):
    """A configuration: its tree, its text if it is YAML, its file, the folder that its paths start from.

    `problems` has what is wrong with it up to here, for whoever checks the rest to add to.
    """

    root: Node
    problems: Problems
    text: str | None
    path: Path | None
    base: Path


def nearest(word: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """A hint at the name that was meant, or at those that there are.

    >>> nearest("scal", ["scale", "drop"]), nearest("x", ["scale", "drop"])
    ("did you mean 'scale'?", 'there is scale, drop')
    """
    names = list(known)
    close = get_close_matches(word, names, n=1) or get_close_matches(word.lower(), names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there is {', '.join(names)}" if names else "there is none"


def read(config: Any) -> Source:
    """A configuration given as a path, as YAML text, or as a dict.

    Text with a line break or a colon and blank in it is YAML; other text is a path. Raises ConfigError.
    """
    if isinstance(config, Mapping):
        problems = Problems(_UNNAMED)
        return Source(_from_python(config, (), problems, ()), problems, None, None, Path.cwd())
    if not isinstance(config, str | os.PathLike):
        raise ConfigError(
            f"the configuration is a {type(config).__name__}", remedy="pass a path, YAML text or a dict of modules"
        )
    if isinstance(config, str) and ("\n" in config or ": " in config or config.endswith(":") or not config.strip()):
        return from_yaml(config, None, Path.cwd())
    path = Path(config)
    return from_yaml(_text(path), path, path.absolute().parent)


def _text(path: Path) -> str:
    try:
        data = read_bytes(path.resolve(strict=True), MAX_BYTES + 1)
    except (OSError, FormatError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "what", None) or str(error)
        raise ConfigError(
            f"the configuration {path} can't be read: {reason}", remedy="name a YAML file", file=str(path)
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the configuration {path} has more than {MAX_BYTES:,} bytes", file=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"line {line}: byte {data[error.start]:#04x} is not UTF-8"
        raise ConfigError(
            f"the configuration {path} is no text:", problems=(problem,), remedy="save it as UTF-8", file=str(path)
        ) from error


# Dicts


def _from_python(value: Any, names: tuple[str, ...], problems: Problems, inside: tuple[int, ...]) -> Node:
    place = Place(names)
    if id(value) in inside:
        problems.add(place, "it contains itself")
        return Node(place, None)
    if len(inside) > 100:  # noqa: PLR2004
        problems.add(place, _DEEP)
        return Node(place, None)
    if isinstance(value, Mapping):
        entries: dict[str, Node] = {}
        for key, item in value.items():
            name = key if isinstance(key, str) else str(key)
            if name in entries:
                problems.add(place, f"two names are the same text, {name!r}")
            entries[name] = _from_python(item, (*names, name), problems, (*inside, id(value)))
        return Node(place, value, entries)
    if isinstance(value, list | tuple):
        items = [_from_python(item, names, problems, (*inside, id(value))) for item in value]
        return Node(place, value, items=items)
    return Node(place, value)


# YAML


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, to which `1e3` is a number as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+\Z"), list("-+.0123456789")
)


def from_yaml(text: str, path: Path | None, base: Path) -> Source:
    """A configuration in YAML, of a file or of none, whose own paths start from `base`. Raises ConfigError."""
    problems = Problems(_UNNAMED if path is None else str(path))
    node = None
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            node = None if root is None else _Reader(loader, problems).node(root, ())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        problems.add(*_of_yaml(error, text))
        problems.raise_any()
    except RecursionError:
        problems.add(Place(), _DEEP)
        problems.raise_any()
    return Source(node or Node(Place(), None), problems, text, path, base)


def _of_yaml(error: yaml.YAMLError, text: str) -> tuple[Place, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        what = ", ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
        return _place(mark, ()), f"no valid YAML: {what}"
    position = getattr(error, "position", None)  # of a character that YAML does not allow
    if isinstance(position, int):
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        return Place((), line, column), f"no valid YAML: the character {text[position]!r} is not allowed"
    return Place(), f"no valid YAML: {error}"


class _Reader:
    """Makes the tree of one document, with what YAML itself lets pass: keys that stand twice, circles."""

    def __init__(self, loader: _Loader, problems: Problems) -> None:
        self._loader = loader
        self._problems = problems
        self._inside: list[int] = []
        self._count = 0

    def node(self, node: yaml.Node, names: tuple[str, ...]) -> Node:
        """A node with all below it."""
        place = _place(node.start_mark, names)
        self._count += 1
        if id(node) in self._inside or self._count > MAX_NODES:
            self._problems.add(place, "it contains itself" if id(node) in self._inside else "it is too large")
            return Node(place, None)
        self._inside.append(id(node))
        try:
            return self._below(node, place, names)
        finally:
            self._inside.pop()

    def _below(self, node: yaml.Node, place: Place, names: tuple[str, ...]) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return Node(place, self._scalar(node, place), span=(node.start_mark.index, node.end_mark.index))
        if node.tag not in _TAGS:
            self._problems.add(place, f"no valid YAML: the tag {node.tag!r} has no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, names)
        items = [self.node(item, names) for item in node.value]
        return Node(place, [item.value for item in items], items=items)

    def _mapping(self, node: yaml.MappingNode, place: Place, names: tuple[str, ...]) -> Node:
        self._find_twins(node, names)
        try:
            self._loader.flatten_mapping(node)
        except yaml.YAMLError as error:
            self._problems.add(*_of_yaml(error, ""))
        entries: dict[str, Node] = {}
        values: dict[Any, Any] = {}
        for key, value in node.value:
            name = self._name(key)
            found = self.node(value, (*names, name))
            if value.start_mark.line != key.start_mark.line:
                # The key says better where it stands than the first thing below it.
                found = structs.replace(found, place=_place(key.start_mark, (*names, name)))
            entries[name] = found
            if isinstance(key, yaml.ScalarNode):
                values[self._scalar(key, place)] = found.value
        return Node(place, values, entries)

    def _find_twins(self, node: yaml.MappingNode, names: tuple[str, ...]) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = self._name(key)
            if name in lines and name != "<<":
                self._problems.add(_place(key.start_mark, (*names, name)), f"it is in line {lines[name]} already")
            lines.setdefault(name, key.start_mark.line + 1)

    def _name(self, key: yaml.Node) -> str:
        if isinstance(key, yaml.ScalarNode):
            return str(key.value)
        self._problems.add(_place(key.start_mark, ()), "a name is text, not a list or a mapping")
        return ""

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        try:
            return self._loader.construct_object(node)
        except yaml.YAMLError as error:
            self._problems.add(*_of_yaml(error, ""))
        except (ValueError, TypeError, OverflowError) as error:
            self._problems.add(place, f"no valid value: {error}")
        return None


def _place(mark: yaml.Mark, names: tuple[str, ...]) -> Place:
    return Place(names, mark.line + 1, mark.column + 1)
