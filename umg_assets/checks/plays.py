"""Asset checks of plays and their sums: users and tracks are known, the volume is usual, sums include every play."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import dagster as dg
from pyspark.sql import Row
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.calendar import days_between, local_today, month_of
from umg_assets.checks.verdicts import SAMPLES, builds_assets, days_of, verdict, whole_table_check, written_by
from umg_assets.planning.history import History, delivery_days_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import query
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.transforms.plays import differing_copies, repeated_plays

KNOWN = {
    "known_users": (tables.USERS, "user_key", "known_users_percent"),
    "known_tracks": (tables.TRACKS, "track_id", "known_tracks_percent"),
}
"""By check: the table that must have the value of a play's column, the column, and the setting of the least share."""
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
    """The share of plays whose user, and whose track, is known. Others miss in charts by age group and by genre."""
    part, (first, last) = written_by(context.run, tables.PLAYS), days_of(context.run)
    plays = {day: count for day, count in _plays_by_day(lakehouse).items() if first <= day <= last}
    for name, (table, column, setting) in KNOWN.items():
        if dg.AssetCheckKey(dg.AssetKey(tables.PLAYS.name), name) not in context.selected_asset_check_keys:
            continue
        least = getattr(settings.thresholds, setting) if settings.sources.of(_kind(table)) else 0
        # DataFusion builds its hash table from the left side: the small one
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
        known_plays = total - sum(lost.values())
        yield verdict(
            not under,
            expected=f"at least {least} % of each day's plays",
            seen=f"{known_plays} of {total} plays ({100 * known_plays / total if total else 100:.1f} %) have their "
            f"{column} in {table.name}; {len(under)} of {len(plays)} days have less",
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
    """A day's plays, the median of the same weekday in the weeks before, and the robust z-score against those."""

    day: date
    plays: int
    median: float
    score: float


def robust_score(value: float, before: Sequence[float]) -> float:
    """The modified z-score of a value: 0.6745 (value - median) / MAD, MAD the median absolute deviation of `before`.

    Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, call 3.5 and more an outlier. 0.6745 is the upper
    quartile of the standard normal distribution, so for normal values the score is a z-score. Counts vary by chance:
    the MAD is at least that of a Poisson count (0.6745 times the square root of the median, of 1 if it is 0), so that
    a few equal weeks do not make every other count an outlier.
    """
    median = statistics.median(before)
    spread = statistics.median(abs(count - median) for count in before)
    return _NORMAL * (value - median) / max(spread, _NORMAL * max(median, 1) ** 0.5)


def volumes(plays: Mapping[date, int], days: Sequence[date], weeks: int) -> list[Volume]:
    """The volume of each day that has at least 4 and at most `weeks` earlier weeks to compare with since plays began.

    plays: by day; a day that is missing has none. days: those to judge. Days with fewer weeks are left out.
    """
    begun = min(plays, default=date.max)
    judged = []
    for day in days:
        earlier = [day - timedelta(weeks=count) for count in range(1, weeks + 1)]
        before = [plays.get(same_weekday, 0) for same_weekday in earlier if same_weekday >= begun]
        if len(before) >= _FEWEST_WEEKS:
            judged.append(
                Volume(day, plays.get(day, 0), statistics.median(before), robust_score(plays.get(day, 0), before))
            )
    return judged


@dg.asset_check(asset=tables.PLAYS.name, blocking=False)
def usual_volume(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], lakehouse: dg.ResourceParam[Lakehouse]
) -> dg.AssetCheckResult:
    """A day's plays are close to those of the same weekday before, by a robust z-score. Judges complete days only.

    Reads the row counts in the table's log, no data.
    """
    limits, plays = settings.thresholds, _plays_by_day(lakehouse)
    first, last = days_of(context.run)
    newest = local_today(settings.time_zone) - timedelta(days=1)
    days = days_between(max(first, min(plays, default=newest)), min(last, newest))
    judged = volumes(plays, days, limits.volume_weeks)
    off = sorted(
        (volume for volume in judged if abs(volume.score) > limits.volume_score), key=lambda volume: -abs(volume.score)
    )
    return verdict(
        not off,
        expected=f"a robust z-score of at most {limits.volume_score:g} against the same weekday of {_FEWEST_WEEKS} to "
        f"{limits.volume_weeks} weeks before",
        seen=f"{len(off)} of {len(judged)} days are further than {limits.volume_score:g} from the same weekday before",
        todo="look whether a delivery is missing or came twice; a holiday or a release is no fault",
        samples=[{**volume._asdict(), "score": round(volume.score, 1)} for volume in off],
    )


