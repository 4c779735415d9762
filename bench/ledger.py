"""`python -m bench.ledger` (`make bench-ledger`): what a ledger of so many files costs to read, to plan from, to ask.

The ledgers are made up: each day a number of files land, plays of the day and the day before, and one of ten files
brings plays up to 28 days late. Older days are compacted, as once a week; those of the last day lie as they landed, in
chunks of 200 files. Each step is a process of its own. docs/scale.md has the figures.
"""

import hashlib
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import deltalake
import numpy as np
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from bench.measuring import measure
from umg_assets import tables
from umg_assets.resources.ledger_rows import SCHEMA
from umg_assets.resources.schema import create_table

FIRST = date(2023, 1, 1)
CHUNK = 200
"""Files in one commit of a landing."""
STEPS = {
    "first": "read all of it, once (no snapshot)",
    "read": "read: snapshot and what came after",
    "plan": "read and plan the newest day, late plays with it",
    "status": "read, health, rows by day",
    "scan": "read, and look up the files of 7 days",
}
_INSTANT = 1_672_531_200_000_000
"""FIRST in microseconds."""


def main(
    files: Annotated[str, typer.Option(help="Files of each ledger.")] = "1_100_000,10_000_000",
    per_day: Annotated[str, typer.Option(help="Files a day of each ledger.")] = "1_000,10_000",
    home: Annotated[Path | None, typer.Option(help="Where ledgers are kept; default: nowhere.")] = None,
) -> None:
    """Makes ledgers up and prints cpu seconds and peak memory of each step."""
    console = Console(stderr=True)
    sizes = [(int(number), int(a_day)) for number, a_day in zip(files.split(","), per_day.split(","), strict=True)]
    with tempfile.TemporaryDirectory(prefix="umg-bench-") as folder:
        for number, a_day in sizes:
            place = (home or Path(folder)) / f"{number}"
            if not place.exists():
                console.print(f"making a ledger of {number:,} files up")
                make_ledger(place, number // a_day, a_day)
            table = Table("step", title=f"{number:,} files, {a_day:,} a day")
            for heading in ("cpu s", "wall s", "peak MB"):
                table.add_column(heading, justify="right")
            for step, title in STEPS.items():
                used = measure([sys.executable, "-m", "bench.ledger_steps", step, str(place), str(a_day)])
                table.add_row(title, f"{used.cpu_s:.1f}", f"{used.wall_s:.1f}", f"{used.peak_mb:,.0f}")
            Console().print(table)


def make_ledger(home: Path, days: int, a_day: int) -> None:
    """A ledger of so many days, with the same number of files a day, staged and landed."""
    path = home / "tables" / tables.DELIVERIES.name
    create_table(path, tables.DELIVERIES)
    for number in range(days - 1):
        deltalake.write_deltalake(path, pa.concat_tables(_commits(number, a_day)), mode="append")
    deltalake.DeltaTable(path).optimize.compact()
    for rows in _commits(days - 1, a_day):
        deltalake.write_deltalake(path, rows, mode="append")


def path_of(day: date, file: int) -> str:
    """The path of a file of a made-up ledger."""
    return f"plays/{day}/part-{file:05d}.json.gz"


def _commits(number: int, a_day: int) -> list[pa.Table]:
    """The commits of a day: chunk by chunk, its files staged and then landed."""
    day, rows = FIRST + timedelta(days=number), []
    for first in range(0, a_day, CHUNK):
        of_chunk = range(first, min(first + CHUNK, a_day))
        begun = 2 * (number * a_day + first) + 1
        for state, sequence in (("staged", begun), ("landed", begun + len(of_chunk))):
            rows.append(_rows(day, number + 1, of_chunk, state, sequence))
    return rows


def _rows(day: date, generation: int, files: range, state: str, sequence: int) -> pa.Table:
    size = len(files)
    before = day - timedelta(days=1)
    late = [day - timedelta(days=2 + file % 27) if file % 10 == 0 else None for file in files]
    names = [hashlib.sha256(f"{day}{file}".encode()).hexdigest() for file in files]
    columns = {
        "sequence": np.arange(sequence, sequence + size),
        "state": [state] * size,
        "source": ["plays"] * size,
        "path": [path_of(day, file) for file in files],
        "signature": [f"104857600-{_INSTANT}{name[:3]}-{_INSTANT}{name[3:6]}-{name[:6]}" for name in names],
        "content_hash": names,
        "definition_hash": ["5" * 64 + "-Europe/Berlin-2023-01-01-30"] * size,
        "delivery_date": [day] * size,
        "records": [50_000] * size,
        "landed": [49_990] * size,
        "filtered": [0] * size,
        "quarantined": [[("bad_time", 10)]] * size,
        "rows_by_play_date": [
            [(f"{day}", 44_000), (f"{before}", 5_950), *([(f"{other}", 40)] if other else [])] for other in late
        ],
        "repeats": [[f"{before}/{day}"] if file % 50 == 0 else [] for file in files],
        "play_dates": [[*([other] if other else []), before, day] for other in late],
        **dict.fromkeys(("chart_months", "window_dates", "chart_dates"), [[]] * size),
        "recorded_at": [_INSTANT + (generation * 86_400 + files[0] + (state == "landed")) * 1_000_000] * size,
        "generation": [generation] * size,
        "suppressed": [0] * size,
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


if __name__ == "__main__":
    typer.run(main)
