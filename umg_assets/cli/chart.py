"""`umg chart`: prints a chart, read directly from the Delta tables, without an engine or Dagster."""

from typing import Annotated

import typer

from umg_assets.cli.console import WIDE, Format, out, show
from umg_assets.cli.options import (
    CriterionOption,
    DayOption,
    FormatOption,
    MarketOption,
    MonthOption,
    SizeOption,
    day_of,
    month_of,
    parsed,
)
from umg_assets.settings.home import home_of

chart_app = typer.Typer(no_args_is_help=True, help="Print a chart, straight from the Delta tables.")
_ALL = 1_000_000


@chart_app.command("top-tracks")
def top_tracks(
    market: MarketOption,
    month: MonthOption = None,
    criterion: CriterionOption = "plays",
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The top tracks of a month in a market."""
    from umg_assets.cli import reports

    by = parsed(reports.criterion_of, criterion)
    chart = reports.top_tracks(home_of(), market.upper(), month_of(month), by, size or _ALL)
    first = chart.rows[0]
    title = f"Top tracks by {by}, {market.upper()} {first['month']:%Y-%m} (through {chart.data_through})"
    fitting = reports.NARROW_CHART_COLUMNS if out.width < WIDE else reports.CHART_COLUMNS
    fitting = tuple(name for name in fitting if any(row[name] is not None for row in chart.rows))
    columns = ("month", "country", "criterion", "track_id", *reports.CHART_COLUMNS)
    show(chart.rows, fitting if form is Format.TABLE else columns, form, title)


@chart_app.command("movements")
def movements(
    market: MarketOption,
    month: MonthOption = None,
    criterion: CriterionOption = "plays",
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """How the chart of a month moved: up, down, new, re-entry, peak rank, months on the chart."""
    from umg_assets.cli import reports

    by = parsed(reports.criterion_of, criterion)
    rows = reports.movements(home_of(), market.upper(), month_of(month), by, size or _ALL)
    title = f"Movements by {by}, {market.upper()} {rows[0]['month']:%Y-%m} (* new, + re-entry)"
    columns = ("month", "country", "criterion", "track_id", "movement", *reports.MOVEMENT_COLUMNS[1:])
    show(rows, reports.MOVEMENT_COLUMNS if form is Format.TABLE else columns, form, title)


@chart_app.command("top-artists")
def top_artists(
    genre: Annotated[str, typer.Option(help="Genre, e.g. Pop.")],
    market: Annotated[str | None, typer.Option(help="Market, e.g. AT; default: overall.")] = None,
    day: DayOption = None,
    criterion: CriterionOption = "plays",
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The top artists of a genre over the 30 days (umg.toml: charts.top_artists_days) that end on a day."""
    from umg_assets.cli import reports

    by = parsed(reports.artists_criterion_of, criterion)
    where = market.upper() if market else None
    rows = reports.top_artists(home_of(), genre, where, day_of(day), by, size or _ALL)
    title = f"Top artists by {by}, {rows[0]['genre']}, {where or 'overall'}, to {rows[0]['chart_date']}"
    columns = ("chart_date", "market", "genre", "criterion", "artist_id", *reports.ARTIST_COLUMNS)
    show(rows, reports.ARTIST_COLUMNS if form is Format.TABLE else columns, form, title)


@chart_app.command("favourites")
def favourites(
    age_group: Annotated[str, typer.Option(help="Age group, e.g. 18-24.")],
    day: DayOption = None,
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The most played tracks of an age group over the 14 days (charts.favourites_days) that end on a day."""
    from umg_assets.cli import reports

    rows = reports.favourites(home_of(), age_group, day_of(day), size or _ALL)
    title = f"Favourites of {age_group}, to {rows[0]['chart_date']}"
    columns = ("chart_date", "age_group", "track_id", *reports.FAVOURITE_COLUMNS)
    show(rows, reports.FAVOURITE_COLUMNS if form is Format.TABLE else columns, form, title)
