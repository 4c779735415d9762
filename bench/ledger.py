"""`python -m bench.ledger` (`make bench-ledger`): what a ledger of so many files costs to read, to plan from, to ask.

The ledgers are made up: each day a number of files land, plays of the day and the day before, and one of ten files
brings plays up to 28 days late. Older days are compacted, as once a week; those of the last day lie as they landed, in
chunks of 200 files; and so lie up to 9,900 files that landed after the snapshot was written. Each step is a process of
its own. docs/scale.md has the figures.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.measuring import measure

STEPS = {
    "first": "read all of it, once (no snapshot)",
    "read": "read: snapshot and what came after",
    "plan": "read and plan the newest day, late plays with it",
    "status": "read, health, rows by day",
    "scan": "read, and look up the files of 7 days",
}


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
            step = [sys.executable, "-m", "bench.ledger_steps", str(place), str(number // a_day), str(a_day)]
            if not place.exists():
                console.print(f"making a ledger of {number:,} files up")
                measure([*step, "make"])
            table = Table("step", title=f"{number:,} files, {a_day:,} a day")
            for heading in ("cpu s", "wall s", "peak MB"):
                table.add_column(heading, justify="right")
            for name, title in STEPS.items():
                used = measure([*step, name])
                if name == "first":
                    measure([*step, "land"])
                table.add_row(title, f"{used.cpu_s:.1f}", f"{used.wall_s:.1f}", f"{used.peak_mb:,.0f}")
            Console().print(table)


if __name__ == "__main__":
    typer.run(main)
