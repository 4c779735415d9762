"""`umg chart`: prints a chart, read directly from the Delta tables, without an engine or Dagster."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import typer

from umg_assets.cli.console import Format, err, is_wide, show
from umg_assets.cli.once import OnceGroup
from umg_assets.cli.options import (
    CriterionOption,
    DayOption,
    FormatOption,
    MarketsOption,
    MonthOption,
    SizeOption,
    day_of,
    markets_of,
    month_of,
    parsed,
)
from umg_assets.settings.home import home_of
from umg_assets.text import visible

_ALL = 1_000_000
_GROWN = 20
_SomeMarkets = Annotated[list[str] | None, typer.Option("--market", help="Market, e.g. AT; again for several.")]


class _ChartGroup(OnceGroup):
    """Says after each chart, and beside an error that there is none, what looks wrong: on standard error."""

    def invoke(self, ctx: Any) -> Any:
        from umg_assets.cli.nothing import NothingToShowError, signs_of
        from umg_assets.resources.reading import TableMissingError

        missing = None
        try:
            result = super().invoke(ctx)
        except (NothingToShowError, TableMissingError) as error:
            missing, result = error, None
        for sign in signs_of(home_of()):
            err.print(visible(f"look: {sign}"), soft_wrap=True)
        if missing:
            raise missing
        return result


chart_app = typer.Typer(cls=_ChartGroup, no_args_is_help=True, help="Print a chart, straight from the Delta tables.")


def _show_each(
    charts: Iterable[tuple[str, list[dict[str, Any]]]],
    shown: Callable[[list[dict[str, Any]]], Sequence[str]],
    columns: Sequence[str],
    form: Format,
) -> None:
    """Prints charts with their titles as tables, one below the other; or all of their rows as one CSV or JSON array.

    shown: from a chart's rows to the columns of its table. columns: those of CSV and JSON.
    """
    found = list(charts)  # of several charts that are asked for, one that is not there is an error: none is printed
    if form is not Format.TABLE:
        show([row for _, rows in found for row in rows], columns, form)
        return
    for title, rows in found:
        show(rows, shown(rows), form, title)


@chart_app.command("top-tracks")
def top_tracks(
    market: MarketsOption,
    month: MonthOption = None,
    criterion: CriterionOption = "plays",
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The top tracks of a month in a market."""
    from umg_assets.cli import charts

    by = parsed(charts.criterion_of, criterion)

    def chart(of_market: str) -> tuple[str, list[dict[str, Any]]]:
        found = charts.top_tracks(home_of(), of_market, month_of(month), by, size or _ALL)
        first = found.rows[0]
        return f"Top tracks by {by}, {of_market} {first['month']:%Y-%m} (through {found.data_through})", found.rows

    def fitting(rows: list[dict[str, Any]]) -> list[str]:
        columns = charts.CHART_COLUMNS if is_wide() else charts.NARROW_CHART_COLUMNS
        return [name for name in columns if any(row[name] is not None for row in rows)]

    columns = ("month", "country", "criterion", "track_id", *charts.CHART_COLUMNS)
    _show_each(map(chart, markets_of(market)), fitting, columns, form)


