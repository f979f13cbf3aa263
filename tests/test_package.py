"""The package as a whole: its public names, its errors, what importing it costs, how its modules stand."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import runfolio
from runfolio import errors

SOURCE = Path(runfolio.__file__).parent


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_all_names_what_is_public_sorted_and_every_name_is_there():
    assert runfolio.__all__ == sorted(runfolio.__all__, key=str.lower) or runfolio.__all__ == sorted(runfolio.__all__)
    for name in runfolio.__all__:
        assert getattr(runfolio, name) is not None
    assert set(runfolio._HOMES) == set(runfolio.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        runfolio.nothing  # noqa: B018


def test_every_error_has_the_root_and_stands_in_the_tree():
    found = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert {value.__name__ for value in found} == set(errors.__all__)
    for value in found:
        assert value.__name__ in errors.__doc__
        if not issubclass(value, Warning):
            assert issubclass(value, errors.RunfolioError)


def test_errors_carry_their_fields_through_a_pickle():
    error = errors.WriteError("could not write x", errno=28, remedy="free some space", file="x")
    found = pickle.loads(pickle.dumps(error))
    assert (str(found), found.errno, found.file) == ("could not write x; free some space", 28, "x")
    found = pickle.loads(pickle.dumps(errors.DataError("no", problems=("a", "b"), column="c")))
    assert (found.problems, found.column) == (("a", "b"), "c")


def test_importing_status_loads_no_heavy_library():
    heavy = {"pandas", "pyarrow", "numpy", "rich", "click", "watchdog", "yaml", "hashlib"}
    loaded = set(run("import sys; from runfolio import Status; print(*sys.modules)").split())
    assert loaded & heavy == set()


def test_recording_without_frames_loads_no_heavy_library(tmp_path):
    code = f"""
import sys
from runfolio import Status, load_run
with Status(root={str(tmp_path)!r}) as status:
    with status.step("Loader", "a"):
        status.log("x", context={{"a": 1}})
load_run(status.folder).get_status_summary()
print(*sys.modules)
"""
    assert set(run(code).split()) & {"pandas", "pyarrow", "numpy"} == set()


def test_imports_run_one_way():
    graph = {}
    for module in pkgutil.walk_packages([str(SOURCE)], "runfolio."):
        tree = ast.parse(Path(importlib.util.find_spec(module.name).origin).read_text())
        graph[module.name] = {
            f"{node.module}.{alias.name}" if node.module == "runfolio" else node.module
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module.startswith("runfolio")
            for alias in node.names
        }
    settled: set[str] = set()
    while len(settled) < len(graph):
        free = {name for name, needs in graph.items() if name not in settled and needs & graph.keys() <= settled}
        assert free, f"a cycle among {sorted(graph.keys() - settled)}"
        settled |= free


def test_every_public_thing_says_what_it_is():
    missing = []
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef | ast.FunctionDef))]
        missing += [
            f"{path.name}: {getattr(node, 'name', 'module')}"
            for node in nodes
            if not getattr(node, "name", "").startswith("_")
            and not ast.get_docstring(node)
            and not is_inner(node, tree)
            and not is_overload(node)
        ]
    assert missing == []


def is_overload(node: ast.AST) -> bool:
    """Whether it only says what types a function takes."""
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in decorators)


def is_inner(node: ast.AST, tree: ast.Module) -> bool:
    """Whether a function stands inside of another: that is nobody's to call."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    return any(node is not outer and node in list(ast.walk(outer)) for outer in functions)


def test_nothing_that_is_read_is_executed():
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    for word in ("pickle.load", "eval(", "exec(", "yaml.load(", "read_pickle", "joblib"):
        assert word not in text
