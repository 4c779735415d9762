"""Options that several commands share, and how their text is parsed."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, TypeVar

import typer

from umg_assets.calendar import parse_day, parse_month
from umg_assets.cli.console import Format

T = TypeVar("T")
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
CriterionOption = Annotated[str, typer.Option(help="plays, streams, listening_time or listeners (of tracks).")]
MarketsOption = Annotated[list[str], typer.Option("--market", help="Market, e.g. AT; again for several.")]
MonthOption = Annotated[str | None, typer.Option(help="YYYY-MM; default: the last one that has a chart.")]
DayOption = Annotated[str | None, typer.Option(help="Day on which the window ends; default: the last complete one.")]
SizeOption = Annotated[int | None, typer.Option("--top", min=1, help="Ranks to print; default: all.")]
RangeOption = Annotated[str | None, typer.Option("--range", metavar="A:B", help="Days YYYY-MM-DD, both included.")]


def parsed(parse: Callable[[str], T], text: str) -> T:
    """An option's text, parsed. A ValueError of `parse` becomes a usage error, exit code 2."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def day_of(text: str | None) -> date | None:
    """The day in YYYY-MM-DD; None for no text."""
    return parsed(parse_day, text) if text else None


def month_of(text: str | None) -> date | None:
    """The first day of the month in YYYY-MM; None for no text."""
    return parsed(parse_month, text) if text else None


def markets_of(texts: Sequence[str] | None) -> list[str]:
    """Market codes in capitals, each once: of options, each with one code or several with commas between them."""
    codes = [code.strip().upper() for text in texts or () for code in text.split(",")]
    return list(dict.fromkeys(code for code in codes if code))
