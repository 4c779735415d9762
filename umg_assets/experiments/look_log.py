"""The log of looks, table `readouts`: every look of an experiment once, even if several readouts are taken at once."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets import clock, tables
from umg_assets.resources.appending import append_rows
from umg_assets.resources.locations import local_file
from umg_assets.resources.locks import exclusive
from umg_assets.resources.reading import TableMissingError, read_table
from umg_assets.statistics.looks import Look


class LookLog:
    """The looks of one experiment. To take looks, hold `lock()` from reading the log until they are appended."""

    def __init__(self, home: Path, experiment: str) -> None:
        self._home, self._experiment = home, experiment

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Makes other readouts of the experiment wait."""
        with exclusive(local_file(self._home, f".readouts_{self._experiment}.lock")):
            yield

    def read(self) -> list[Look]:
        """The looks taken so far, ordered by day; the first of each metric, treatment and day.

        Before readouts locked the log, two of them at once logged each look twice. The first spent the alpha.
        """
        rows = read_table(self._home, tables.READOUTS, [("experiment", "=", self._experiment)]).to_pylist()
        looks = [Look(**{**look, "day": date.fromisoformat(look["day"])}) for _, look in _first_looks(rows)]
        return sorted(looks, key=lambda look: look.day)

    def append(self, looks: Iterable[Look]) -> None:
        """Appends looks, in one commit."""
        rows = [
            {
                "experiment": self._experiment,
                "look": json.dumps(asdict(look) | {"day": look.day.isoformat()}),
                "definition_hash": look.definition_hash,
                "taken_at": clock.now(),
            }
            for look in looks
        ]
        if rows:
            append_rows(self._home, tables.READOUTS, rows)


def repeated_looks(home: Path) -> dict[str, int]:
    """Experiment = how many of its logged looks repeat an earlier one, and are not read; empty without a log."""
    try:
        rows = read_table(home, tables.READOUTS).to_pylist()
    except TableMissingError:
        return {}
    repeated = Counter(row["experiment"] for row in rows)
    repeated.subtract(experiment for experiment, _ in _first_looks(rows))
    return {experiment: count for experiment, count in sorted(repeated.items()) if count}


def _first_looks(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(experiment, look), in the order in which they were taken, without those that repeat an earlier one."""
    seen = set()
    for row in sorted(rows, key=lambda row: row["taken_at"]):
        look = json.loads(row["look"])
        key = row["experiment"], look["metric"], look["treatment"], look["day"]
        if key not in seen:
            seen.add(key)
            yield row["experiment"], look
