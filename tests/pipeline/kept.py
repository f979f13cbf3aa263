"""Modules of a pipeline that keep a ledger of their own, and get into trouble where they are told to.

When a call begins, a line of JSON goes to the file that KEPT_LEDGER names. KEPT_TROUBLE holds the key of a step and
what happens in it: `raise`, `kill` (SIGKILL), `interrupt` (Ctrl-C).
"""

from __future__ import annotations

import gc
import json
import os
import signal
import time
import weakref
from pathlib import Path

import pandas as pd

ALIVE: list[weakref.ref] = []
"""Every frame that a module here gave."""


def _begin(step, **told):
    if "KEPT_ALL" in os.environ:
        gc.collect()  # it takes as long as all else together
    alive = sum(ref() is not None for ref in ALIVE)
    line = {"key": step.key, "alive": alive, "time": time.time(), **told}
    with Path(os.environ["KEPT_LEDGER"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    key, _, how = os.environ.get("KEPT_TROUBLE", "").rpartition("=")
    if key == step.key:
        if how == "raise":
            raise ValueError("told to")
        if how == "interrupt":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
            signal.raise_signal(signal.SIGINT)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)


def _given(result):
    for frame in result.values() if isinstance(result, dict) else [result]:
        ALIVE.append(weakref.ref(frame))
    return result


def load(step, rows: int, start: int = 0):
    _begin(step)
    return _given(made(rows, start))


def made(rows, start):
    ages = [float(start + number) if number % 5 else None for number in range(rows)]
    return pd.DataFrame({"id": range(rows), "age": ages, "name": [f"n{number % 7}" for number in range(rows)]})


def drop_missing(data, step):
    _begin(step, rows=len(data))
    result = _given(dropped(data))
    data["age"] = 0.0  # what a module does to its input is nobody else's business
    return result


def dropped(data):
    return data.dropna(subset=["age"]).drop(columns="name")


def add_ratio(data, step, factor: float = 2.0):
    _begin(step, rows=len(data))
    return _given(with_ratio(data, factor))


def with_ratio(data, factor):
    return data.assign(age=data["age"].fillna(0).astype("int64"), ratio=data["id"] / factor)


def halve(data, step):
    _begin(step, rows=len(data))
    return _given(halves(data))


def halves(data):
    return {"train": data[: len(data) // 2], "validation": data[len(data) // 2 :]}


def fit(data, step, scale: int):
    _begin(step, parts=list(data), loaded=len(step.data("Loader")))
    with step.timed("inner"):
        return _given(fitted(data, scale))


def fitted(data, scale):
    return data["train"].assign(score=data["train"]["id"] * scale)


def describe(data, step):
    _begin(step, rows=len(data))
    return _given(described(data))


def described(data):
    return pd.DataFrame({"column": list(data.columns), "missing": data.isna().sum().to_list()})


def count_rows(data):
    return len(data)
