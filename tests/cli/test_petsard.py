"""`runfolio petsard` where PETsARD can't be used; where it can, see tests/integrations/test_petsard.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Cli


@pytest.fixture(autouse=True)
def pipeline(project: Path) -> None:
    (project / "p.yaml").write_text("Loader: {a: {filepath: people.csv}}")


def test_a_package_that_is_missing_is_named_with_what_to_install(cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "petsard", None)
    done = cli("petsard", "p.yaml")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "runfolio: PETsARD is not installed; pip install 'runfolio[petsard]'\n"
    assert not root.exists()


def test_a_package_that_petsard_misses_is_named_too(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "petsard", raising=False)
    (project / "petsard").mkdir()
    (project / "petsard" / "__init__.py").write_text("import package_that_is_missing")
    monkeypatch.syspath_prepend(str(project))
    done = cli("petsard", "p.yaml")
    assert done.exit_code == 1
    assert "PETsARD can't be imported: No module named 'package_that_is_missing'; pip install" in done.stderr


@pytest.mark.parametrize(
    ("text", "what"), [(None, "there is no such file"), ("Loader: [", "has one problem"), ("[1", "has one problem")]
)
def test_a_file_that_is_no_configuration_is_refused_before_petsard_is_imported(
    cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, what: str
):
    monkeypatch.setitem(sys.modules, "petsard", None)
    if text is not None:
        (project / "wrong.yaml").write_text(text)
    done = cli("petsard", "wrong.yaml")
    assert done.exit_code == 2
    assert what in done.stderr
