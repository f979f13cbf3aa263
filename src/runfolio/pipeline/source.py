"""A configuration as a tree: YAML text, a file of it, or a dict, each part with its place.

YAML is 1.1 as PyYAML reads it, by its safe loader, with three differences: `1e3` is a number, `=` and `<<` are text
where they are values, and the names of modules, experiments and parameters are text as they are written, so that `no:`
and `2024-01-01:` are names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, structs

from runfolio.errors import ConfigError, FormatError
from runfolio.files import read_bytes
from runfolio.values import plain_text

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 100_000
"""More than anyone writes by hand; aliases of aliases can stand for any number."""
MAX_DEPTH = 64

_UNNAMED = "the configuration"
_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"
_LARGE = f"it has more than {MAX_NODES:,} parts; leave what is large in a file of its own"
_CIRCLE = "it contains itself"
_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MERGE = "tag:yaml.org,2002:merge"
_NAMED_LEVELS = 3
"""Modules, experiments and parameters: their names are text, what is below a parameter is a value with its own keys."""

_MAX_WORD = 80
_MAX_WHAT = 500
_MAX_LISTED = 20
_MAX_COMPARED = 10_000


class Place(Struct, frozen=True):
    """Where something stands: the names that lead to it and, in YAML, line and column, counted from 1.

    `order` is that of the parts of a dict, which has no lines.
    """

    names: tuple[str, ...] = ()
    line: int | None = None
    column: int | None = None
    order: int = 0

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}, column {self.column}: "
        return place + (f"{' → '.join(map(_name_shown, _outermost(self.names)))}: " if self.names else "")


class Node(Struct, frozen=True):
    """A part of a configuration: its plain value and, of a mapping or a list, its parts."""

    place: Place
    value: Any
    entries: dict[str, Node] | None = None
    items: list[Node] | None = None
    span: tuple[int, int] = (0, 0)
    """Where it stands in the text, for a scalar in YAML."""
    keys: dict[str, Any] = {}
    """Of a mapping below a parameter, the keys that are no text by their names: numbers and dates."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there: null, or a mapping or list without parts."""
        return self.value is None or (self.entries is not None and not self.entries) or self.items == []


