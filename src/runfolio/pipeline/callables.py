"""What `method` names: a built-in, an entry point, `package.module:callable`; and a call of it, checked beforehand.

A callable gets the data of the step before as its first positional parameter, unless the configuration sets that
parameter itself, and the step's context as `step` if it has a parameter of that name. All else is by keyword.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, get_args, get_type_hints

from msgspec import Struct, ValidationError, convert, json

from runfolio.pipeline.modules import BUILT_IN
from runfolio.pipeline.parameters import INPUT, OUTPUT
from runfolio.pipeline.source import Node, Place, Problems, nearest

GROUP = "runfolio.modules"
"""The group of entry points by which an installed package offers callables."""

STEP = "step"
"""The parameter that gets the step's context."""

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


class Call(Struct, frozen=True, kw_only=True):
    """A callable and its parameters.

    `data` names the parameter that gets the data of the step before, empty where it is given by position and None where
    it gets none. `inputs` and `outputs` name the parameters that are files.
    """

    method: str
    function: Callable[..., Any]
    parameters: dict[str, Any]
    data: str | None
    takes_step: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    samples: int
    place: Place


class _Unchecked(Exception):
    """A parameter's type is none that can be told from a configuration's values."""


def name_of(function: Callable[..., Any]) -> str:
    """A callable as `package.module:callable`.

    >>> name_of(Path.cwd)
    'pathlib:Path.cwd'
    """
    home = getattr(function, "__module__", None) or type(function).__module__
    return f"{home}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def find(module: str, method: Any, place: Place, problems: Problems) -> Callable[..., Any] | None:
    """The callable that a method names in a module; None where it names none, which is then a problem."""
    if callable(method):
        return method  # type: ignore[no-any-return]
    if not isinstance(method, str):
        problems.add(place, f"method is {method!r}, which is no text")
        return None
    if ":" in method:
        return _imported(method, place, problems)
    if method in BUILT_IN.get(module, ()):
        return _imported(BUILT_IN[module][method], place, problems)
    offered = [point for point in metadata.entry_points(group=GROUP) if point.name == method]
    targets = {point.value for point in offered}
    if len(targets) > 1:
        problems.add(place, f"several packages offer a method {method!r}: {', '.join(sorted(targets))}; write one out")
        return None
    if targets:
        return _imported(targets.pop(), place, problems)
    problems.add(place, _no_method(module, method))
    return None


def bind(
    method: str, function: Callable[..., Any], given: dict[str, Node], *, has_data: bool, place: Place, base: Path
) -> tuple[Call, list[tuple[Place, str]]]:
    """A call of a function with these parameters, and what is wrong with them."""
    signature, hints = _signature(function), _hints(function)
    takes = {} if signature is None else dict(signature.parameters)
    wrong: list[tuple[Place, str]] = []
    data = _data_parameter(takes, given, signature is None)
    takes_step = STEP in takes and takes[STEP].kind in _BY_NAME and STEP not in given
    if signature is not None:
        fed = {*given, *([data] if has_data and data else []), *([STEP] if takes_step else [])}
        wrong += [(place, what) for what in _missing(takes, fed, has_data, data)]
        wrong += [(given[name].place, what) for name, what in _unknown(takes, given, method)]
    parameters, files = {}, {}
    for name, node in given.items():
        parameters[name], what = _typed(node.value, hints.get(name, Any), base)
        wrong += [(node.place, what)] if what else []
        files[name] = None if what else _file_kind(hints.get(name, Any))
    sampled = {"num_samples", "sample"} <= takes.keys() and "sample" not in given
    call = Call(
        method=method,
        function=function,
        parameters=parameters,
        data=data if has_data else None,
        takes_step=takes_step,
        inputs=tuple(name for name, kind in files.items() if kind == INPUT and parameters[name] is not None),
        outputs=tuple(name for name, kind in files.items() if kind == OUTPUT and parameters[name] is not None),
        samples=_count(parameters.get("num_samples")) if sampled else 1,
        place=place,
    )
    return call, wrong


def in_words(error: ValidationError) -> str:
    """What msgspec has to say of a value.

    >>> try:
    ...     convert(["a", 1], list[str])
    ... except ValidationError as error:
    ...     in_words(error)
    'expected str, got int at [1]'
    """
    what = str(error).replace("`", "").replace(" - at $", " at ")
    return what[0].lower() + what[1:]


# Finding


def _imported(target: str, place: Place, problems: Problems) -> Callable[..., Any] | None:
    home, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name is not None and (home == error.name or home.startswith(f"{error.name}.")):
            problems.add(place, f"no module {error.name!r}: it is neither installed nor on Python's path")
            return None
        problems.add(place, f"importing {home!r} failed: {error}")
        return None
    except (Exception, SystemExit) as error:  # noqa: BLE001  (any module's own code runs here)
        problems.add(place, f"importing {home!r} failed: {type(error).__name__}: {error}")
        return None
    for part in name.split("."):
        owner, found = found, getattr(found, part, None)
        if found is None:
            hint = nearest(part, [known for known in dir(owner) if callable(getattr(owner, known, None))][:1000])
            problems.add(place, f"no {part!r} in {home!r}{'; ' + hint if hint.startswith('did') else ''}")
            return None
    if not callable(found):
        problems.add(place, f"{target!r} is a {type(found).__name__}, which can't be called")
        return None
    return found  # type: ignore[no-any-return]


