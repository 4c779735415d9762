"""A track: its ranks and plays by month in each market."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from umg_assets import tables
from umg_assets.calendar import month_days, next_month
from umg_assets.dashboard.addresses import Ask, address, chart_address
from umg_assets.dashboard.figures import Few, Writer, guarded, month_text, seen_of
from umg_assets.dashboard.page import NotThereError, Page, Sheet
from umg_assets.dashboard.pages.charts import NAMES
from umg_assets.dashboard.pages.markets import FIGURES
from umg_assets.dashboard.pages.names import UNKNOWN
from umg_assets.dashboard.served import Rows, Served
from umg_assets.drawing.lines import series
from umg_assets.tables import CRITERIA, Criterion

COLUMNS = ("month", "market", "rank", "movement", "previous_rank", *FIGURES)
_Place = tuple[date, str]
"""A month and a market."""


def track(ask: Ask) -> Page:
    """A track: ranks and plays by month in each market, as pictures and as a table.

    It is there if it is on a chart, in the catalogue, or has been played. Raises NotThereError.
    """
    served, track_id = ask.served, ask.path["track_id"]
    criteria = [(NAMES[name], address("tracks", track_id, by=None if name == "plays" else name)) for name in CRITERIA]
    by: Criterion = ask.choice("by", {name: name for name in CRITERIA}, "plays", criteria)
    on_charts = _on_charts(served, track_id)
    figures = _figures(served, track_id)
    known = _known(served, track_id, on_charts)
    if known is None and not on_charts and not figures:
        links = [("Search for it", address("search", q=track_id)), ("Charts", address("charts"))]
        raise NotThereError(f"There is no track {track_id!r}: no chart has it, and no catalogue names it.", links)
    known = known or {"title": track_id, "artist_name": None, "genre": None}
    ranked = {(row["month"], row["market"]): row for row in on_charts if row["criterion"] == by}
    rows = _table(served, ranked, figures)
    months = _months(served)
    whole = [month for month in months if month_days([month])[-1] <= served.complete_through]
    markets = _markets(served)
    content = {
        **known,
        "track_id": track_id,
        "by": by,
        "criteria": [(words, target, words == NAMES[by]) for words, target in criteria],
        "rows": rows,
        "since": min(ranked, default=None),
        "best": min(ranked.values(), key=lambda row: (row["rank"], row["month"], row["market"]), default=None),
        "charts": _rank_pictures(served, ranked, months, markets, by),
        "off_charts": [market for market in served.months if market not in {market for _, market in ranked}],
        "plays": _plays_pictures(served, figures, whole, markets),
        "whole": whole,
        "running": months[-1] if months and months[-1] not in whole else None,
    }
    return Page("track.html", f"Track {known['title']}"[:120], content, [Sheet("months", COLUMNS, rows)])


def _on_charts(served: Served, track_id: str) -> Rows:
    """Each place that it has on a chart: month, market, criterion, rank, movement, previous_rank; in order."""
    return served.query(
        f"""select month, country as market, criterion, rank, movement, previous_rank
        from {served.relation(tables.CHART_MOVEMENTS)} where track_id = ? order by month, country""",
        track_id,
    )


def _figures(served: Served, track_id: str) -> dict[_Place, dict[str, Any]]:
    """By month and market, FIGURES; those of few listeners are hidden. Other countries than the markets and the
    unknown one are left out."""
    markets = served.definitions["markets"]
    rows = served.query(
        f"""select month, coalesce(country, '{UNKNOWN}') as market, {", ".join(FIGURES)}
        from {served.relation(tables.MONTHLY_TRACK_PLAYS)}
        where track_id = ? and (country is null or list_contains(?, country))""",
        track_id, markets,
    )  # fmt: skip
    withheld = served.withheld
    shown = guarded(
        rows,
        served.settings.minimum_listeners,
        FIGURES,
        lambda row: withheld.get((row["market"], row["month"])) == track_id,
    )
    return {(row["month"], row["market"]): row for row in shown}


def _known(served: Served, track_id: str, on_charts: Rows) -> dict[str, Any] | None:
    """title, artist_name, genre: as the catalogue has them, or else its newest chart; None where neither has it."""

    def rows_of(relation: str) -> Rows:
        wanted = "track_id, title, artist_name, genre"
        return served.query(f"select {wanted} from {relation} where track_id = ? limit 1", track_id)

    rows = rows_of(served.relation(tables.TRACKS))
    if not rows and on_charts:
        newest = on_charts[-1]
        rows = rows_of(served.relation(tables.TOP_TRACKS_BY_COUNTRY, month=newest["month"], country=newest["market"]))
    return {**rows[0], "genre": rows[0]["genre"] if seen_of(rows[0]["genre"] or "") else None} if rows else None


def _months(served: Served) -> list[date]:
    """Every month from the first that has a chart or plays to the newest."""
    found = {month for months in served.months.values() for month in months}
    found |= {
        date.fromisoformat(month)
        for file in served.files(tables.MONTHLY_TRACK_PLAYS)
        if (month := file.values["month"])
    }
    months = [min(found)] if found else []
    while months and months[-1] < max(found):
        months.append(next_month(months[-1]))
    return months


def _markets(served: Served) -> list[str]:
    markets = served.definitions["markets"]
    return [*markets, *(market for market in served.months if market not in markets), UNKNOWN]


def _table(
    served: Served, ranked: Mapping[_Place, Mapping[str, Any]], figures: Mapping[_Place, Mapping[str, Any]]
) -> Rows:
    order = {market: place for place, market in enumerate(_markets(served))}
    places = sorted(ranked.keys() | figures.keys(), key=lambda place: (-place[0].toordinal(), order[place[1]]))
    return [
        {
            **dict.fromkeys(COLUMNS),
            **dict(figures.get(place, {}).items()),
            **{name: value for name, value in ranked.get(place, {}).items() if name != "criterion"},
            "month": place[0],
            "market": place[1],
        }
        for place in places
    ]


def _rank_pictures(
    served: Served,
    ranked: Mapping[_Place, Mapping[str, Any]],
    months: Sequence[date],
    markets: Sequence[str],
    by: Criterion,
) -> list[tuple[str, str, str]]:
    """By market that ranks it, its newest chart's address and a picture of its ranks; all on one scale."""
    pictures, size = [], served.definitions["top_tracks"]
    for market in markets:
        ranks = [ranked[month, market]["rank"] if (month, market) in ranked else None for month in months]
        if any(ranks):
            points = [(month_text(month), rank) for month, rank in zip(months, ranks, strict=True)]
            said = ", ".join(f"{month} {rank or 'not on the chart'}" for month, rank in points)
            label = f"Rank in {market} by month: {said}"
            newest = max(month for month, of in ranked if of == market)
            target = chart_address(market, newest, by)
            pictures.append((market, target, series(points, label, lambda rank: f"{rank:.0f}", size, downwards=True)))
    return pictures


def _plays_pictures(
    served: Served, figures: Mapping[_Place, Mapping[str, Any]], months: Sequence[date], markets: Sequence[str]
) -> list[tuple[str, str]]:
    """By market that played it, a picture of its plays in whole months; all on one scale; hidden figures are gaps."""
    write = Writer(served.settings.numbers).number
    plays = {
        market: [figures.get((month, market), {"plays": 0})["plays"] for month in months]
        for market in markets
        if any((month, market) in figures for month in months)
    }
    highest = max((value for values in plays.values() for value in values if not isinstance(value, Few)), default=0)
    return [
        (
            market,
            series(
                [
                    (month_text(month), None if isinstance(value, Few) else value)
                    for month, value in zip(months, values, strict=True)
                ],
                f"Plays in {market} by month: "
                + ", ".join(f"{month_text(month)} {write(value)}" for month, value in zip(months, values, strict=True)),
                write,
                highest,
            ),
        )
        for market, values in plays.items()
    ]
