"""Asset checks: what is not wrong enough to stop a run, but what a person should see."""

import dagster as dg
from pyspark.sql import functions as F

from umg_assets import tables
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


CHECKS = [quarantine_share, play_id_repeated_beyond_the_window]