def _no_method(module: str, method: str) -> str:
    known = [*BUILT_IN.get(module, ()), *(point.name for point in metadata.entry_points(group=GROUP))]
    if module not in BUILT_IN:
        meant = nearest(module, list(BUILT_IN))
        if meant.startswith("did") and method in BUILT_IN[meant.split("'")[1]]:
            return f"no method {method!r} in a module {module!r}; {meant}"
    else:
        hint = nearest(method, known)
        if hint.startswith("did") or "." not in method:
            return f"no method {method!r}; {hint}"
    return f"no method {method!r}; write package.module:callable to name one of your own"


# Signatures


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some that are written in C have none
        return None


def _hints(function: Any) -> dict[str, Any]:
    if inspect.isclass(function):
        function = function.__init__
    elif not inspect.isroutine(function):
        function = getattr(function, "func", None) or type(function).__call__
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001  (annotations may name what is there for type checkers only)
        return {}


def _data_parameter(takes: dict[str, inspect.Parameter], given: dict[str, Node], unknown: bool) -> str | None:
    """The first positional parameter, unless the configuration sets it."""
    if unknown:
        return ""
    for name, parameter in takes.items():
        if parameter.kind in _POSITIONAL and not (name == STEP and name not in given):
            if name in given:
                return None
            return name if parameter.kind in _BY_NAME else ""
    return None


def _missing(takes: dict[str, inspect.Parameter], fed: set[str], has_data: bool, data: str | None) -> list[str]:
    found = []
    for name, parameter in takes.items():
        needed = parameter.default is inspect.Parameter.empty
        if needed and parameter.kind in _BY_NAME and name not in fed:
            first = "" if has_data or name != data else " (there is no step before that could give it data)"
            found.append(f"missing parameter {name!r}{first}")
    return found


def _unknown(takes: dict[str, inspect.Parameter], given: dict[str, Node], method: str) -> list[tuple[str, str]]:
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in takes.values()):
        return []
    names = [name for name, parameter in takes.items() if parameter.kind in _BY_NAME and name != STEP]
    return [
        (name, f"{method} has no parameter {name!r}; {nearest(name, names)}")
        for name in given
        if name not in takes or takes[name].kind not in _BY_NAME
    ]


def _typed(value: Any, hint: Any, base: Path) -> tuple[Any, str | None]:
    """A value as its parameter's type, and why it can't be."""
    kind = _file_kind(hint)
    if kind is not None and value is not None:
        if not isinstance(value, str | os.PathLike):
            return value, f"expected a path, got {_json_type(value)}"
        return _resolved(os.fspath(value), kind, base)
    try:
        return convert(value, hint, dec_hook=_decode_other), None
    except ValidationError as error:
        return value, in_words(error)
    except (_Unchecked, TypeError):  # a type that msgspec has no notion of
        return value, None


def _decode_other(kind: Any, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise _Unchecked


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _json_type(value: Any) -> str:
    try:
        return {"{": "a mapping", "[": "a list"}.get(json.encode(value).decode()[:1], repr(value))
    except TypeError:
        return type(value).__name__


def _file_kind(hint: Any) -> str | None:
    marks = getattr(hint, "__metadata__", ())
    found = next((mark for mark in marks if mark in (INPUT, OUTPUT)), None)
    return found or next(filter(None, map(_file_kind, get_args(hint))), None)


def _resolved(text: Any, kind: str, base: Path) -> tuple[Any, str | None]:
    if not isinstance(text, str) or not text or "\0" in text:
        return text, f"{text!r} is no path"
    if "://" in text:
        return text, f"{text!r} is a URL: only local files are read and written, so that a run can be repeated"
    path = base / Path(text).expanduser()
    return (path, None) if kind == OUTPUT else (path, _no_input(path, text))


def _no_input(path: Path, text: str) -> str | None:
    try:
        if path.is_file():
            return None if os.access(path, os.R_OK) else f"no permission to read the file {text!r}"
        if path.is_dir():
            return f"{text!r} is a folder, not a file"
        beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []  # noqa: PTH208
    except OSError as error:
        return f"the file {text!r} can't be read: {error.strerror}"
    hint = nearest(path.name, beside)
    return f"no file {text!r} in {_shown(path.parent)}" + (f"; {hint}" if hint.startswith("did") else "")


def _shown(folder: Path) -> str:
    try:
        return f"./{folder.relative_to(Path.cwd())}" if folder != Path.cwd() else "the current folder"
    except ValueError:
        return str(folder)
