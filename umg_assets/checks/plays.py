"""Asset checks of plays and of their sums: known users and tracks, the usual volume, sums that hold every play."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import dagster as dg
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.checks.verdicts import SAMPLES, days_of, verdict, written_by
from umg_assets.partitions import days_between, local_today, month_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.reading import query
from umg_assets.settings import Settings
from umg_assets.transforms.plays import repeated_plays

KNOWN = {
    "known_users": (tables.USERS, "user_key", "known_users_percent"),
    "known_tracks": (tables.TRACKS, "track_id", "known_tracks_percent"),
}
"""By check, the table that has to know a play's column, and the setting of the least share."""
_FEWEST_WEEKS = 4
_NORMAL = 0.6745


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            name,
            asset=tables.PLAYS.name,
            description=f"Of each day's plays at least {setting} have their {column} in {table.name}. Reads what the "
            "run has written.",
        )
        for name, (table, column, setting) in KNOWN.items()
    ],
    can_subset=True,
)
def known_users_and_tracks(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], lakehouse: dg.ResourceParam[Lakehouse]
) -> Iterator[dg.AssetCheckResult]:
    """The share of plays whose user, and whose track, is known: what is not is in no chart of its age group, genre."""
    part, (first, last) = written_by(context.run, tables.PLAYS), days_of(context.run)
    plays = {day: count for day, count in _plays_by_day(lakehouse).items() if first <= day <= last}
    for name, (table, column, setting) in KNOWN.items():
        if dg.AssetCheckKey(dg.AssetKey(tables.PLAYS.name), name) not in context.selected_asset_check_keys:
            continue
        least = getattr(settings.thresholds, setting) if settings.sources.of(_kind(table)) else 0
        # the small side stands left, where DataFusion builds its hash table
        known = f"(select distinct {column} from {table.name}) as known"
        unknown = f"from {known} right anti join {tables.PLAYS.name} using ({column}) where {part}"
        by_day = f"select play_date, count(*) as unknown {unknown} group by play_date"
        by_key = (
            f"select {column}, count(*) as plays, min(play_date) as first_day, max(play_date) as last_day {unknown} "
            f"group by {column} order by plays desc, {column} limit {SAMPLES}"
        )
        days = query(lakehouse.home, by_day, tables.PLAYS, table).to_pylist()
        lost = {day["play_date"]: day["unknown"] for day in days}
        under = sorted(day for day, count in plays.items() if (count - lost.get(day, 0)) * 100 < least * count)
        samples = query(lakehouse.home, by_key, tables.PLAYS, table).to_pylist() if under else []
        total = sum(plays.values())
        there = total - sum(lost.values())
        yield verdict(
            not under,
            expected=f"at least {least} % of each day's plays",
            seen=f"{there} of {total} plays ({100 * there / total if total else 100:.1f} %) have their {column} in "
            f"{table.name}; {len(under)} of {len(plays)} days have less",
            todo=f"look whether a delivery of {_kind(table)} is missing; the limit is `thresholds.{setting}` "
            "in umg.toml",
            samples=samples,
            asset=tables.PLAYS.name,
            check=name,
            days_under=", ".join(day.isoformat() for day in under[:SAMPLES]),
        )


def _kind(table: tables.Table) -> tables.Kind:
    return "users" if table is tables.USERS else "tracks"


class Volume(NamedTuple):
    """A day's plays beside the same weekday of the weeks before: their median, and the robust z-score."""

    day: date
    plays: int
    median: float
    score: float


def robust_score(value: float, before: Sequence[float]) -> float:
    """The modified z-score of a value: 0.6745 (value - median) / MAD, MAD the median absolute deviation of `before`.

    Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, who take 3.5 and more for an outlier; 0.6745 is the
    upper quartile of the standard normal distribution, so that of normal values the score is a z-score. Counts vary by
    chance alone: a MAD below that of a Poisson count (0.6745 times the median's square root; of 0 as of 1) counts as
    that one, and equal weeks do not make every other count an outlier.
    """
    median = statistics.median(before)
    spread = statistics.median(abs(one - median) for one in before)
    return _NORMAL * (value - median) / max(spread, _NORMAL * max(median, 1) ** 0.5)


def volumes(plays: Mapping[date, int], days: Sequence[date], weeks: int) -> list[Volume]:
    """The days that have the same weekday of at least 4 weeks before them, of `weeks` at most, since plays began."""
    begun = min(plays, default=date.max)
    found = []
    for day in days:
        earlier = [day - timedelta(weeks=count) for count in range(1, weeks + 1)]
        before = [plays.get(one, 0) for one in earlier if one >= begun]
        if len(before) >= _FEWEST_WEEKS:
            found.append(
                Volume(day, plays.get(day, 0), statistics.median(before), robust_score(plays.get(day, 0), before))
            )
    return found


