"""Asset checks that count files, tables and published lists again by another way: they read everything."""

from collections.abc import Iterator

import dagster as dg

from umg_assets import tables
from umg_assets.checks.verdicts import SAMPLES, verdict
from umg_assets.recount.published import compare_list
from umg_assets.recount.records import count_files
from umg_assets.recount.rows import RECOUNTED, Comparison, recount
from umg_assets.recount.standing import standing
from umg_assets.resources.ledger import Ledger
from umg_assets.settings import Settings


@dg.asset_check(asset="deliveries", blocking=False)
def counted_again(settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]) -> dg.AssetCheckResult:
    """The records of every file, counted by a second reader, and the rows of raw tables are what the ledger says."""
    count = count_files(settings, ledger.read())
    first = {f"{one.path}: {one.what}": f"{one.found}, ledger {one.ledger}" for one in count.differing[:SAMPLES]}
    return verdict(
        not count.differing,
        expected="the second reader's counts are the ledger's",
        seen=f"{count.records} records of {count.files} files counted again, {len(count.differing)} counts differ",
        todo="`umg reconcile` names them; land the files again by touching them",
        severity=dg.AssetCheckSeverity.ERROR,
        files=count.files,
        records=count.records,
        files_gone=count.gone,
        files_changed=count.changed,
        differing=len(count.differing),
        first=first,
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
        yield verdict(
            False,
            expected="every row is what is counted from the raw tables",
            seen=f"{len(state.behind)} deliveries landed after the tables were written",
            todo="a run comes first",
            asset=table.name,
            check="counted_again",
            deliveries=len(state.behind),
        )
    for compared in () if state.behind else recount(settings, state.through, asked, SAMPLES):
        yield _recounted(compared)


def _counted_again(table: tables.Table) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(table.name), "counted_again")


def _recounted(compared: Comparison) -> dg.AssetCheckResult:
    return verdict(
        not compared.differing,
        expected="every row is what is counted from the raw tables",
        seen=f"{compared.differing} of {compared.rows} rows differ",
        todo="`umg reconcile` shows them; materialize their partitions again",
        severity=dg.AssetCheckSeverity.ERROR,
        asset=compared.table.name,
        check="counted_again",
        rows=compared.rows,
        differing=compared.differing,
        first={one.name: one.said for one in compared.first},
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
    return verdict(
        not differing,
        expected="each published count is the plays of its track",
        seen=f"{len(differing)} tracks of {len(settings.published)} lists differ",
        todo="`umg reconcile` shows them",
        severity=dg.AssetCheckSeverity.ERROR,
        lists=len(settings.published),
        differing=len(differing),
        first=dict(list(differing.items())[:SAMPLES]),
    )
