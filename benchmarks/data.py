"""The data that is measured with: frames of 15 mixed columns, and folders of ended runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from frames import frame
from msgspec import structs

from runfolio import Status, codec, layout


def ended_run(root: Path) -> Path:
    """A run of three steps that was recorded by runfolio and completed."""
    with Status(name="nightly", tags=["benchmark"], sequence=["Loader", "Clean", "Derive"], root=root) as status:
        data = frame(100)
        for module in ("Loader", "Clean", "Derive"):
            with status.step(module, "default") as step:
                data = step.result(data.assign(**{module.lower(): 1}))
    assert status.folder is not None
    return status.folder


def ended_runs(root: Path, template: Path, count: int) -> list[str]:
    """Copies of an ended run's `run.json` under so many run ids, a minute apart, and its journals; gives their paths.

    The journals are links, for a list of ended runs only looks how long they are.
    """
    paths = []
    manifest = codec.decode_manifest((template / layout.RUN_FILE).read_bytes())
    assert manifest.end_time is not None
    for number in range(count):
        start, end = (time + timedelta(minutes=number) for time in (manifest.start_time, manifest.end_time))
        folder = root / layout.new_run_id(start, manifest.name)
        folder.mkdir(parents=True)
        copy = structs.replace(manifest, run_id=folder.name, start_time=start, end_time=end)
        (folder / layout.RUN_FILE).write_bytes(codec.encode(copy))
        for journal in template.glob("*.jsonl"):
            (folder / journal.name).hardlink_to(journal)
        paths.append(str(folder / layout.RUN_FILE))
    return paths
