"""Asset checks: what is not wrong enough to stop a run, but what a person should see."""

from collections.abc import Iterator

import dagster as dg
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.recount.published import compare_list
from umg_assets.recount.records import count_files
from umg_assets.recount.rows import RECOUNTED, Comparison, recount
from umg_assets.recount.standing import standing
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Entry, Ledger
from umg_assets.settings import Settings
from umg_assets.transforms.plays import repeated_plays

_SAMPLES = 20


def quarantined_share(entries: list[Entry]) -> dict[str, tuple[int, int]]:
    """By delivery (`source date`), the records set aside and the records read, of the latest entry of each file."""
    shares: dict[str, tuple[int, int]] = {}
    latest = {(entry.source, entry.path, entry.delivery_date): entry for entry in entries if entry.state == "landed"}
    for entry in latest.values():
        delivery = f"{entry.source} {entry.delivery_date}"
        bad, read = shares.get(delivery, (0, 0))
        shares[delivery] = (bad + sum(entry.quarantined.values()), read + entry.records)
    return shares


@dg.asset_check(asset="quarantine", blocking=False)
def quarantine_share(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> dg.AssetCheckResult:
    """No delivery of the run's days has more than quarantine_percent of its records set aside."""
    tags = context.run.tags
    first = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition") or ""
    last = tags.get("dagster/asset_partition_range_end") or tags.get("dagster/partition") or "9999"
    entries = [entry for entry in ledger.read().entries if first <= entry.delivery_date.isoformat() <= last]
    limit = settings.thresholds.quarantine_percent
    over = {
        delivery: f"{bad} of {read} records"
        for delivery, (bad, read) in sorted(quarantined_share(entries).items())
        if bad * 100 > limit * read
    }
    return dg.AssetCheckResult(
        passed=not over,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"limit_percent": limit, "deliveries_over": len(over), "over": over},
        description=f"{len(over)} deliveries over {limit} %: see `umg quarantine`" if over else None,
    )


@dg.asset_check(asset="plays", blocking=False)
def play_id_repeated_beyond_the_window(
    settings: dg.ResourceParam[Settings], lakehouse: dg.ResourceParam[Lakehouse]
) -> dg.AssetCheckResult:
    """No play_id stands on more than one day: within correction_days the later delivery wins, beyond them both stand.

    Reads play_id and play_date of all of plays, so it runs in its own job, not after each run.
    """
    repeated = repeated_plays(lakehouse.read(tables.PLAYS))
    total = repeated.agg(F.count(F.lit(1)).alias("plays")).collect()[0]["plays"]
    samples = repeated.orderBy("play_id").limit(_SAMPLES).collect() if total else []
    return dg.AssetCheckResult(
        passed=not total,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "play_ids": total,
            "samples": {
                row["play_id"]: f"{row['days']} days, {row['first_day']} to {row['last_day']}" for row in samples
            },
        },
        description=f"{total} play_ids stand on several days, more than {settings.correction_days} days apart"
        if total
        else None,
    )


@dg.asset_check(asset="deliveries", blocking=False)
def counted_again(settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]) -> dg.AssetCheckResult:
    """The records of every file, counted by a second reader, and the rows of raw tables are what the ledger says."""
    count = count_files(settings, ledger.read())
    first = {f"{one.path}: {one.what}": f"{one.found}, ledger {one.ledger}" for one in count.differing[:_SAMPLES]}
    return dg.AssetCheckResult(
        passed=not count.differing,
        metadata={
            "files": count.files,
            "records": count.records,
            "files_gone": count.gone,
            "files_changed": count.changed,
            "differing": len(count.differing),
            "first": first,
        },
        description=f"{len(count.differing)} counts differ: see `umg reconcile`" if count.differing else None,
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "counted_again",
            asset=table.name,
            description="Every row is what plain DuckDB SQL counts from the raw tables, as `umg reconcile` does.",
        )
        for table in RECOUNTED
    ],
    can_subset=True,
)
def rows_counted_again(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> Iterator[dg.AssetCheckResult]:
    """Every row of the tables held to a recount; where a run has to come first, a warning and no recount."""
    asked = [table for table in RECOUNTED if _counted_again(table) in context.selected_asset_check_keys]
    state = standing(settings, ledger.read())
    for table in asked if state.behind else ():
        yield dg.AssetCheckResult(
            check_name="counted_again",
            asset_key=table.name,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"deliveries": len(state.behind)},
            description=f"{len(state.behind)} deliveries landed after the tables were written: a run comes first",
        )
    for compared in () if state.behind else recount(settings, state.through, asked, _SAMPLES):
        yield _recounted(compared)


def _counted_again(table: tables.Table) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(table.name), "counted_again")


def _recounted(compared: Comparison) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="counted_again",
        asset_key=compared.table.name,
        passed=not compared.differing,
        metadata={
            "rows": compared.rows,
            "differing": compared.differing,
            "first": {one.name: one.said for one in compared.first},
        },
        description=f"{compared.differing} rows differ: see `umg reconcile`" if compared.differing else None,
    )


@dg.asset_check(asset="plays", blocking=False)
def as_published(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """Plays a track agree with the lists that umg.toml names under [[published]]."""
    differing: dict[str, str] = {}
    for one in settings.published:
        try:
            count = compare_list(settings.home, settings.home / one.file, one.track, one.plays)
        except ValueError as error:
            differing[str(one.file)] = str(error)
        else:
            differing |= {f"{one.file}: {name}": f"{a}, plays {b}" for name, (a, b) in count.differing.items()}
    return dg.AssetCheckResult(
        passed=not differing,
        metadata={
            "lists": len(settings.published),
            "differing": len(differing),
            "first": dict(list(differing.items())[:_SAMPLES]),
        },
        description=f"{len(differing)} tracks differ: see `umg reconcile`" if differing else None,
    )


WHOLE_TABLES = [play_id_repeated_beyond_the_window, counted_again, rows_counted_again, as_published]
"""Checks that read whole tables: they run in a job of their own, not after each run."""


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Every check that these settings have; that of the published lists where some are named."""
    return [quarantine_share, *(one for one in WHOLE_TABLES if settings.published or one is not as_published)]
