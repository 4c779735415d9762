"""Asset checks that recount files, tables and published lists by independent code; they read everything.

The second reader is imported where it counts: every process loads this module.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from umg_assets import tables
from umg_assets.checks.verdicts import SAMPLES, builds_assets, verdict, whole_table_check
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import Settings

if TYPE_CHECKING:
    from umg_assets.recount.rows import Comparison


@whole_table_check("deliveries")
def counted_again(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> Iterator[dg.AssetCheckResult]:
    """The records of every file, counted by a second reader, and the rows of the raw tables agree with the ledger."""
    if builds_assets(context):
        return
    from umg_assets.recount.records import count_files

    count = count_files(settings, ledger.read())
    first = {
        f"{miscount.path}: {miscount.what}": f"{miscount.counted}, ledger {miscount.ledger}"
        for miscount in count.differing[:SAMPLES]
    }
    yield verdict(
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
        for table in tables.RECOUNTED
    ],
    can_subset=True,
)
def rows_counted_again(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings], ledger: dg.ResourceParam[Ledger]
) -> Iterator[dg.AssetCheckResult]:
    """Every row of the tables agrees with a recount. A warning without a recount if a run has to come first."""
    if builds_assets(context):
        return
    from umg_assets.recount.coverage import coverage
    from umg_assets.recount.rows import recount

    selected = [table for table in tables.RECOUNTED if _counted_again(table) in context.selected_asset_check_keys]
    covered = coverage(settings, ledger.read())
    for table in selected if covered.behind else ():
        yield verdict(
            False,
            expected="every row is what is counted from the raw tables",
            seen=f"{len(covered.behind)} deliveries landed after the tables were written",
            todo="a run comes first",
            asset=table.name,
            check="counted_again",
            deliveries=len(covered.behind),
        )
    for comparison in () if covered.behind else recount(settings, covered.through, selected, SAMPLES, covered.kept):
        yield _recounted(comparison, len(covered.kept))


def _counted_again(table: tables.Table) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(table.name), "counted_again")


def _recounted(comparison: "Comparison", kept_days: int) -> dg.AssetCheckResult:
    return verdict(
        not comparison.differing,
        expected="every row is what is counted from the raw tables",
        seen=f"{comparison.differing} of {comparison.rows} rows differ",
        todo="`umg reconcile` shows them; materialize their partitions again",
        severity=dg.AssetCheckSeverity.ERROR,
        asset=comparison.table.name,
        check="counted_again",
        rows=comparison.rows,
        differing=comparison.differing,
        days_of_plays_taken_as_stored=kept_days,
        first={difference.told_name: difference.description for difference in comparison.first},
    )


@whole_table_check("plays")
def as_published(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    """Plays per track agree with the lists that umg.toml names under [[published]]."""
    if builds_assets(context):
        return
    from umg_assets.recount.published import compare_list

    differing: dict[str, str] = {}
    for listed in settings.published:
        try:
            count = compare_list(settings.home, settings.home / listed.file, listed.track, listed.plays)
        except ValueError as error:
            differing[str(listed.file)] = str(error)
        else:
            differing |= {
                f"{listed.file}: {track}": f"{published}, plays {plays}"
                for track, (published, plays) in count.differing.items()
            }
    yield verdict(
        not differing,
        expected="each published count is the plays of its track",
        seen=f"{len(differing)} tracks of {len(settings.published)} lists differ",
        todo="`umg reconcile` shows them",
        severity=dg.AssetCheckSeverity.ERROR,
        lists=len(settings.published),
        differing=len(differing),
        first=dict(list(differing.items())[:SAMPLES]),
    )
