"""Files of a run folder that are none: links that lead out of it, pipes, sockets, devices and folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runfolio import Status, load_run
from runfolio.errors import RunfolioError, WriteError
from runfolio.repair import repair
from runfolio.verification import verify

from .forging import Seed, forge
from .reading import survives


@pytest.fixture
def linked(home: Path, seed: Seed, tmp_path: Path) -> Path:
    """A run whose results, sound and in their place by every name, lie in another folder behind a link."""
    forge(home, seed)
    shutil.move(home / "results", tmp_path / "elsewhere")
    (home / "results").symlink_to(tmp_path / "elsewhere")
    return home


class TestAFolderOfResultsThatIsALink:
    @pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
    def test_is_not_followed_to_any_data(self, linked: Path, tmp_path: Path) -> None:
        run = load_run(linked)
        assert [str(one) for one in run.damage if one.file == "results"] == [
            "results: it is a symbolic link, and no folder"
        ]
        for key, result in run.results.items():
            with pytest.raises(RunfolioError, match=r"results is no folder"):
                result["data"]
            for part in result.parts or [None]:
                if result.record.parts[0].format != "json":
                    with pytest.raises(RunfolioError, match=r"results is no folder"):
                        result.dataset(part)
            assert result.record.key == key
        survives(linked, tmp_path / "out")
        exported = [path for path in (tmp_path / "out").rglob("*.*") if path.is_file()]
        assert exported == [tmp_path / "out" / path.parent.name / "results.json" for path in exported]

    def test_is_found_by_verify_and_nothing_behind_it_is_read(self, linked: Path, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "elsewhere" / "pipe.parquet")
        checked = verify(linked)
        assert not checked.is_sound
        assert not any("elsewhere" in str(one) for one in [*checked.findings, *checked.notes])

    def test_is_left_behind_by_repair(self, linked: Path) -> None:
        repaired = repair(linked)
        assert repaired.files == 0
        assert not (Path(repaired.folder) / "results").exists()

    @pytest.mark.filterwarnings("ignore::runfolio.errors.DamageWarning")
    def test_is_not_written_through(self, linked: Path, tmp_path: Path) -> None:
        before = sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
        with pytest.raises(WriteError, match="a symbolic link"), Status.resume(linked) as status:
            status.store_result("more", {"score": 1})
        assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == before