class Problems:
    """What is wrong with a configuration, collected to be told all at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: dict[str, tuple[int, int, int]] = {}

    def add(self, place: Place, what: str) -> None:
        """Note a problem at a place."""
        told = f"{place}{_one_line(what, _MAX_WHAT)}"
        self._found.setdefault(told, (place.line or 0, place.column or 0, place.order))

    def raise_any(self) -> None:
        """Raise ConfigError with all of them, in the order of the file, if there are any."""
        if not self._found:
            return
        problems = tuple(sorted(self._found, key=lambda problem: self._found[problem]))
        count = "one problem" if len(problems) == 1 else f"{len(problems):,} problems"
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


def closest(word: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant, upper case or lower."""
    names = list(islice(known, _MAX_COMPARED))
    by_lower = {name.lower(): name for name in reversed(names)}
    close = get_close_matches(word, names, n=1) or get_close_matches(word.lower(), by_lower, n=1)
    return by_lower.get(close[0], close[0]) if close else None


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the name that was meant, or at those that there are.

    >>> nearest("scal", ["scale", "drop"]), nearest("x", ["scale", "drop"])
    ("did you mean 'scale'?", 'there is scale, drop')
    """
    names = list(known)
    close = closest(word, names)
    if close is not None:
        return f"did you mean {close!r}?"
    if not names:
        return "there is none"
    listed = ", ".join(names[:_MAX_LISTED])
    return f"there is {listed}" + (f" and {len(names) - _MAX_LISTED:,} others" if len(names) > _MAX_LISTED else "")


def shown(value: Any) -> str:
    """A value as a message quotes it: in short, and on one line."""
    try:
        found = repr(value)
    except Exception:  # noqa: BLE001  (the object is the user's, and so is what its repr raises)
        found = f"a {type(value).__name__}"
    return _one_line(found, _MAX_WORD)


def read(config: Any) -> Source:
    """A configuration given as a path, as YAML text, or as a dict.

    Text with a line break or a colon and blank in it is YAML; other text is a path. Raises ConfigError.
    """
    if isinstance(config, Mapping):
        problems = Problems(_UNNAMED)
        return Source(_PythonReader(problems).root(config), problems, None, None, _current_folder())
    if not isinstance(config, str | os.PathLike):
        raise ConfigError(
            f"the configuration is of type {type(config).__name__}",
            remedy="pass a path, YAML text or a dict of modules",
        )
    if isinstance(config, str) and _is_yaml(config):
        return from_yaml(config, None, _current_folder())
    try:
        path = Path(config)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the configuration {shown(config)} is no path", remedy="name a YAML file") from error
    text = _text(path)
    return from_yaml(text, path, Path(os.path.abspath(path)).parent)  # noqa: PTH100  (absolute() keeps ..)


def _is_yaml(text: str) -> bool:
    return any(mark in text for mark in ("\n", "\r", ": ")) or text.endswith(":") or not text.strip()


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"the current folder can't be told: {error.strerror}", remedy="change to one that is there"
        ) from error


def _text(path: Path) -> str:
    try:
        data = read_bytes(path.resolve(strict=True), MAX_BYTES + 1)
    except (OSError, FormatError, ValueError, RuntimeError) as error:
        what, remedy = _unreadable(path, error)
        raise ConfigError(
            f"the configuration {_one_line(str(path), 300)} can't be read: {what}", remedy=remedy, file=str(path)
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"the configuration {path} has more than {MAX_BYTES:,} bytes",
            remedy="leave what is large in a file of its own",
            file=str(path),
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"line {line}: byte {data[error.start]:#04x} is not UTF-8"
        raise ConfigError(
            f"the configuration {path} is no text:", problems=(problem,), remedy="save it as UTF-8", file=str(path)
        ) from error


def _unreadable(path: Path, error: Exception) -> tuple[str, str]:
    """Why a file can't be read, and what to do."""
    remedy = "name a YAML file, or pass YAML text or a dict"
    if isinstance(error, FileNotFoundError):
        try:
            close = closest(path.name, sorted(os.listdir(path.parent)))  # noqa: PTH208
        except (OSError, ValueError):
            close = None
        return "there is no such file", f"did you mean {close!r}?" if close else remedy
    if isinstance(error, FormatError):
        return "it is a folder" if path.is_dir() else "it is no regular file", remedy
    if isinstance(error, UnicodeError):
        return "its name has characters that no file name can have", remedy
    return getattr(error, "strerror", None) or str(error), remedy


# Words


def _one_line(text: str, limit: int) -> str:
    """Text on one line: what can't be printed as its escape, and cut where it is long."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    if cut.isprintable():
        return cut
    return "".join(
        char if char.isprintable() else " " if char == "\n" else repr(char)[1:-1] for char in plain_text(cut)
    )


def _name_shown(name: str) -> str:
    if name and len(name) <= _MAX_WORD and name.isprintable() and name.strip() == name:
        return name
    return repr(name if len(name) <= _MAX_WORD else f"{name[:_MAX_WORD]}…")


def _outermost(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= 8 else (*names[:7], "…")  # noqa: PLR2004


# Dicts


class _TooLarge(Exception):
    """There are more parts than are looked at."""


class _PythonReader:
    """Makes the tree of a dict."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._inside: set[int] = set()
        self._count = 0

    def root(self, config: Mapping[Any, Any]) -> Node:
        """The whole of it."""
        try:
            return self._node(config, ())
        except (_TooLarge, RecursionError) as error:
            self._problems.add(Place(), _LARGE if isinstance(error, _TooLarge) else _DEEP)
            return Node(Place(), config, {})

    def _node(self, value: Any, names: tuple[str, ...]) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooLarge
        place = Place(names, order=self._count)
        if not isinstance(value, Mapping | list | tuple):
            return Node(place, value)
        if id(value) in self._inside or len(self._inside) > MAX_DEPTH:
            self._problems.add(place, _CIRCLE if id(value) in self._inside else _DEEP)
            return Node(place, None)
        self._inside.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, place)
            return Node(place, value, items=[self._node(item, names) for item in value])
        finally:
            self._inside.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], place: Place) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Any] = {}
        try:
            pairs = [(_name_of_key(key), key, item) for key, item in value.items()]
        except Exception as error:  # noqa: BLE001  (the mapping and its keys are the user's own)
            self._problems.add(place, f"its names can't be read: {type(error).__name__}: {error}")
            return Node(place, None)
        for name, key, item in pairs:
            if name in entries:
                what = f"two names are the same text, {shown(name)}"
                self._problems.add(structs.replace(entries[name].place, names=place.names), what)
            found = self._node(item, (*place.names, name))
            entries.setdefault(name, found)
            if len(place.names) >= _NAMED_LEVELS and type(key) is not str:
                keys[name] = key
        return Node(place, value, entries, keys=keys)


