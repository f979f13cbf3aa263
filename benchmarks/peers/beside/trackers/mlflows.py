"""MLflow, with whichever store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

REQUIRES = ("mlflow", "pandas", "pyarrow")
SHOWN = ("mlflow", "pandas")
IMPORTS = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.file_store", "pandas", "pyarrow.parquet")
CALLS = {
    "log": "`mlflow.log_metric(name, number, step)`: a number, not a record",
    "store": "`mlflow.log_table(frame, key + '.parquet')`; `mlflow.load_table`",
    "load": "`mlflow.search_runs`; `MlflowClient.get_metric_history` of each run",
    "follow": "`MlflowClient.get_metric_history`, as fast as it goes",
}
METRIC, EXPERIMENT = "change", "peer"
MANY = 100_000


class Session:
    """The active run."""

    def __init__(self, mlflow: Any) -> None:
        self._mlflow = mlflow

    def log(self, number: int) -> None:
        """A number."""
        self._mlflow.log_metric(METRIC, float(number), number)

    def store(self, key: str, frame: Any) -> None:
        """Its table, as Parquet."""
        self._mlflow.log_table(frame, f"{key}.parquet")


class Store:
    """What a tracker's module has, for one store."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def _mlflow(self, folder: Path) -> Any:
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        import mlflow

        if mlflow.get_tracking_uri() != self._uri.format(folder):
            mlflow.set_tracking_uri(self._uri.format(folder))
        return mlflow

    def session(self, folder: Path, body: Callable[[Session], None], number: int = 0) -> None:
        """A run of the experiment."""
        mlflow = self._mlflow(folder)
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            mlflow.create_experiment(EXPERIMENT, f"file://{folder}/artifacts")
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=f"run-{number:06d}"):
            body(Session(mlflow))

    def make(self, folder: Path, number: int, records: int) -> None:
        """A past run: its records by one call, or it would take hours to make them."""
        from mlflow.entities import Metric

        mlflow = self._mlflow(folder)
        client = mlflow.MlflowClient()
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = client.create_experiment(EXPERIMENT) if found is None else found.experiment_id
        run = client.create_run(experiment, run_name=f"run-{number:06d}").info.run_id
        client.log_batch(run, [Metric(METRIC, float(n), 0, n) for n in range(1, records + 1)])
        client.set_terminated(run)

    def _runs(self, folder: Path) -> tuple[Any, list[str]]:
        mlflow = self._mlflow(folder)
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name(EXPERIMENT)
        ids: list[str] = []
        token = None
        while True:
            page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
            ids += [run.info.run_id for run in page]
            token = page.token
            if not token:
                return client, ids

    def count(self, folder: Path) -> int:
        """Its numbers."""
        return self.records(folder)

    def fetch(self, folder: Path, key: str) -> Any:
        """The table."""
        client, ids = self._runs(folder)
        return client.load_table(client.get_run(ids[0]).info.experiment_id, f"{key}.parquet", ids)

    def table(self, folder: Path) -> int:
        """The frame of all runs."""
        return len(self._mlflow(folder).search_runs(experiment_names=[EXPERIMENT], max_results=MANY))

    def records(self, folder: Path) -> int:
        """All numbers of all runs."""
        client, ids = self._runs(folder)
        return sum(len(client.get_metric_history(run, METRIC)) for run in ids)
