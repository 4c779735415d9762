"""Reports the measurements as a table for people and as JSON."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.cases import NEW_DAY, Line, Sizes
from bench.dashboard import Figure

FIGURES = ("wall_s", "cpu_s", "peak_mb", "read_mb")
_HEADINGS = ("wall s", "cpu s", "peak MB", "read MB")
_PACKAGES = ("dagster", "pysail", "pyspark", "duckdb", "deltalake")


def ratios(lines: Sequence[Line]) -> dict[str, dict[str, float]]:
    """The ratios of figures by `side / other side`: the lakehouse to each script, a longer history to the first."""
    first: dict[str, Line] = {}
    ratios_by_sides: dict[str, dict[str, float]] = {}
    for line in lines:
        over, under = first.setdefault(line.case, line), line
        if line.case == NEW_DAY:
            over, under = under, over
        if over is not under and over.measured and under.measured:
            ratios_by_sides[f"{over.side} / {under.side}"] = {
                name: round(getattr(over.measured, name) / getattr(under.measured, name), 2)
                for name in FIGURES
                if getattr(under.measured, name)
            }
    return ratios_by_sides


def show(lines: Sequence[Line], sizes: Sizes, console: Console) -> None:
    """Prints the figures of each side with the result of the comparison, and the ratios."""
    table = Table("case", "side", title=f"{sizes.plays:,} plays over {sizes.days} days, {os.cpu_count()} cores")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for line in lines:
        figures = [f"{getattr(line.measured, name):,.1f}" if line.measured else "-" for name in FIGURES]
        table.add_row(line.case, line.side, *figures)
    console.print(table)
    for line in lines:
        if line.note:
            console.print(f"{line.side}: {line.note}", soft_wrap=True)
    if by_sides := ratios(lines):
        table = Table("ratio", title="Ratios of this run")
        for heading in _HEADINGS:
            table.add_column(heading.split()[0], justify="right")
        for name, figures in by_sides.items():
            table.add_row(name, *(f"{figures[figure]:.2f}" if figure in figures else "-" for figure in FIGURES))
        console.print(table)


def show_dashboard(figures: Sequence[Figure], chart_days: int, console: Console) -> None:
    """Prints the dashboard's figures beside what is aimed at and beside Streamlit's, measured once over the demo."""
    rows = 3_600 * chart_days
    table = Table("dashboard", title=f"{rows:,} rows of artists' charts, {os.cpu_count()} cores")
    for heading in ("measured", "aim", "of the aim", "Streamlit", "ratio"):
        table.add_column(heading, justify="right")
    for figure in figures:
        unit = figure.unit
        measured = f"{figure.measured:,.1f} {unit}" if figure.measured is not None else "-"
        streamlit = f"{figure.streamlit:,.0f} {unit}" if figure.streamlit else "-"
        of = [_ratio(figure.measured, figure.aim), _ratio(figure.measured, figure.streamlit)]
        table.add_row(figure.name, measured, f"{figure.aim:,.0f} {unit}", of[0], streamlit, of[1])
    console.print(table)


def _ratio(over: float | None, under: float | None) -> str:
    return f"{over / under:.2f}" if over is not None and under else "-"


def write_json(lines: Sequence[Line], sizes: Sizes, file: Path, figures: Sequence[Figure] = ()) -> None:
    """Writes the same as JSON, with versions and cores of the machine."""
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sizes": asdict(sizes),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "lines": [asdict(line) for line in lines],
        "ratios": ratios(lines),
        "dashboard": [asdict(figure) for figure in figures],
    }
    file.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