@dg.asset_check(asset=tables.PLAYS.name, blocking=False)
def copies_are_of_one_play(
    context: dg.AssetCheckExecutionContext, ledger: dg.ResourceParam[Ledger], lakehouse: dg.ResourceParam[Lakehouse]
) -> dg.AssetCheckResult:
    """Copies of a play_id on a day are of one user: else the id is unique per user only, and plays are lost.

    Reads the raw copies of those of the run's days on which there are more copies than plays.
    """
    first, last = days_of(context.run)
    history, plays = ledger.read(), _plays_by_day(lakehouse)
    copied = history.rows_by_day("plays").items()
    days = [day for day, copies in copied if first <= day <= last and copies > plays.get(day, 0) > 0]
    rows = _differing_copies(history, lakehouse, days) if days else []
    copies, users, tracks, times = (
        sum(row[name] for row in rows) for name in ("copies", "other_users", "other_tracks", "other_times")
    )
    return verdict(
        not users,
        expected="copies of a play_id that are of one user",
        seen=f"of {copies} copies of repeated play_ids {users} are of another user, {tracks} of another track and "
        f"{times} of another time than the first copy of their day",
        todo="only the last copy counts, the others are lost: make the id unique in umg.toml, e.g. "
        "play_id = \"concat(user, '-', id)\"",
        samples=[row.asDict() for row in rows if row["other_users"]],
        other_users=users,
        other_tracks=tracks,
        other_times=times,
    )


def _differing_copies(history: History, lakehouse: Lakehouse, days: list[date]) -> list[Row]:
    delivered = Slice.days("delivery_date", delivery_days_of(history, days))
    raw = lakehouse.read_now(tables.RAW_PLAYS, delivered).where(Slice.days("play_date", days).predicate)
    return differing_copies(raw).orderBy("play_date").collect()


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
            start = day if period == "play_date" else month_of(day)
            if first <= start <= last:
                rows[start] = rows.get(start, 0) + count
        differing = sorted(start for start in {*sums, *rows} if sums.get(start, 0) != rows.get(start, 0))
        return verdict(
            not differing,
            expected=f"{sum(rows.values())} plays, as plays has rows",
            seen=f"{sum(sums.values())} plays summed up; {len(differing)} of {len({*sums, *rows})} differ",
            todo=f"materialize these partitions of {table.name} again; `umg reconcile` says which rows differ",
            samples=[
                {period: start, "summed": sums.get(start, 0), "rows of plays": rows.get(start, 0)}
                for start in differing
            ],
            severity=dg.AssetCheckSeverity.ERROR,
        )

    return sums_hold_every_play


SUM_CHECKS = [_sums_check(table) for table in (tables.DAILY_TRACK_PLAYS, tables.MONTHLY_TRACK_PLAYS)]


@whole_table_check("plays")
def play_id_repeated_beyond_the_window(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    lakehouse: dg.ResourceParam[Lakehouse],
) -> Iterator[dg.AssetCheckResult]:
    """No play_id occurs on more than one day: within correction_days the later delivery wins, beyond them both stay.

    Reads play_id and play_date of the whole table.
    """
    if builds_assets(context):
        return
    repeated = repeated_plays(lakehouse.read(tables.PLAYS))
    total = repeated.agg(F.count(F.lit(1)).alias("plays")).collect()[0]["plays"]
    samples = repeated.orderBy("play_id").limit(SAMPLES).collect() if total else []
    yield verdict(
        not total,
        expected=f"each play_id on one day, or corrected within {settings.correction_days} days",
        seen=f"{total} play_ids stand on several days, more than {settings.correction_days} days apart",
        todo="ask the exporter whether it reuses ids; with a larger correction_days the later one wins",
        samples=[row.asDict() for row in samples],
        play_ids=total,
    )
