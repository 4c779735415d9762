"""`python -m bench` (`make bench`): measures, prints a table and writes JSON. It asserts nothing about seconds."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.cases import DUCKDB, PYSPARK, Line, Sizes, new_day, whole_history
from bench.comparing import SidesDifferError
from bench.dashboard import Figure, dashboard
from bench.measuring import CommandFailedError
from bench.report import show, show_dashboard, write_json

_SIDES = {"a": DUCKDB, "b": PYSPARK}


def bench(
    plays: Annotated[int, typer.Option(help="Clean plays of the whole history.")] = 300_000,
    days: Annotated[int, typer.Option(help="Its days.")] = 120,
    only: Annotated[
        str,
        typer.Option(
            help="a: against DuckDB; b: against PySpark; c: a new day; d: the lakehouse's memory; e: the dashboard."
        ),
    ] = "a,b,c,d,e",
    histories: Annotated[str, typer.Option(help="c: days of history before the new day.")] = "120,480",
    chart_days: Annotated[int, typer.Option(help="e: days of artists' charts, 3,600 rows each.")] = 1_000,
    json: Annotated[Path, typer.Option(help="Where the figures are written.")] = Path("bench_results.json"),
) -> None:
    """Measures the lakehouse, each side in a separate process, in one run: read the ratios, not the seconds."""
    cases = {case.strip() for case in only.split(",")}
    if unknown := cases - set("abcde"):
        raise typer.BadParameter(f"expected some of a,b,c,d,e, got {', '.join(sorted(unknown))}", param_hint="--only")
    sizes = Sizes(plays, days, tuple(int(length) for length in histories.split(",")))
    progress = Console(stderr=True)
    lines: list[Line] = []
    figures: list[Figure] = []
    try:
        with tempfile.TemporaryDirectory(prefix="umg-bench-") as folder, progress.status("") as status:
            if cases & set("abd"):
                sides = [side for case, side in _SIDES.items() if case in cases]
                lines += whole_history(Path(folder), sizes, sides, status.update)
            if "c" in cases:
                lines += new_day(Path(folder), sizes, status.update)
            if "e" in cases:
                figures = dashboard(Path(folder), chart_days, status.update)
    except (SidesDifferError, CommandFailedError) as error:
        progress.print(f"bench: {error}", style="bold red", markup=False)
        sys.exit(1)
    if lines:
        show(lines, sizes, Console())
    if figures:
        show_dashboard(figures, chart_days, Console())
    write_json(lines, sizes, json, figures)


if __name__ == "__main__":
    typer.run(bench)
