"""Files of a run folder that are none: links that lead out of it, pipes, sockets, devices and folders."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_UNIX, socket
from stat import S_IFCHR
from typing import Any

import pytest

from runfolio import Status, list_runs, load_run
from runfolio.errors import RunfolioError, WriteError
from runfolio.export import export
from runfolio.repair import repair
from runfolio.run import Run
from runfolio.tables import tablefile
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


# What stands in the place of a file


def pipe(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


def listening(path: Path, elsewhere: Path) -> None:
    with socket(AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may have 107 bytes
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def folder(path: Path, elsewhere: Path) -> None:
    path.mkdir()


def link(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere)


def device(path: Path, elsewhere: Path) -> None:
    """One that gives zeros without an end."""
    try:
        os.mknod(path, S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("it takes root to make a device")


ODD = [pipe, listening, folder, link, device]
NAMES = ["run.json", "events.jsonl", "main.lock", "SHA256SUMS", "config.yaml", "results", "a table", "a report"]


def elsewhere_of(home: Path, name: str, tmp_path: Path) -> Path:
    """What was there, sound, in another folder."""
    found = tmp_path / "elsewhere"
    if (home / name).exists():
        shutil.move(home / name, found)
    else:
        found.write_text("secret")
    return found


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", NAMES)
def test_what_stands_in_the_place_of_a_file_is_neither_waited_for_nor_read(
    name: str, odd: Callable[[Path, Path], None], seed: Seed, home: Path, tmp_path: Path
) -> None:
    forge(home, seed)
    suffix = {"a table": ".parquet", "a report": ".json"}.get(name)
    place = next(one for one in seed.files if suffix in (None, Path(one).suffix) and (suffix is None or "/" in one))
    place = name if suffix is None else place
    odd(home / place, elsewhere_of(home, place, tmp_path))
    with within(30):
        told = verify(home)
        assert any(one.file.startswith(place) for one in [*told.findings, *told.notes])
        files = list(Path(repair(home).folder).rglob("*"))
        survives(home, tmp_path / "out")
        assert not any(path.is_symlink() or path.is_fifo() or path.is_socket() for path in files)


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail what waits for what never comes."""

    def fail(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_file_that_becomes_a_link_when_it_was_checked_is_not_followed(
    home: Path, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is swapped for a link after its digest was taken, and before Arrow opens the file."""
    forge(home, seed)
    result = next(one for one in Run(home).results.values() if one.record.parts[0].format == "parquet")
    taken = tablefile.file_digest

    def swapped(handle: Any, name: str) -> Any:
        found = taken(handle, name)
        shutil.move(home / "results", tmp_path / "true")
        (home / "results").symlink_to(tmp_path / "false")
        return found

    monkeypatch.setattr(tablefile, "file_digest", swapped)
    (frame,) = result.batches()
    assert len(frame) == result.record.parts[0].rows


@pytest.mark.parametrize("odd", [pipe, folder, link, device])
def test_a_run_folder_that_is_none_is_refused(
    odd: Callable[[Path, Path], None], root: Path, home: Path, seed: Seed, tmp_path: Path
) -> None:
    forge(tmp_path / "elsewhere", seed)
    odd(home, tmp_path / "elsewhere")
    with within(10):
        assert list_runs(root).empty
        with pytest.raises(RunfolioError):
            load_run(home.name, root=root)


def test_the_temporary_file_and_the_target_of_an_export_are_no_ways_out(home: Path, seed: Seed, tmp_path: Path) -> None:
    forge(home, seed)
    run, canary, to = Run(home), tmp_path / "canary", tmp_path / "to"
    canary.write_text("as it was")
    to.mkdir()
    for exported in export(run, tmp_path / "first", format="csv"):
        if exported.path is not None:
            (to / Path(exported.path).name).symlink_to(canary)
    export(run, to, format="csv", force=True)
    assert canary.read_text() == "as it was"
    assert not any(path.is_symlink() for path in to.iterdir() if path.suffix == ".csv")
