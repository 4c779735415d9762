"""The weekly job: forgets people, removes what is old, compacts and vacuums every table."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

import dagster as dg

from umg_assets import tables
from umg_assets.catalogue import Catalogue
from umg_assets.forgetting.receipt import unproved
from umg_assets.landing.retention import Others, Retention
from umg_assets.resources.instance import under_way
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.watermarks import read_watermarks
from umg_assets.runner import Runner
from umg_assets.settings.model import Settings


class Compaction(dg.Config):
    """keep_days: how long files that no current version needs stay, for readers and time travel."""

    keep_days: int = 7


@dg.op(ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), retry_policy=dg.RetryPolicy(max_retries=3, delay=30))
def remove_what_is_old(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    catalogue: dg.ResourceParam[Catalogue],
    lakehouse: dg.ResourceParam[Lakehouse],
    ledger: dg.ResourceParam[Ledger],
) -> None:
    """Removes what is older than `[privacy]` keeps it. Raw rows wait while tables are not up to date or a run may
    read them: then the next week tries again."""
    others = partial(under_way, context.instance, but=context.run_id)
    known = Others(lambda: read_watermarks(context.instance, catalogue.planned), others)
    outcome = Retention(settings, catalogue, lakehouse, ledger, known).remove_old()
    for removed in outcome.removed:
        context.log.info(f"{removed.what}: {removed.number} of {len(removed.days)} delivery days removed by age")
    if outcome.raw_stays:
        context.log.warning(f"Raw plays and events that are old enough stay: {outcome.raw_stays}")


@dg.op(ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), retry_policy=dg.RetryPolicy(max_retries=3, delay=30))
def compact_and_vacuum(
    context: dg.OpExecutionContext, config: Compaction, lakehouse: dg.ResourceParam[Lakehouse]
) -> None:
    """Joins the small files of every table and deletes what no version of the last days needs."""
    lakehouse.create_tables()
    for table in tables.ALL:
        joined = lakehouse.compact(table)
        gone = lakehouse.vacuum(table, timedelta(days=config.keep_days))
        context.log.info(
            f"{table.name}: {joined['numFilesRemoved']} files joined into {joined['numFilesAdded']}, "
            f"{len(gone)} deleted"
        )


@dg.op(ins={"after": dg.In(dg.Nothing)})
def tell_who_was_found(settings: dg.ResourceParam[Settings]) -> None:
    """Fails, when all else is done, if the last receipt of forgetting is not good."""
    if text := unproved(settings.home):
        raise dg.Failure(text)


def build_weekly(
    catalogue: Catalogue, definitions: Callable[[], dg.Definitions], tags: Mapping[str, str]
) -> dg.JobDefinition:
    """The weekly job. definitions: builds the definitions that it is part of, for the runs that it starts."""

    @dg.op(out=dg.Out(dg.Nothing), retry_policy=dg.RetryPolicy(max_retries=6, delay=600))
    def forget_people(
        context: dg.OpExecutionContext,
        settings: dg.ResourceParam[Settings],
        lakehouse: dg.ResourceParam[Lakehouse],
        ledger: dg.ResourceParam[Ledger],
    ) -> None:
        """Does what `umg forget` has collected; fails while a run is under way."""
        from umg_assets.forgetting.forget import Forgetting, Steps  # once a week; every process loads this module

        runner = Runner(settings, catalogue, definitions, context.log.info, context.instance, "the weekly schedule")
        others = partial(under_way, context.instance, but=context.run_id)
        steps = Steps(others, runner.bring_up_to_date, context.log.info)
        receipt = Forgetting(settings, lakehouse, ledger, steps).forget()
        context.log.info(receipt.text if receipt else "Nobody has asked to be forgotten")

    @dg.job(name="compact_tables", tags=tags)
    def compact_tables() -> None:
        """Forgets whom requests name, removes what is old, then compacts and vacuums every table, by delta-rs."""
        tell_who_was_found(compact_and_vacuum(remove_what_is_old(forget_people())))

    return compact_tables