def _name_of_key(key: Any) -> str:
    if isinstance(key, str):
        return plain_text(key)
    try:
        return plain_text(str(key))
    except ValueError:  # Python refuses to spell out more than 4,300 digits
        return hex(key)


# YAML


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, to which `1e3` is a number as in YAML 1.2, and which stops where there is too much."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node of the document."""
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH + 1 or self._count > MAX_NODES:
            what = _DEEP if self._depth > MAX_DEPTH + 1 else _LARGE
            raise _TooMuch(problem=what, problem_mark=self.get_mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _TooMuch(yaml.MarkedYAMLError):
    """More than is looked at."""


FLOAT = ("tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+\Z"))
"""Numbers that YAML 1.1 takes for text, and whoever writes them does not."""

_Loader.add_implicit_resolver(*FLOAT, list("-+.0123456789"))
for _tag in ("tag:yaml.org,2002:value", _MERGE):
    _Loader.add_constructor(_tag, lambda loader, node: str(node.value))


def from_yaml(text: str, path: Path | None, base: Path) -> Source:
    """A configuration in YAML, of a file or of none, whose own paths start from `base`. Raises ConfigError."""
    problems = Problems(_UNNAMED if path is None else _one_line(str(path), 300))
    node = None
    if len(text) > MAX_BYTES:
        problems.add(Place(), f"it has more than {MAX_BYTES:,} characters; leave what is large in a file of its own")
        problems.raise_any()
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
    except (RecursionError, _TooLarge) as error:
        problems.add(Place(), _LARGE if isinstance(error, _TooLarge) else _DEEP)
        problems.raise_any()
    except (ValueError, OverflowError) as error:  # of "\\UFFFFFFFF", and of directives
        problems.add(Place(), f"no valid YAML: {error}")
        problems.raise_any()
    return Source(node or Node(Place(), None), problems, text, path, base)


def _of_yaml(error: yaml.YAMLError, text: str) -> tuple[Place, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return _place(mark, ()), _syntax_problem(error, mark, text)
    position = getattr(error, "position", None)  # of a character that YAML does not allow
    if isinstance(position, int):
        before = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text[:position])
        place = Place((), len(before), len(before[-1]) + 1)
        return place, f"no valid YAML: the character {text[position]!r} is not allowed"
    return Place(), f"no valid YAML: {error}"


def _syntax_problem(error: yaml.YAMLError, mark: yaml.Mark, text: str) -> str:
    problem = str(getattr(error, "problem", None) or "")
    if isinstance(error, _TooMuch):
        return problem
    if text[mark.index : mark.index + 1] == "\t":
        return "no valid YAML: a tab; indent by blanks"
    if "another document" in problem:
        return "no valid YAML: a second document begins; a configuration is one"
    undefined = re.fullmatch(r"could not determine a constructor for the tag '(.*)'", problem, re.DOTALL)
    if undefined:
        return f"no valid YAML: the tag {_short_tag(undefined[1])} has no meaning here"
    if "mapping values are not allowed" in problem:
        return "no valid YAML: a colon where no name can end; put text with a colon and a blank in quotes"
    what = ", ".join(filter(None, (getattr(error, "context", None), problem)))
    return f"no valid YAML: {what}"


def _short_tag(tag: str) -> str:
    return shown(tag.replace("tag:yaml.org,2002:", "!!", 1))


Pairs = dict[str, tuple[yaml.Node, yaml.Node]]


