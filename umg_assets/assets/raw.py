"""Raw tables: what exporters deliver, typed, by UTC delivery day; bad records in quarantine, all of it in the ledger.

Reads new and changed files of landing/, whenever some lie there; a day whose files have not changed stays as it is.
"""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from umg_assets import tables
from umg_assets.assets.landing import landing_asset
from umg_assets.assets.table_asset import KINDS, described
from umg_assets.partitions import Calendar
from umg_assets.resources.ingest import Ingest
from umg_assets.resources.instance import QUIET
from umg_assets.resources.lakehouse import Commit, Lakehouse
from umg_assets.resources.landing import scan
from umg_assets.resources.ledger import Entry, Ledger
from umg_assets.settings import Settings

SHARED = (tables.DELIVERIES, tables.QUARANTINE)
LANDED = (tables.DELIVERIES, *tables.RAW.values(), tables.QUARANTINE)


def build_raw_assets(calendar: Calendar) -> dg.AssetsDefinition:
    """The ledger, the raw tables and the quarantine: written together, a delivery day at a time or a range."""

    @dg.multi_asset(
        name="land",
        specs=[
            dg.AssetSpec(
                table.name,
                description=described(table, __doc__),
                group_name="raw",
                kinds=KINDS,
                partitions_def=calendar.delivery_days,
                deps=[landing_asset(kind) for kind in tables.KINDS if table in (tables.RAW[kind], *SHARED)],
            )
            for table in LANDED
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="raw",
    )
    def land(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> Iterator[dg.MaterializeResult]:
        lakehouse.create_tables()
        days = set(context.partition_keys)
        found = scan(settings, ledger.read(), int(context.run.tags.get(QUIET, "0")))
        files = [file for file in found.changed if file.delivery_date.isoformat() in days]
        entries, commits = Ingest(settings, lakehouse, ledger).land(
            files, lambda done, of: context.log.info(f"{done} of {of} files landed")
        )
        for table in LANDED:
            for values, rows in lakehouse.rows(table).items():
                if values and values[0] in days:
                    context.add_asset_metadata({"dagster/partition_row_count": rows}, table.name, values[0])
            yield dg.MaterializeResult(asset_key=table.name, metadata=_metadata(entries, commits.get(table.name)))

    return land


def _metadata(entries: list[Entry], commit: Commit | None) -> dict[str, int | float]:
    """What the run read, in totals (a range run shows them at each of its days), and what it committed."""
    reasons: Counter[str] = Counter()
    for entry in entries:
        reasons.update(entry.quarantined)
    return {
        "files_read": len(entries),
        "records_read": sum(entry.records for entry in entries),
        "rows_landed": sum(entry.landed for entry in entries),
        "records_filtered": sum(entry.filtered for entry in entries),
        "records_quarantined": sum(reasons.values()),
        **{f"quarantined_{reason}": count for reason, count in sorted(reasons.items())},
        **(commit.metadata if commit else {}),
    }
