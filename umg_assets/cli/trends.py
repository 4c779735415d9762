"""Plays by day and market, and growth between two months, as rows for people: needs no engine and no Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.calendar import days_between, month_of, months_before, next_month
from umg_assets.cli.nothing import NothingToShowError, why_no_artist, why_no_play_counts
from umg_assets.resources.reading import partition_values, query, read_table
from umg_assets.resources.trends import Grown, growth, plays_by_day
from umg_assets.tables import CRITERIA, Criterion

DAY_COLUMNS = ("play_date", "country", "plays", "streams", "listening_minutes")
GROWTH_COLUMNS: dict[Grown, tuple[str, ...]] = {
    "tracks": ("rank", "title", "artist_name", "before", "after", "change", "change_percent"),
    "artists": ("rank", "artist_name", "before", "after", "change", "change_percent"),
}
_MS_A_MINUTE = 60_000


def grown_of(name: str) -> Grown:
    """What grows, by its name. Raises ValueError that lists what there is."""
    for known in GROWTH_COLUMNS:
        if name.lower() in (known, known[:-1]):
            return known
    raise ValueError(f"expected one of {', '.join(GROWTH_COLUMNS)}, got {name!r}")


def plays_of_days(home: Path, markets: Sequence[str], first: date | None, last: date | None) -> list[dict[str, Any]]:
    """Plays by day and market: DAY_COLUMNS, a row for each day from first to last and each market, 0 plays included.

    markets: none for all that have plays then, country None among them. first, last: None for the first and the last
    day with plays. Raises NothingToShowError naming the days and markets that have plays.
    """
    days = [date.fromisoformat(day) for day in partition_values(home, tables.DAILY_TRACK_PLAYS, "play_date")]
    if not days:
        raise NothingToShowError(f"no plays yet: {why_no_play_counts(home)}")
    begin, end = first or min(days[0], last or days[0]), last or max(days[-1], first or days[-1])
    found = query(home, plays_by_day(begin, end, markets), tables.DAILY_TRACK_PLAYS).to_pylist()
    by_key = {(row["play_date"], row["country"]): row for row in found}
    seen = [*dict.fromkeys(row["country"] for row in found)]
    if missing := [market for market in markets if market not in seen] or ([] if found else ["any market"]):
        known = sorted({row["country"] or "no market" for row in _of_all_days(home, days)})
        raise NothingToShowError(
            f"no plays of {', '.join(missing)} from {begin} to {end}: there are plays of {', '.join(known)} "
            f"from {days[0]} to {days[-1]}"
        )
    shown = days_between(max(begin, days[0]), min(end, days[-1]))
    countries = sorted(seen, key=lambda country: (country is None, country))
    nothing = {"plays": 0, "streams": 0, "listening_ms": 0}
    rows = [
        {**nothing, **by_key.get((day, country), {}), "play_date": day, "country": country}
        for day in shown
        for country in countries
    ]
    return [{**row, "listening_minutes": _minutes(row["listening_ms"])} for row in rows]


def _of_all_days(home: Path, days: list[date]) -> list[dict[str, Any]]:
    return query(home, plays_by_day(days[0], days[-1]), tables.DAILY_TRACK_PLAYS).to_pylist()


def _minutes(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else round(milliseconds / _MS_A_MINUTE)


@dataclass(frozen=True)
class Growth:
    """What grew between two months: rows of GROWTH_COLUMNS, track_id or artist_id.

    before, after: first days of the months. since: the first play date counted in the earlier one, through: the last
    one in the later one. Values are of the criterion, listening_time in minutes; change_percent is None where nothing
    was played before.
    """

    rows: list[dict[str, Any]]
    before: date
    after: date
    since: date
    through: date


def grown(
    home: Path,
    of: Grown,
    market: str | None,
    months: tuple[date | None, date | None],
    criterion: Criterion,
    falling: bool = False,
    size: int = 20,
) -> Growth:
    """The tracks or artists that grew (falling: fell) most between two months in a market, or over all of them.

    months: the earlier and the later one; None: the month before the later one, and the last complete month that has
    one before it. Raises NothingToShowError naming the months and markets that have plays, and ValueError for two
    months in the wrong order, and for listeners where they are no sum: of artists, and over all markets.
    """
    if criterion == "listeners" and (of == "artists" or market is None):
        raise ValueError("listeners are counted for tracks in a market: expected --market, and --of tracks")
    known = [date.fromisoformat(month) for month in partition_values(home, tables.MONTHLY_TRACK_PLAYS, "month")]
    if not known:
        raise NothingToShowError(f"no plays yet: {why_no_play_counts(home)}")
    days = [date.fromisoformat(day) for day in partition_values(home, tables.PLAYS, "play_date")]
    after = months[1] or (next_month(months[0]) if months[0] else _last_complete(known, days[-1]))
    before = months[0] or months_before(after, 2)[0]
    if before >= after:
        raise ValueError(f"expected an earlier month than {after:%Y-%m} to compare it with, got {before:%Y-%m}")
    if missing := [month for month in (before, after) if month not in known]:
        there = ", ".join(f"{month:%Y-%m}" for month in known)
        raise NothingToShowError(
            f"no plays in {', '.join(f'{month:%Y-%m}' for month in missing)}: there are plays in {there}"
        )
    sql = growth(of, before, after, market, CRITERIA[criterion], falling, size)
    rows = query(home, sql, tables.MONTHLY_TRACK_PLAYS, tables.TRACKS).to_pylist()
    if not rows:
        raise NothingToShowError(_nothing_grew(home, of, market, before, after, criterion, falling))
    return Growth(
        [_grown_row(row, rank, of, criterion) for rank, row in enumerate(rows, 1)],
        before,
        after,
        min(day for day in days if month_of(day) == before),
        max(day for day in days if month_of(day) == after),
    )


def _last_complete(months: list[date], newest: date) -> date:
    """The last month that has ended before the newest play and has one before it; else the last one of all."""
    ended = [month for month in months if next_month(month) <= newest + timedelta(days=1)]
    comparable = [month for month in ended if months_before(month, 2)[0] in months]
    return comparable[-1] if comparable else months[-1]


def _grown_row(row: dict[str, Any], rank: int, of: Grown, criterion: Criterion) -> dict[str, Any]:
    before, after, change = row["value_before"], row["value_after"], row["change"]
    minutes = criterion == "listening_time"
    values = [round(value / _MS_A_MINUTE) if minutes else value for value in (before, after, change)]
    named = {"title": row["title"] or row["id"]} if of == "tracks" else {}
    percent = round(100 * change / before, 1) if before else None
    return {
        "rank": rank,
        f"{of[:-1]}_id": row["id"],
        "artist_name": row["artist_name"],
        **named,
        **dict(zip(("before", "after", "change"), values, strict=True)),
        "change_percent": percent,
    }


def _nothing_grew(
    home: Path, of: Grown, market: str | None, before: date, after: date, criterion: Criterion, falling: bool
) -> str:
    """Why nothing grew: no plays in the market, no value of the criterion, no artist, or no change that way."""
    way, where = "fell" if falling else "grew", market or "all markets"
    what = f"no {of[:-1]} {way} by {criterion} in {where} from {before:%Y-%m} to {after:%Y-%m}"
    rows = read_table(
        home, tables.MONTHLY_TRACK_PLAYS, [("month", "in", [before, after])], ["country", CRITERIA[criterion]]
    ).to_pylist()
    here = [row[CRITERIA[criterion]] for row in rows if market in (None, row["country"])]
    if not here:
        markets = sorted({row["country"] or "no market" for row in rows})
        return f"{what}: there are plays of {', '.join(markets)}"
    if not any(here):
        return f"{what}: no play has the data for it; try --criterion plays"
    if of == "artists" and (why := why_no_artist(home)):
        return f"{what}: {why}"
    return f"{what}: what was played in both has not changed that way; {'leave out' if falling else 'try'} --falling"
