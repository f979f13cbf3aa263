"""Record a pipeline over the Palmer penguins: load, clean, derive, split, summarise.

Data: 344 penguins as collected (17 columns with dates, gaps and free text) by Dr. Kristen Gorman and the Palmer Station
Antarctica LTER, released under CC0.

    python examples/penguins.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from runfolio import Status

DATA = Path(__file__).with_name("penguins-raw.csv")


def load(path: Path) -> pd.DataFrame:
    """Read the file as it was collected, dates as dates."""
    return pd.read_csv(path, parse_dates=["Date Egg"])


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    """Keep the penguins that were measured, under short names."""
    names = {
        "Species": "species",
        "Island": "island",
        "Date Egg": "date_egg",
        "Culmen Length (mm)": "bill_length",
        "Culmen Depth (mm)": "bill_depth",
        "Flipper Length (mm)": "flipper_length",
        "Body Mass (g)": "body_mass",
        "Sex": "sex",
        "Comments": "comments",
    }
    return raw[list(names)].rename(columns=names).dropna(subset=["bill_length", "body_mass"])


def derive(penguins: pd.DataFrame) -> pd.DataFrame:
    """Shorten the species, and add the ratio of the bill and the year."""
    return penguins.assign(
        species=penguins["species"].str.extract(r"^(\w+)", expand=False),
        body_mass=penguins["body_mass"].astype("int64"),
        bill_ratio=penguins["bill_length"] / penguins["bill_depth"],
        year=penguins["date_egg"].dt.year,
    )


def split(penguins: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Set a fifth aside for validation."""
    validation = penguins.sample(frac=0.2, random_state=7)
    return {"train": penguins.drop(validation.index), "validation": validation}


def summarise(train: pd.DataFrame) -> pd.DataFrame:
    """Means by species."""
    return train.groupby("species")[["bill_ratio", "flipper_length", "body_mass"]].mean().round(2)


def main() -> None:
    """Run the pipeline, each step recorded, and show the folder."""
    with Status(name="penguins", tags=["example"]) as status:
        with status.step("Loader", "penguins") as step:
            raw = step.result(load(DATA))
        with status.step("Preprocessor", "clean", data=raw) as step:
            cleaned = step.result(clean(raw))
        with status.step("Preprocessor", "derive", data=cleaned) as step:
            derived = step.result(derive(cleaned))
        with status.step("Splitter", "fifth", data=derived) as step:
            parts = step.result(split(derived))
        with status.step("Reporter", "means", data=parts["train"]) as step:
            summary = step.result(summarise(parts["train"]))

    print(summary, end="\n\n")
    folder = status.folder
    assert folder is not None
    print(f"{folder.parent.name}/{folder.name}/")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(folder)}  ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
