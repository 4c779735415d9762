"""Options that several commands share, and how their texts are read."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, TypeVar

import typer

from umg_assets.console import Format
from umg_assets.partitions import parse_day, parse_month

T = TypeVar("T")
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
CriterionOption = Annotated[str, typer.Option(help="plays, streams, listening_time or listeners (of tracks).")]
MarketOption = Annotated[str, typer.Option(help="Market, e.g. AT.")]
MonthOption = Annotated[str | None, typer.Option(help="YYYY-MM; default: the last one that has a chart.")]
DayOption = Annotated[str | None, typer.Option(help="Day on which the window ends; default: the last complete one.")]
SizeOption = Annotated[int | None, typer.Option("--top", min=1, help="Ranks to print; default: all.")]
RangeOption = Annotated[str | None, typer.Option("--range", metavar="A:B", help="Days YYYY-MM-DD, both included.")]


def parsed(parse: Callable[[str], T], text: str) -> T:
    """An option's text, parsed; one that cannot be is a wrong call, exit code 2."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def day_of(text: str | None) -> date | None:
    """A day, if given."""
    return parsed(parse_day, text) if text else None


def month_of(text: str | None) -> date | None:
    """A month's first day, if given."""
    return parsed(parse_month, text) if text else None
