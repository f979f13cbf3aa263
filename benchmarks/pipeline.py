"""What recording a pipeline costs: `examples/flights.yaml` by the Executor, and its calls alone, in the same order."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "examples"
ALONE = "the same calls, nothing recorded"
BY_HAND = "the same calls, each result by `to_parquet` and SHA-256"


def measure(sizes: Any, folder: Path) -> list[Any]:
    """The whole pipeline, loading included, without the Reporter, which asks for the run."""
    from measure import pair, timed

    config = _config(sizes.flights)
    what = f"examples/flights.yaml, {sizes.flights:,} rows x 19, 9 steps"
    ours = timed(lambda: _recorded(config, folder))
    sides = ((ALONE, timed(lambda: _alone(config, None))), (BY_HAND, timed(lambda: _alone(config, folder))))
    return [
        pair("pipeline", what, limit, unit="s", batches=sizes.flight_batches, ours=ours, theirs=theirs, bound=None)
        for limit, theirs in sides
    ]


def _config(rows: int) -> dict[str, Any]:
    import yaml

    sys.path.insert(0, str(EXAMPLES))
    import flights

    config: dict[str, Any] = yaml.safe_load((EXAMPLES / "flights.yaml").read_text(encoding="utf-8"))
    del config["Reporter"]
    config["Loader"]["flights"]["method"] = lambda: flights.load().head(rows)
    return config


def _recorded(config: dict[str, Any], folder: Path) -> None:
    from runfolio import Executor

    with TemporaryDirectory(dir=folder) as root:
        executor = Executor(config, root=root)
        executor.run()
        assert executor.is_execution_completed()


def _alone(config: dict[str, Any], folder: Path | None) -> None:
    """Run the plan's calls depth first, and keep what a later one needs."""
    from runfolio import Executor

    plan = Executor(config).plan
    given: dict[int | None, Any] = {}
    with TemporaryDirectory(dir=folder) as files:
        for step in plan:
            data = given.get(step.parent)
            for call in step.calls:
                data = call.function(**({call.data: data} if call.data else {}), **call.parameters)
            given = {
                number: kept for number, kept in given.items() if number is not None and number <= (step.parent or 0)
            }
            given[step.number] = data
            if folder is not None:
                _store(data, Path(files), step.number)


def _store(data: Any, folder: Path, number: int) -> None:
    from hashlib import file_digest

    for name, frame in (data if isinstance(data, dict) else {"": data}).items():
        path = folder / f"{number}{name}.parquet"
        frame.to_parquet(path)
        with path.open("rb") as file:
            file_digest(file, "sha256")
