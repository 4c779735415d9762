"""Past windows of whole weeks, on which a plan is replayed: table user_days summed over all active users. No engine."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import duckdb

from umg_assets import tables
from umg_assets.resources.delta_log import open_table
from umg_assets.resources.locations import location_of
from umg_assets.resources.reading import add_actions
from umg_assets.resources.staging import staging_folder
from umg_assets.settings.experiment import Experiment, Metric
from umg_assets.settings.model import Settings
from umg_assets.statistics.moments import SessionMoments, UserMoments
from umg_assets.statistics.power import PastWindow

KNOWN = {
    "sessions": "sessions",
    "session_ms": "listening_ms",
    "listening_ms": "listening_ms",
    "plays": "plays",
    "skips": "skips",
    "completes": "completes",
}
"""Quantity = its column of user_days. Session play time is not capped there, so a plan may come out too long."""

_MOMENTS = """
with daily as (select * from user_days where activity_date >= $before and activity_date <= $last),
users as (
    select user_key,
        coalesce(sum({n}) filter (activity_date >= $first), 0)::hugeint as n,
        {d} as d,
        coalesce(sum({n}) filter (activity_date < $first), 0)::hugeint as cn,
        {cd} as cd
    from daily group by user_key having bool_or(activity_date >= $first)
)
select count(*), sum(n), sum(d), sum(n * n), sum(n * d), sum(d * d), sum(cn), sum(cd), sum(n * cn), sum(n * cd),
    sum(d * cn), sum(d * cd), sum(cn * cn), sum(cn * cd), sum(cd * cd)
from users
"""
_NAMES = ("users", "n", "d", "nn", "nd", "dd", "cn", "cd", "ncn", "ncd", "dcn", "dcd", "cncn", "cncd", "cdcd")


def can_be_planned(metric: Metric) -> bool:
    """Whether user_days has a metric's quantities: returns and taps exist only within an experiment."""
    return metric.numerator in KNOWN and (metric.denominator is None or metric.denominator in KNOWN)


def past_windows(settings: Settings, experiment: Experiment, longest: int) -> list[PastWindow]:
    """Windows of 1 to `longest` weeks before the experiment's first day, each with a pre-period before it.

    They end on the last complete day. Windows that begin before the oldest data are left out. Raises TableMissingError
    if there is no table user_days.
    """
    newest, oldest = _span(settings)
    if newest is None or oldest is None:
        return []
    last = min(experiment.first_day - timedelta(days=1), newest - timedelta(days=1))
    with duckdb.connect(config={"temp_directory": str(staging_folder(settings.home))}) as con:
        table = open_table(location_of(settings.home, tables.USER_DAYS))
        con.register("user_days", table.to_pyarrow_dataset())
        return list(_windows(con, experiment, last, oldest, longest))


def _span(settings: Settings) -> tuple[date | None, date | None]:
    """The newest and the oldest day of user_days that has rows, from its log: no data is read."""
    actions = add_actions(settings.home, tables.USER_DAYS)
    rows = zip(
        actions.column("partition.activity_date").to_pylist(), actions.column("num_records").to_pylist(), strict=True
    )
    days = sorted(date.fromisoformat(str(day)) for day, count in rows if count)
    return (days[-1], days[0]) if days else (None, None)


def _windows(
    con: duckdb.DuckDBPyConnection, experiment: Experiment, last: date, oldest: date, longest: int
) -> Iterator[PastWindow]:
    names = [name for name in experiment.metric_names if can_be_planned(experiment.metric(name))]
    for weeks in range(1, longest + 1):
        first = last - timedelta(days=7 * weeks - 1)
        if first < oldest:
            return
        days = {"first": first, "last": last, "before": first - timedelta(days=experiment.pre_period_days)}
        moments = tuple(_moments(con, name, experiment.metric(name), days) for name in names)
        query = (
            "select sum(sessions), sum(listening_ms), sum(listening_squares)::hugeint from user_days "
            "where activity_date between $first and $last"
        )
        sums = con.execute(query, {"first": first, "last": last}).fetchone()
        if moments and moments[0].users and sums is not None:
            yield PastWindow(weeks, moments, SessionMoments("all", *(int(total) for total in sums)))


def _moments(con: duckdb.DuckDBPyConnection, name: str, metric: Metric, days: dict[str, date]) -> UserMoments:
    column = KNOWN[metric.denominator] if metric.denominator else None
    sums = {
        "d": f"coalesce(sum({column}) filter (activity_date >= $first), 0)::hugeint" if column else "1::hugeint",
        "cd": f"coalesce(sum({column}) filter (activity_date < $first), 0)::hugeint" if column else "1::hugeint",
    }
    row = con.execute(_MOMENTS.format(n=KNOWN[metric.numerator], **sums), days).fetchone()
    assert row is not None
    moments: dict[str, Any] = {key: int(value or 0) for key, value in zip(_NAMES, row, strict=True)}
    return UserMoments(metric=name, variant="all", **moments)
