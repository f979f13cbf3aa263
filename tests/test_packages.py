"""Packages: the distributions of what is imported, as `importlib.metadata` tells them."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from runfolio import packages
from runfolio.records import Version

_ = yaml


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder was looked at before."""
    monkeypatch.setattr(packages, "_folders", {})
    monkeypatch.setattr(packages, "_last", {})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are imported from."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def install(site: Path, info: str, module: str, **files: str) -> None:
    """A distribution with one module, which is imported."""
    (site / info).mkdir()
    for name, text in files.items():
        (site / info / name).write_text(text)
    (site / f"{module}.py").write_text("")
    __import__(module)


def versions(*, thorough: bool = True) -> dict[str, str]:
    return {one.name: one.version for one in packages.imported(thorough=thorough)}


def test_they_are_those_that_the_library_tells():
    found = versions()
    homes = metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in sys.modules} & set(homes)
    expected = {re.sub(r"[-_.]+", "_", one).lower() for name in modules if name[0] != "_" for one in homes[name]}
    named = {re.sub(r"[-_.]+", "_", name).lower() for name in found}
    assert {"pandas", "numpy", "pyarrow", "pyyaml", "pytest", "msgspec"} <= named & expected
    assert named - {"python", "runfolio"} <= expected
    for name in named - {"python"}:
        assert {re.sub(r"[-_.]+", "_", key).lower(): value for key, value in found.items()}[name] == metadata.version(
            name
        )


def test_python_comes_first_and_the_others_by_name():
    found = packages.imported(thorough=True)
    assert found[0] == Version("python", sys.version.split()[0])
    assert [one.name.lower() for one in found[1:]] == sorted(one.name.lower() for one in found[1:])


def test_those_named_otherwise_than_their_module_are_found_thoroughly_alone():
    assert not {"PyYAML", "pyyaml"} & set(versions(thorough=False))
    assert {"PyYAML", "pyyaml"} & set(versions())
    assert {"PyYAML", "pyyaml"} & set(versions(thorough=False))  # it is known by now


def test_a_list_of_files_tells_or_a_list_of_modules(site: Path):
    install(site, "other-1.5.dist-info", "alpha_one", RECORD="alpha_one.py,sha256=x,0\n")
    install(site, "older-2.0-py3.11.egg-info", "alpha_two", **{"top_level.txt": "alpha_two\n"})
    install(site, "near-7.dist-info", "unrelated", RECORD="alpha_one_more.py,,\nsub/alpha_two.py,,\n")
    assert {"other": "1.5", "older": "2.0"}.items() <= versions().items()
    assert "near" not in versions()


def test_one_that_is_installed_later_is_found(site: Path):
    install(site, "early_one-1.0.dist-info", "early_one")
    os.utime(site, (0, 0))  # the clock of folders has coarse ticks
    assert versions()["early_one"] == "1.0"
    install(site, "late_one-3.1.dist-info", "late_one")
    assert versions(thorough=False)["late_one"] == "3.1"


def test_modules_of_ones_own_have_no_version(site: Path):
    (site / "mine.py").write_text("__version__ = '1'")
    __import__("mine")
    assert "mine" not in versions()


def test_whatever_stands_for_a_module_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    class Lazy(ModuleType):
        @property
        def __spec__(self):
            raise RuntimeError("loaded too early")

    for name, value in {"lazy_one": Lazy("lazy_one"), "none_one": None, "other_one": 7}.items():
        monkeypatch.setitem(sys.modules, name, value)
    assert "python" in versions()
