"""How a writer writes: what is on the disk when a call returns, and who may read it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from runfolio import Executor, Status, load_run
from runfolio.errors import ConfigError, UsageError


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def open_umask():
    old = os.umask(0o022)
    yield
    os.umask(old)


def record(**options) -> Path:
    with Status(**options) as status:
        with status.step("Loader", "two") as step:
            step.result({"frame": pd.DataFrame({"a": [1]}), "report": {"rows": 1}})
        with status.step("Loader", "stream") as step:
            step.result(iter([pd.DataFrame({"a": [1]})]))
        assert modes(status.folder) == {0o600 if options.get("access") != "umask" else 0o644}
    return status.folder


@pytest.mark.usefixtures("open_umask")
class TestAccess:
    def test_all_that_is_made_is_for_its_owner_alone(self, root):
        folder = record()
        assert modes(folder) == {0o600}
        assert [stat.S_IMODE(path.stat().st_mode) for path in (root, folder, folder / "results")] == [0o700] * 3

    def test_the_umask_decides_where_that_is_asked_for(self, root):
        folder = record(access="umask")
        assert modes(folder) == {0o644}
        assert [stat.S_IMODE(path.stat().st_mode) for path in (root, folder, folder / "results")] == [0o755] * 3

    def test_a_root_that_is_there_stays_as_it_is(self, root):
        root.mkdir(mode=0o755)
        record()
        assert stat.S_IMODE(root.stat().st_mode) == 0o755

    @pytest.mark.parametrize("access", ["owner", "umask"])
    def test_who_joins_or_resumes_goes_by_the_folder(self, access):
        status = Status(access=access)
        status.start()
        with Status.join(status.folder) as worker:
            worker.log("x")
        status.fail("no")
        resumed = Status.resume(status.folder)
        resumed.complete()
        assert modes(status.folder) == {0o600 if access == "owner" else 0o644}


class TestDurability:
    def test_it_is_told_in_the_headers(self):
        for level in ("process", "power"):
            with Status(durability=level) as status:
                status.log("x")
            assert status.events[0].context["durability"] == level
            assert load_run(status.folder).damage == []

    def test_a_resumed_run_keeps_its_level_unless_told_otherwise(self):
        status = Status(durability="power")
        status.fail("no")
        for given, expected in ((None, "power"), ("process", "process")):
            resumed = Status.resume(status.folder, durability=given)
            resumed.fail("again")
            assert [e.context["durability"] for e in resumed.events if e.type == "segment"][-1] == expected

    def test_a_pipeline_says_it_in_its_section_run(self, tmp_path):
        (tmp_path / "a.csv").write_text("a\n1\n")
        loader = {"csv": {"path": str(tmp_path / "a.csv")}}
        executor = Executor({"Run": {"durability": "power", "access": "umask"}, "Loader": loader})
        executor.run()
        assert executor.status.events[0].context["durability"] == "power"
        with pytest.raises(ConfigError, match="durability"):
            Executor({"Run": {"durability": "eternal"}, "Loader": loader})

    @pytest.mark.parametrize("option", ["durability", "access", "on_write_error"])
    def test_another_word_is_refused_with_those_that_there_are(self, option):
        with pytest.raises(UsageError, match=f"{option} is 'some'; it is one of ") as caught:
            Status(**{option: "some"})
        assert caught.value.key == option

    @pytest.mark.skipif(not Path("/usr/bin/strace").exists(), reason="no strace")
    @pytest.mark.parametrize(("level", "most"), [("process", 0), ("power", None)])
    def test_each_line_is_synced_before_the_call_returns_or_none_is(self, root, tmp_path, level, most):
        code = (
            "import os, sys\nfrom runfolio import Status\n"
            f"status = Status(root={str(root)!r}, durability={level!r})\n"
            "for n in range(5):\n    status.record_change('UPDATE', str(n)); os.write(1, b'acknowledged\\n')\n"
            "status.store_result('report', {'a': 1}); status.complete()"
        )
        log = tmp_path / "calls"
        calls = "trace=write,fsync,fdatasync,rename,renameat,renameat2"
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-e", calls, sys.executable, "-c", code], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"strace can't trace here: {done.stderr[:200]!r}")
        names = [line.split(maxsplit=1)[1].split("(")[0] for line in log.read_text().splitlines() if "(" in line]
        if most is not None:
            assert names.count("fsync") + names.count("fdatasync") == most
            return
        lines = log.read_text().splitlines()
        acknowledged = [number for number, line in enumerate(lines) if "acknowledged" in line]
        assert len(acknowledged) == 5
        for number in acknowledged:
            assert "fdatasync(" in lines[number - 1] and "write(" in lines[number - 2]
        for number, line in enumerate(lines):
            if "rename" in line:
                assert "fsync(" in lines[number - 1] and "fsync(" in lines[number + 1], "a file, its name, its folder"