class _Reader:
    """Makes the tree of one document, with what YAML itself lets pass: keys that stand twice, circles."""

    def __init__(self, loader: _Loader, problems: Problems) -> None:
        self._loader = loader
        self._problems = problems
        self._inside: set[int] = set()
        self._count = 0
        self._pairs_of: dict[int, Pairs] = {}

    def node(self, node: yaml.Node, names: tuple[str, ...]) -> Node:
        """A node with all below it."""
        place = _place(node.start_mark, names)
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooLarge
        if id(node) in self._inside or len(self._inside) > MAX_DEPTH:
            self._problems.add(place, _CIRCLE if id(node) in self._inside else _DEEP)
            return Node(place, None)
        self._inside.add(id(node))
        try:
            return self._below(node, place, names)
        finally:
            self._inside.discard(id(node))

    def _below(self, node: yaml.Node, place: Place, names: tuple[str, ...]) -> Node:
        if isinstance(node, yaml.ScalarNode):
            return Node(place, self._scalar(node, place), span=(node.start_mark.index, node.end_mark.index))
        if node.tag not in _TAGS:
            self._problems.add(place, f"no valid YAML: the tag {_short_tag(str(node.tag))} has no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, names)
        items = [self.node(item, names) for item in node.value]
        return Node(place, [item.value for item in items], items=items)

    def _mapping(self, node: yaml.MappingNode, place: Place, names: tuple[str, ...]) -> Node:
        entries: dict[str, Node] = {}
        values: dict[Any, Any] = {}
        keys: dict[str, Any] = {}
        lines: dict[Any, int] = {}
        for name, (key, value) in self._pairs(node, names).items():
            found = self.node(value, (*names, name))
            if value.start_mark.line != key.start_mark.line or value.start_mark.index == value.end_mark.index:
                # The key says better where it stands than the first thing below it, or than nothing.
                found = structs.replace(found, place=_place(key.start_mark, (*names, name)))
            entries[name] = found
            here = _place(key.start_mark, (*names, name))
            of_value: Any = self._scalar(key, here) if len(names) >= _NAMED_LEVELS else name
            if of_value in values:
                self._problems.add(here, f"it is the same as the name in line {lines[of_value]}; put both in quotes")
            values[of_value] = found.value
            lines[of_value] = key.start_mark.line + 1
            if type(of_value) is not str:
                keys[name] = of_value
        return Node(place, values, entries, keys=keys)

    def _pairs(self, node: yaml.MappingNode, names: tuple[str, ...]) -> Pairs:
        """Name, key and value of each entry of a mapping; those that are merged into it come first."""
        if id(node) in self._pairs_of:
            return self._pairs_of[id(node)]
        self._pairs_of[id(node)] = {}  # for one that is merged into itself
        own: Pairs = {}
        merged: Pairs = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for name, pair in self._merged(key, value, names):
                    merged.setdefault(name, pair)
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problems.add(_place(key.start_mark, names), "a name is text, not a list or a mapping")
                continue
            name = plain_text(str(key.value))
            if key.tag not in self._loader.yaml_constructors:
                what = f"no valid YAML: the tag {_short_tag(str(key.tag))} has no meaning here"
                self._problems.add(_place(key.start_mark, (*names, name)), what)
            if name in own:
                line = own[name][0].start_mark.line + 1
                self._problems.add(_place(key.start_mark, (*names, name)), f"it is in line {line} already")
            own.setdefault(name, (key, value))
        self._pairs_of[id(node)] = found = {**merged, **own}
        return found

    def _merged(self, key: yaml.Node, value: yaml.Node, names: tuple[str, ...]) -> list[tuple[str, Any]]:
        sources: list[Any] = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not all(isinstance(source, yaml.MappingNode) for source in sources):
            self._problems.add(_place(key.start_mark, names), "<< takes a mapping, or a list of mappings")
            return []
        return [pair for source in sources for pair in self._pairs(source, names).items()]

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        if node.tag in _TAGS:
            self._problems.add(place, f"no valid YAML: the tag {_short_tag(str(node.tag))} has no meaning here")
            return None
        try:
            return self._loader.construct_object(node)
        except yaml.YAMLError as error:
            where, what = _of_yaml(error, "")
            self._problems.add(structs.replace(where, names=place.names), what)
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001  (what PyYAML raises for `!!bool x` and the like is of any type)
            self._problems.add(place, _no_value(node, error))
        return None


def _no_value(node: yaml.Node, error: Exception) -> str:
    kind = {
        "int": "is no whole number",
        "float": "is no number",
        "timestamp": "is no date or time",
        "bool": "is neither true nor false",
    }.get(str(node.tag).rpartition(":")[2], "is no valid value")
    reason = f" ({error})" if isinstance(error, ValueError) and len(str(node.value)) < _MAX_WORD else ""
    return f"{shown(node.value)} {kind}{reason}; put text in quotes"


def _place(mark: yaml.Mark, names: tuple[str, ...]) -> Place:
    return Place(names, mark.line + 1, mark.column + 1)
