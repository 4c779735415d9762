"""The asset check of work that cannot succeed: what its runs have failed at, again and again."""

import dagster as dg

from umg_assets import tables
from umg_assets.calendar import local_today
from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.checks.verdicts import verdict
from umg_assets.landing.scan import scan
from umg_assets.planning.required import plan
from umg_assets.planning.runs import TRIES
from umg_assets.resources.failed_work import FailedWork, work_that_stays_failed
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.watermarks import read_watermarks
from umg_assets.settings.model import Settings


@dg.asset_check(asset=tables.DELIVERIES.name, blocking=False)
def no_work_stays_failed(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    catalogue: dg.ResourceParam[Catalogue],
    ledger: dg.ResourceParam[Ledger],
) -> dg.AssetCheckResult:
    """No partition is stale, and no file unlanded, whose runs have failed three times in a row or more.

    The sensors ask for such work once a day only.
    """
    work = work_that_stays_failed(context.instance)
    if work:
        history = ledger.read()
        watermarks = read_watermarks(context.instance, catalogue.planned)
        stale = dict(plan(history, watermarks, catalogue, local_today(settings.time_zone)).partitions)
        days = {day.isoformat() for day, *_ in scan(settings, history).news}
        stale |= dict.fromkeys(catalogue.assets_of(LAND_FILES), sorted(days))
        work = [failed for failed in work if _is_stale(failed, failed.assets or catalogue.assets_of(failed.job), stale)]
    return verdict(
        not work,
        expected=f"no work that has failed {TRIES} times in a row",
        seen=f"{len(work)} pieces of work have stayed failed" if work else "no work has stayed failed",
        todo="look at the last of its runs; once the cause is gone, `umg run` does it, or the sensors within a day",
        severity=dg.AssetCheckSeverity.ERROR,
        samples=[
            {
                "job": failed.job,
                "assets": ", ".join(failed.assets or catalogue.assets_of(failed.job)),
                "partitions": " to ".join(failed.bounds) if failed.bounds else "",
                "failed": failed.failed,
                "last": failed.last.isoformat(timespec="seconds"),
            }
            for failed in work
        ],
    )


def _is_stale(failed: FailedWork, assets: tuple[str, ...], stale: dict[str, list[str]]) -> bool:
    """Whether any of the partitions that it should have built is still to be built."""
    keys = [key for asset in assets for key in stale.get(asset, ())]
    return bool(keys) if failed.bounds is None else any(failed.bounds[0] <= key <= failed.bounds[1] for key in keys)
