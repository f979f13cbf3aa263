"""What `method` names: a built-in, an entry point, `package.module:callable`; and a call of it, checked beforehand.

A callable gets the data of the step before as its first positional parameter, unless the configuration sets that
parameter itself, and the step's context as `step` if it has a parameter of that name. All else is by keyword.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import pkgutil
import re
import sys
import types
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import metadata
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct, ValidationError, convert

from runfolio.pipeline.modules import BUILT_IN
from runfolio.pipeline.parameters import INPUT, OUTPUT, FileKind
from runfolio.pipeline.source import Node, Place, Problems, closest, nearest, shown

GROUP = "runfolio.modules"
"""The group of entry points by which an installed package offers callables."""

STEP = "step"
"""The parameter that gets the step's context."""

SAMPLES, SAMPLE = "num_samples", "sample"
"""The parameters of a callable that is run once for each of several samples: how many, and which."""

_ONLY_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_BY_NAME = (_EITHER, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (_ONLY_POSITIONAL, _EITHER, inspect.Parameter.VAR_POSITIONAL)


class Call(Struct, frozen=True, kw_only=True):
    """A callable and its parameters.

    `data` names the parameter that gets the data of the step before, empty where it is given by position and None where
    it gets none. `inputs` and `outputs` name the parameters that are files; an output is text until the plan fills in
    the experiments, and starts from `base`.
    """

    method: str
    function: Callable[..., Any]
    parameters: dict[str, Any]
    data: str | None
    takes_step: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    samples: int
    base: Path
    places: dict[str, Place]
    """Where each parameter stands."""
    place: Place


class _Unchecked(Exception):
    """A parameter's type is none that can be told from a configuration's values."""


def name_of(function: Callable[..., Any]) -> str:
    """A callable as `package.module:callable`; of a partial one, the callable itself.

    >>> name_of(Path.cwd)
    'pathlib:Path.cwd'
    """
    while isinstance(function, functools.partial):
        function = function.func
    home = _attribute(function, "__module__") or type(function).__module__
    return f"{home}:{_attribute(function, '__qualname__') or type(function).__qualname__}"


def find(module: str, method: Any, place: Place, problems: Problems) -> Callable[..., Any] | None:
    """The callable that a method names in a module; None where it names none, which is then a problem."""
    if callable(method):
        return method  # type: ignore[no-any-return]
    if not isinstance(method, str):
        problems.add(place, f"method is {shown(method)}, which is no text")
        return None
    if ":" in method:
        return _imported(method, place, problems)
    if method in BUILT_IN.get(module, ()):
        return _imported(BUILT_IN[module][method], place, problems)
    targets = _offered().get(method, ())
    if len(targets) > 1:
        problems.add(place, f"several packages offer a method {method!r}: {', '.join(targets)}; write one out")
        return None
    if targets:
        return _imported(targets[0], place, problems)
    problems.add(place, _no_method(module, method))
    return None


def bind(
    method: str, function: Callable[..., Any], given: dict[str, Node], *, has_data: bool, place: Place, base: Path
) -> tuple[Call, list[tuple[Place, str]]]:
    """A call of a function with these parameters, and what is wrong with them."""
    signature = _signature(function)
    hints = _hints(function, signature)
    takes = {} if signature is None else dict(signature.parameters)
    wrong: list[tuple[Place, str]] = []
    data = _data_parameter(takes, given, signature is None)
    takes_step = STEP in takes and takes[STEP].kind in _BY_NAME and STEP not in given
    draws = {SAMPLES, SAMPLE} <= takes.keys() and SAMPLE not in given and takes[SAMPLE].kind in _BY_NAME
    if signature is not None:
        fed = {*given, *([data] if has_data and data else []), *([STEP] if takes_step else [])}
        fed |= {SAMPLE} if draws else set()
        wrong += [(place, what) for what in _missing(takes, fed, has_data, data)]
        wrong += [(given[name].place, what) for name, what in _unknown(takes, given, method)]
    parameters: dict[str, Any] = {}
    files: dict[str, FileKind | None] = {}
    for name, node in given.items():
        hint = hints.get(name, Any)
        parameters[name], what = _typed(node.value, hint, base)
        if what:
            wrong.append((node.place, _with_quotes(what, node)))
        files[name] = None if what or parameters[name] is None else _file_kind(hint)
    samples = _count(parameters.get(SAMPLES, takes[SAMPLES].default)) if draws else 1
    if draws and samples == 1 and takes[SAMPLE].default is inspect.Parameter.empty:
        parameters[SAMPLE] = 1
    call = Call(
        method=method,
        function=function,
        parameters=parameters,
        data=data if has_data else None,
        takes_step=takes_step,
        inputs=tuple(name for name, kind in files.items() if kind == INPUT),
        outputs=tuple(name for name, kind in files.items() if kind == OUTPUT),
        samples=samples,
        base=base,
        places={name: node.place for name, node in given.items()},
        place=place,
    )
    return call, wrong


def in_words(error: ValidationError, hint: Any = None) -> str:
    """What msgspec has to say of a value that is none of a type.

    >>> try:
    ...     convert(["a", 1], list[str])
    ... except ValidationError as error:
    ...     in_words(error)
    'expected str, got int at [1]'
    """
    what = str(error).replace(" - at `key` in `$", " as a name in `").replace(" - at `$", " at `")
    what = re.sub(r" as a name in `(\[\.\.\.\])*`$", " as a name", what).replace("[...]", "").removesuffix(" at ``")
    what = re.sub(r"`([^`]*)`", lambda found: re.sub(r"\w+", lambda word: _WORDS.get(word[0], word[0]), found[1]), what)
    found = re.fullmatch(r"Invalid enum value (.*?)( at \S*)?", what, flags=re.DOTALL)
    choices = {str(choice): shown(choice) for choice in _choices(hint)}
    if found and choices:
        close = choices.get(closest(found[1].strip("'"), choices) or "")
        hint = f"; did you mean {close}?" if close else ""
        return f"expected {' or '.join(choices.values())}, got {found[1]}{found[2] or ''}{hint}"
    what = what.replace("Object missing required field", "missing field")
    return what[0].lower() + what[1:]


_WORDS = {"array": "list", "object": "mapping"}


# Finding


def _imported(target: str, place: Place, problems: Problems) -> Callable[..., Any] | None:
    home, _, name = target.partition(":")
    if not re.fullmatch(r"[^\s.:]+(\.[^\s.:]+)*:[^\W\d]\w*(\.[^\W\d]\w*)*", target):
        problems.add(place, f"{shown(target)} names no callable; write package.module:callable")
        return None
    try:
        found: Any = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name is not None and (home == error.name or home.startswith(f"{error.name}.")):
            problems.add(place, _no_module(error.name))
            return None
        problems.add(place, f"importing {home!r} failed: {error}")
        return None
    except (Exception, SystemExit) as error:  # noqa: BLE001  (any module's own code runs here)
        problems.add(place, f"importing {home!r} failed: {type(error).__name__}: {error}")
        return None
    for part in name.split("."):
        owner, found = found, _attribute(found, part)
        if found is None:
            close = closest(part, (known for known in _names_in(owner) if known != part and known[0] != "_"))
            problems.add(place, f"no {part!r} in {home!r}" + (f"; did you mean {close!r}?" if close else ""))
            return None
    if not callable(found):
        problems.add(place, f"{target!r} is of type {type(found).__name__}, which can't be called")
        return None
    return found  # type: ignore[no-any-return]


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001  (modules and classes may compute their attributes)
        return None


def _names_in(owner: Any) -> list[str]:
    try:
        return [str(name) for name in dir(owner)]
    except Exception:  # noqa: BLE001  (as above)
        return []


def _no_module(name: str) -> str:
    parent, _, last = name.rpartition(".")
    folders = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    known = {found.name for found in pkgutil.iter_modules(folders)} if folders or not parent else set()
    close = closest(last, sorted(known - {last} | (set() if parent else set(sys.stdlib_module_names))))
    where = parent and f"{parent}."
    hint = f"; did you mean {where + close!r}?" if close else ""
    return f"no module {name!r}: it is neither installed nor on Python's path{hint}"


def _offered() -> dict[str, list[str]]:
    """What installed packages offer: the callables that each name stands for."""
    return _offered_on(tuple(sys.path))


@functools.lru_cache(maxsize=1)
def _offered_on(path: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for point in metadata.entry_points(group=GROUP):
        found.setdefault(point.name, set()).add(point.value.partition("[")[0].replace(" ", ""))
    return {name: sorted(targets) for name, targets in found.items()}


def _no_method(module: str, method: str) -> str:
    own = "write package.module:callable to name one of your own"
    what = f"no method {shown(method)}"
    if module not in BUILT_IN:
        meant = closest(module, BUILT_IN)
        if meant is not None and closest(method, BUILT_IN[meant]) is not None:
            return f"{what} in a module {shown(module)}; did you mean the module {meant!r}?"
        close = closest(method, _offered())
        return f"{what}; did you mean {close!r}?" if close else f"{what}; {own}"
    hint = nearest(method, [*BUILT_IN[module], *_offered()])
    if hint.startswith("did"):
        return f"{what}; {hint}"
    return f"{what}; {own}" if "." in method else f"{what}; {hint}, or {own}"


# Signatures


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except Exception:  # noqa: BLE001  (some that are written in C have none; __signature__ can be anything)
        return None


def _hints(function: Any, signature: inspect.Signature | None) -> dict[str, Any]:
    """The types of a callable's parameters, of those that can be told."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isclass(function):
        own = function.__init__
        function = function.__new__ if own is object.__init__ else own
    elif not inspect.isroutine(function):
        function = type(function).__call__
    parameters = {} if signature is None else signature.parameters
    found = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if parameter.annotation is not inspect.Parameter.empty and not isinstance(parameter.annotation, str)
    }
    try:
        return {**found, **get_type_hints(function, include_extras=True)}
    except Exception:  # noqa: BLE001  (annotations may name what is there for type checkers only)
        if str(_attribute(function, "__module__")).partition(".")[0] == "pandas":
            return found  # some of those that can be resolved refuse what pandas takes, and it checks all itself
        return {**found, **dict(_hints_one_by_one(function))}


def _hints_one_by_one(function: Any) -> Iterator[tuple[str, Any]]:
    try:
        names = getattr(inspect.unwrap(function), "__globals__", {})
        annotations = dict(getattr(function, "__annotations__", {}))
    except Exception:  # noqa: BLE001  (as above)
        return
    for name, annotation in annotations.items():
        one = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            yield from get_type_hints(one, globalns=names, include_extras=True).items()
        except Exception:  # noqa: BLE001, S112  (as above)
            continue


def _data_parameter(takes: dict[str, inspect.Parameter], given: dict[str, Node], unknown: bool) -> str | None:
    """The first positional parameter, unless the configuration sets it."""
    if unknown:
        return ""
    for name, parameter in takes.items():
        if parameter.kind in _POSITIONAL and not (name == STEP and parameter.kind is _EITHER and name not in given):
            if parameter.kind is _EITHER:
                return None if name in given else name
            return ""
    return None


def _missing(takes: dict[str, inspect.Parameter], fed: set[str], has_data: bool, data: str | None) -> list[str]:
    found = []
    gets_data = has_data
    for name, parameter in takes.items():
        needed = parameter.default is inspect.Parameter.empty
        if needed and parameter.kind in _BY_NAME and name not in fed:
            first = "" if has_data or name != data else " (there is no step before that could give it data)"
            found.append(f"missing parameter {name!r}{first}")
        if needed and parameter.kind is _ONLY_POSITIONAL and not gets_data:
            what = "can't be set by name, and there is no step before that could give it data"
            found.append(f"parameter {name!r} {'can be given by position only' if has_data else what}")
        gets_data = False
    return found


def _unknown(takes: dict[str, inspect.Parameter], given: dict[str, Node], method: str) -> list[tuple[str, str]]:
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in takes.values()):
        return []
    names = [name for name, parameter in takes.items() if parameter.kind in _BY_NAME and name != STEP]
    return [
        (
            name,
            f"parameter {name!r} of {method} can be given by position only"
            if name in takes and takes[name].kind is _ONLY_POSITIONAL
            else f"{method} has no parameter {shown(name)}; {nearest(name, names)}",
        )
        for name in given
        if name not in takes or takes[name].kind not in _BY_NAME
    ]


# Types


def _typed(value: Any, hint: Any, base: Path) -> tuple[Any, str | None]:
    """A value as its parameter's type, and why it can't be."""
    kind = _file_kind(hint)
    if kind is not None and value is not None:
        if not isinstance(value, str | os.PathLike):
            return value, f"expected a path, got {_type_in_words(value)}"
        return _resolved(value, kind, base)
    if kind is not None and not _takes_none(hint):
        return value, "expected a path, got null"
    if hint is Any:
        return value, None
    if isinstance(hint, TypeVar):
        return value, None
    if type(value).__module__ == "numpy" and not getattr(value, "shape", None) and hasattr(value, "item"):
        value = value.item()  # a scalar
    try:
        return convert(value, hint, dec_hook=_decode_other), None
    except ValidationError as error:
        return value, in_words(error, hint)
    except Exception:  # noqa: BLE001  (a type that msgspec has no notion of, or one that can't be resolved)
        return value, None


def _decode_other(kind: Any, value: Any) -> Any:
    if kind is Path:
        if isinstance(value, str | os.PathLike):
            return Path(value)
        raise ValueError(f"expected a path, got {_type_in_words(value)}")
    raise _Unchecked


def _with_quotes(what: str, node: Node) -> str:
    """What is wrong with a value, with a hint if it is text that YAML takes for something else."""
    is_taken = node.place.line is not None and node.entries is None and node.items is None and node.value is not None
    return f"{what}; put it in quotes" if is_taken and re.match(r"expected str( \||,)", what) else what


def _choices(hint: Any) -> Iterator[Any]:
    """The values that a type has, where it is some."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    elif inspect.isclass(hint) and issubclass(hint, Enum):
        yield from (one.value for one in hint)
    else:
        for part in get_args(hint):
            yield from _choices(part)


def _count(value: Any) -> int:
    return max(1, int(value)) if isinstance(value, Integral) else 1


def _type_in_words(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, list | tuple) else type(value).__name__


def _file_kind(hint: Any) -> FileKind | None:
    marks = getattr(hint, "__metadata__", ())
    found = next((mark for mark in marks if isinstance(mark, FileKind)), None)
    if found is not None or get_origin(hint) not in (Union, types.UnionType):
        return found
    return next(filter(None, map(_file_kind, get_args(hint))), None)


def _takes_none(hint: Any) -> bool:
    return type(None) in get_args(hint)


# Files


def _resolved(value: Any, kind: FileKind, base: Path) -> tuple[Any, str | None]:
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text or not _can_be_named(text):
        return value, f"{shown(text)} is no path"
    if "://" in text:
        return value, "it is a URL: only local files are read and written, so that a run can be repeated"
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        return value, f"there is no home folder for {shown(Path(text).parts[0])}"
    return (str(path), None) if kind == OUTPUT else (base / path, _no_input(base / path, text))


def _can_be_named(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeError:
        return False
    return True


def _no_input(path: Path, text: str) -> str | None:
    try:
        if path.is_file():
            path.open("rb").close()
            return None
        if path.is_dir():
            return f"{shown(text)} is a folder, not a file"
        if path.exists():
            return f"{shown(text)} is no regular file"
        beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []  # noqa: PTH208
    except PermissionError:
        return f"no permission to read the file {shown(text)}"
    except (OSError, RuntimeError) as error:
        return f"the file {shown(text)} can't be read: {getattr(error, 'strerror', None) or error}"
    hint = closest(path.name, beside)
    where = _folder_shown(path.parent)
    if not path.parent.is_dir():
        return f"no file {shown(text)}: there is no folder {where}"
    return f"no file {shown(text)} in {where}" + (f"; did you mean {hint!r}?" if hint else "")


def _folder_shown(folder: Path) -> str:
    try:
        return f"./{folder.relative_to(Path.cwd())}" if folder != Path.cwd() else "the current folder"
    except (ValueError, OSError):
        return str(folder)