@dg.asset_check(asset=tables.PLAYS.name, blocking=False)
def usual_volume(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], lakehouse: dg.ResourceParam[Lakehouse]
) -> dg.AssetCheckResult:
    """A day's plays are not far from those of the same weekday before, by a robust z-score. Complete days only.

    Reads the numbers of rows in the table's log, no data.
    """
    limits, plays = settings.thresholds, _plays_by_day(lakehouse)
    first, last = days_of(context.run)
    newest = local_today(settings.time_zone) - timedelta(days=1)
    days = days_between(max(first, min(plays, default=newest)), min(last, newest))
    judged = volumes(plays, days, limits.volume_weeks)
    off = sorted((one for one in judged if abs(one.score) > limits.volume_score), key=lambda one: -abs(one.score))
    return verdict(
        not off,
        expected=f"a robust z-score of at most {limits.volume_score:g} against the same weekday of {_FEWEST_WEEKS} to "
        f"{limits.volume_weeks} weeks before",
        seen=f"{len(off)} of {len(judged)} days are further off",
        todo="look whether a delivery is missing or came twice; a holiday or a release is no fault",
        samples=[{**one._asdict(), "score": round(one.score, 1)} for one in off],
    )


def _plays_by_day(lakehouse: Lakehouse) -> dict[date, int]:
    return {date.fromisoformat(day): rows for (day,), rows in lakehouse.rows(tables.PLAYS).items() if rows}


def _sums_check(table: tables.Table) -> dg.AssetChecksDefinition:
    period = table.partitioned_by[0]

    @dg.asset_check(
        name="sums_hold_every_play",
        asset=table.name,
        blocking=True,
        description=f"The plays summed up by {period} are the rows of plays. Reads one column of what the run has "
        "written, and the numbers of rows in the log of plays.",
    )
    def sums_hold_every_play(
        context: dg.AssetCheckExecutionContext, lakehouse: dg.ResourceParam[Lakehouse]
    ) -> dg.AssetCheckResult:
        first, last = days_of(context.run)
        part = written_by(context.run, table)
        summed = query(
            lakehouse.home, f"select {period}, sum(plays) as n from {table.name} where {part} group by {period}", table
        )
        sums = {row[period]: row["n"] for row in summed.to_pylist()}
        rows: dict[date, int] = {}
        for day, count in _plays_by_day(lakehouse).items():
            of = day if period == "play_date" else month_of(day)
            if first <= of <= last:
                rows[of] = rows.get(of, 0) + count
        differing = sorted(one for one in {*sums, *rows} if sums.get(one, 0) != rows.get(one, 0))
        return verdict(
            not differing,
            expected=f"{sum(rows.values())} plays, as plays has rows",
            seen=f"{sum(sums.values())} plays summed up; {len(differing)} of {len({*sums, *rows})} differ",
            todo=f"materialize these partitions of {table.name} again; `umg reconcile` says which rows differ",
            samples=[{period: one, "summed": sums.get(one, 0), "rows of plays": rows.get(one, 0)} for one in differing],
            severity=dg.AssetCheckSeverity.ERROR,
        )

    return sums_hold_every_play


SUM_CHECKS = [_sums_check(table) for table in (tables.DAILY_TRACK_PLAYS, tables.MONTHLY_TRACK_PLAYS)]


@dg.asset_check(asset="plays", blocking=False)
def play_id_repeated_beyond_the_window(
    settings: dg.ResourceParam[Settings], lakehouse: dg.ResourceParam[Lakehouse]
) -> dg.AssetCheckResult:
    """No play_id stands on more than one day: within correction_days the later delivery wins, beyond them both stand.

    Reads play_id and play_date of all of plays, so it runs in its own job, not after each run.
    """
    repeated = repeated_plays(lakehouse.read(tables.PLAYS))
    total = repeated.agg(F.count(F.lit(1)).alias("plays")).collect()[0]["plays"]
    samples = repeated.orderBy("play_id").limit(SAMPLES).collect() if total else []
    return verdict(
        not total,
        expected=f"each play_id on one day, or corrected within {settings.correction_days} days",
        seen=f"{total} play_ids stand on several days, more than {settings.correction_days} days apart",
        todo="ask the exporter whether it gives ids anew; with a larger correction_days the later one wins",
        samples=[row.asDict() for row in samples],
        play_ids=total,
    )
