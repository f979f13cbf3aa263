"""Packages: the distributions that imported modules come from, with their versions.

A distribution's version stands in the name of its folder, `pandas-3.0.0.dist-info`, so that a listing of the folder
around a module tells it; `importlib.metadata` would take 0.2 s. Which distribution has a module of another name, such
as `yaml` of PyYAML, only its list of files tells.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from runfolio.records import Version
from runfolio.version import __version__

_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_MAX_BYTES = 4 * 2**20


class _Distribution(Struct, frozen=True):
    name: str
    version: str
    info: str


class _Folder(Struct):
    """What is known of one folder: its distributions by their plain names, and by the modules looked for."""

    stamp: int
    by_name: dict[str, _Distribution]
    by_module: dict[str, list[_Distribution]]


_folders: dict[str, _Folder] = {}
_last: dict[bool, tuple[int, list[Version]]] = {}


def imported(*, thorough: bool) -> list[Version]:
    """Python, runfolio, and the distributions that what is imported now comes from, in the order of their names.

    Those that are not named as their modules are found only if it is `thorough`, which may take some milliseconds.
    """
    count = len(sys.modules)
    for kind in (True, thorough):
        known, found = _last.get(kind, (0, []))
        if known == count:  # as a rule nothing else is imported from one run of a process to the next
            return list(found)
    found = _found(thorough=thorough)
    _last[thorough] = count, found
    return list(found)


def _found(*, thorough: bool) -> list[Version]:
    found = {"runfolio": Version("runfolio", __version__)}
    for module, folder in _imported():
        for one in _distributions_of(module, folder, thorough=thorough):
            found.setdefault(_plain(one.name), Version(one.name, one.version))
    ordered = sorted(found.values(), key=lambda one: one.name.lower())
    return [Version("python", platform.python_version()), *ordered]


def _imported() -> Iterator[tuple[str, str]]:
    """The top-level modules that are no part of Python, each with the folder that it is in."""
    for name, module in list(sys.modules.items()):
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        with suppress(Exception):  # what stands for a module may be any object
            spec: Any = module.__spec__
            for place in [*(spec.submodule_search_locations or ()), *filter(None, [spec.origin])]:
                yield name, os.path.dirname(place)  # noqa: PTH120
                break


def _distributions_of(module: str, folder: str, *, thorough: bool) -> list[_Distribution]:
    found = _listed(folder)
    if module in found.by_module:
        return found.by_module[module]
    same = found.by_name.get(_plain(module))
    if same is not None or thorough:
        found.by_module[module] = _holders(module, folder, found) if same is None else [same]
    return found.by_module.get(module, [])


def _listed(folder: str) -> _Folder:
    with suppress(OSError):
        stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116
        found = _folders.get(folder)
        if found is None or found.stamp != stamp:
            infos = (name for name in os.listdir(folder) if name.endswith("-info"))  # noqa: PTH208
            named = filter(None, map(_INFO.fullmatch, infos))
            known = [_Distribution(one["name"], one["version"], one[0]) for one in named]
            found = _folders[folder] = _Folder(stamp, {_plain(one.name): one for one in known}, {})
        return found
    return _Folder(0, {}, {})


def _holders(module: str, folder: str, found: _Folder) -> list[_Distribution]:
    """The distributions that have files of a module; one of a like name is asked first, and is then the only one."""
    like = [one for name, one in found.by_name.items() if _plain(module) in name]
    first = next((one for one in like if _has(module, folder, one)), None)
    if first is not None:
        return [first]
    return [one for one in found.by_name.values() if one not in like and _has(module, folder, one)]


def _has(module: str, folder: str, distribution: _Distribution) -> bool:
    """Whether a distribution's list of files has one of the module."""
    with suppress(OSError):
        path = Path(folder, distribution.info)
        record = path / "RECORD"
        with (record if record.exists() else path / "top_level.txt").open("rb") as file:
            files = b"\n" + file.read(_MAX_BYTES)
        return re.search(rb"\n%s[/.,\r\n]" % re.escape(module.encode()), files) is not None
    return False


def _plain(name: str) -> str:
    """A name as distributions and modules share it."""
    return re.sub(r"[-_.]+", "_", name).lower()
