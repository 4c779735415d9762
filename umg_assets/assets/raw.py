"""Raw tables: what exporters deliver, typed, by UTC delivery day; bad records in quarantine, all of it in the ledger.

Reads new and changed files of landing/, whenever some lie there; a day whose files have not changed stays as it is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import dagster as dg

from umg_assets import tables
from umg_assets.assets.building import described
from umg_assets.assets.partitions import Partitions
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.landing.composed_ids import settle_ids
from umg_assets.landing.land import Ingest
from umg_assets.landing.scan import scan
from umg_assets.landing.sealing import seal_tables, sealing_alone
from umg_assets.planning.composed_ids import unsettled
from umg_assets.planning.entry import Entry
from umg_assets.resources.commits import Commit
from umg_assets.resources.instance import QUIET, RAW_POOL
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import Settings

_KIND_OF = {table: kind for kind, table in tables.RAW.items()}
_DELIVERED = "Written by landing, by UTC delivery day; a day whose files have not changed stays as it is."
_ABOUT = {
    tables.DELIVERIES.name: "Everything is planned from it: what is new, which days a file touches, what is stale.",
    tables.QUARANTINE.name: "Each file's records read are those landed, filtered, suppressed and set aside here.",
    **{table.name: _DELIVERED for table in tables.RAW.values()},
}


def build_landing(catalogue: Catalogue, partitions: Partitions) -> dg.AssetsDefinition:
    """The ledger, the raw tables and the quarantine: written together, a delivery day at a time or a range."""
    assets = [catalogue[name] for name in catalogue.assets_of(LAND_FILES)]

    @dg.multi_asset(
        name="land",
        specs=[
            dg.AssetSpec(
                asset.name,
                description=described(asset, _ABOUT[asset.name]),
                group_name=asset.group,
                kinds=set(asset.stored_as),
                partitions_def=partitions.of(asset),
                deps=partitions.dependencies(asset),
            )
            for asset in assets
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=RAW_POOL,
    )
    def land(
        context: dg.AssetExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> Iterator[dg.MaterializeResult]:
        days = set(context.partition_keys)
        entries, withdrawn, commits = _landed(context, settings, lakehouse, ledger)
        for table in (asset.table for asset in assets if asset.table):
            for values, rows in lakehouse.rows(table).items():
                if values and values[0] in days:
                    context.add_asset_metadata({"dagster/partition_row_count": rows}, table.name, values[0])
            for day, counts in _counted(days, entries, withdrawn, _KIND_OF.get(table)):
                context.add_asset_metadata(counts, table.name, day)
            commit = commits.get(table.name)
            yield dg.MaterializeResult(asset_key=table.name, metadata=commit.metadata if commit else {})

    return land


def _landed(
    context: dg.AssetExecutionContext, settings: Settings, lakehouse: Lakehouse, ledger: Ledger
) -> tuple[list[Entry], list[Entry], dict[str, Commit]]:
    """Lands what is new of a run's days. Returns entries of files read, and of files withdrawn; commits by table."""
    with sealing_alone(settings.home):
        seal_tables(lakehouse, settings.chunk_plays, context.log.info)
        news = scan(settings, ledger.read(), int(context.run.tags.get(QUIET, "0")))
        seen = news.of(set(context.partition_keys))
        entries, commits = Ingest(settings, lakehouse, ledger).land(
            seen.changed, lambda done, of: context.log.info(f"{done} of {of} files landed"), seen.withdrawn
        )
        is_last = len(seen.changed) == len(news.changed)  # else another run has files to read again first
        if is_last and (news.ids or unsettled(ledger.read(), settings.privacy.pseudonyms)):
            settle_ids(settings, lakehouse, ledger, context.log.info)
    return entries, seen.withdrawn, commits


def _counted(
    days: Iterable[str], read: list[Entry], withdrawn: list[Entry], kind: str | None
) -> Iterator[tuple[str, dict[str, int]]]:
    """By delivery day, what became of the files that a run read: of those of one kind of source unless it is None."""
    read_on, withdrawn_on = (_by_day(entries, kind) for entries in (read, withdrawn))
    for day in days:
        entries, reasons = read_on[day], Counter[str]()
        for entry in entries:
            reasons.update(entry.quarantined)
        yield (
            day,
            {
                "files_read": len(entries),
                "files_withdrawn": len(withdrawn_on[day]),
                "records_read": sum(entry.records for entry in entries),
                "rows_landed": sum(entry.landed for entry in entries),
                "records_filtered": sum(entry.filtered for entry in entries),
                "records_suppressed": sum(entry.suppressed for entry in entries),
                "records_quarantined": sum(reasons.values()),
                **{f"quarantined_{reason}": count for reason, count in sorted(reasons.items())},
            },
        )


def _by_day(entries: list[Entry], kind: str | None) -> dict[str, list[Entry]]:
    days: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if kind in (None, entry.source):
            days[entry.delivery_date.isoformat()].append(entry)
    return days