@chart_app.command("movements")
def movements(
    market: MarketsOption,
    month: MonthOption = None,
    criterion: CriterionOption = "plays",
    size: SizeOption = None,
    movement: Annotated[
        list[str] | None,
        typer.Option(help="Only new, re-entry, up, down or same; left: who is no longer on it; again for several."),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """How the chart of a month moved: up, down, new, re-entry, peak rank, months on the chart; and who left it."""
    from umg_assets.cli import charts

    by = parsed(charts.criterion_of, criterion)
    kinds = [parsed(charts.movement_of, name) for text in movement or () for name in text.split(",")]

    def chart(of_market: str) -> tuple[str, list[dict[str, Any]]]:
        rows = charts.movements(home_of(), of_market, month_of(month), by, size or _ALL, kinds)
        only = f", {' and '.join(kinds)}" if kinds else ""
        return f"Movements by {by}, {of_market} {rows[0]['month']:%Y-%m}{only} (* new, + re-entry)", rows

    columns = ("month", "country", "criterion", "track_id", "movement", *charts.MOVEMENT_COLUMNS[1:])
    _show_each(map(chart, markets_of(market)), lambda _: charts.MOVEMENT_COLUMNS, columns, form)


@chart_app.command("top-artists")
def top_artists(
    genre: Annotated[str, typer.Option(help="Genre, e.g. Pop.")],
    market: Annotated[
        list[str] | None, typer.Option(help="Market, e.g. AT; again for several; default: overall.")
    ] = None,
    day: DayOption = None,
    criterion: CriterionOption = "plays",
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The top artists of a genre over the 30 days (umg.toml: charts.top_artists_days) that end on a day."""
    from umg_assets.cli import charts

    by = parsed(charts.artists_criterion_of, criterion)

    def chart(where: str | None) -> tuple[str, list[dict[str, Any]]]:
        rows = charts.top_artists(home_of(), genre, where, day_of(day), by, size or _ALL)
        return f"Top artists by {by}, {rows[0]['genre']}, {where or 'overall'}, to {rows[0]['chart_date']}", rows

    columns = ("chart_date", "market", "genre", "criterion", "artist_id", *charts.ARTIST_COLUMNS)
    _show_each(map(chart, markets_of(market) or [None]), lambda _: charts.ARTIST_COLUMNS, columns, form)


@chart_app.command("favourites")
def favourites(
    age_group: Annotated[str, typer.Option(help="Age group, e.g. 18-24.")],
    day: DayOption = None,
    size: SizeOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """The most played tracks of an age group over the 14 days (charts.favourites_days) that end on a day."""
    from umg_assets.cli import charts

    rows = charts.favourites(home_of(), age_group, day_of(day), size or _ALL)
    title = f"Favourites of {age_group}, to {rows[0]['chart_date']}"
    columns = ("chart_date", "age_group", "track_id", *charts.FAVOURITE_COLUMNS)
    show(rows, charts.FAVOURITE_COLUMNS if form is Format.TABLE else columns, form, title)


@chart_app.command("plays")
def plays(
    market: _SomeMarkets = None,
    first: Annotated[str | None, typer.Option("--from", help="First day; default: the first one with plays.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day; default: the last one with plays.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Plays, streams and minutes by day and market; without --market: all markets, and plays without one."""
    from umg_assets.cli import trends

    begin, end = day_of(first), day_of(last)
    if begin and end and end < begin:
        raise typer.BadParameter(f"expected --from not after --to, got {begin} and {end}")
    rows = trends.plays_of_days(home_of(), markets_of(market), begin, end)
    title = f"Plays by day and market, {rows[0]['play_date']} to {rows[-1]['play_date']}"
    show(rows, trends.DAY_COLUMNS, form, title)


@chart_app.command("growth")
def growth(
    market: Annotated[
        list[str] | None, typer.Option(help="Market, e.g. AT; again for several; default: over all.")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--to", "--month", help="Later month, YYYY-MM; default: the last complete one.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--from", "--since", help="Earlier month, YYYY-MM; default: the one before it.")
    ] = None,
    of: Annotated[str, typer.Option(help="tracks or artists.")] = "tracks",
    criterion: CriterionOption = "plays",
    falling: Annotated[bool, typer.Option("--falling", help="What fell most.")] = False,
    size: Annotated[int, typer.Option("--top", min=1, help="Rows to print.")] = _GROWN,
    form: FormatOption = Format.TABLE,
) -> None:
    """The tracks or artists that grew most between two months, whether they are on a chart or not."""
    from umg_assets.cli import charts, trends

    by, kind = parsed(charts.criterion_of, criterion), parsed(trends.grown_of, of)
    months = month_of(before), month_of(month)

    def chart(where: str | None) -> tuple[str, list[dict[str, Any]]]:
        found = parsed(lambda _: trends.grown(home_of(), kind, where, months, by, falling, size), "")
        unit = ", in minutes" if by == "listening_time" else ""
        way = "that fell" if falling else "that grew"
        span = f"{found.before:%Y-%m} to {found.after:%Y-%m} (plays of {found.since} through {found.through})"
        title = f"{kind.capitalize()} {way} most by {by}{unit}, {where or 'all markets'}, {span}"
        common = {"month_before": found.before, "month": found.after, "market": where, "criterion": by}
        return title, [{**common, **row} for row in found.rows]

    columns = ("month_before", "month", "market", "criterion", f"{kind[:-1]}_id", *trends.GROWTH_COLUMNS[kind])
    _show_each(map(chart, markets_of(market) or [None]), lambda _: trends.GROWTH_COLUMNS[kind], columns, form)
