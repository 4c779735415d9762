"""`umg expire`: removes at once what is older than umg.toml says, as the weekly run does, and prints what went."""

from typing import TYPE_CHECKING

from umg_assets.cli.console import out
from umg_assets.cli.run import check_no_run, lakehouse_of
from umg_assets.settings.model import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from umg_assets.landing.retention import Outcome


def expire(settings: Settings, instance: "DagsterInstance | None" = None) -> "Outcome":
    """Removes what is old and prints it. Raises RunUnderWayError while a run or a backfill is queued or running.

    instance: of Dagster, the one under UMG_HOME unless given.
    """
    from umg_assets.resources.instance import open_instance

    if instance is None:
        with open_instance(settings.home) as instance:
            return expire(settings, instance)
    return _removed(settings, instance)


def _removed(settings: Settings, instance: "DagsterInstance") -> "Outcome":
    from umg_assets.catalogue import Catalogue
    from umg_assets.landing.retention import Others, Retention
    from umg_assets.resources.instance import under_way
    from umg_assets.resources.ledger import Ledger
    from umg_assets.resources.watermarks import read_watermarks

    check_no_run(instance)
    catalogue = Catalogue.of(settings)
    others = Others(lambda: read_watermarks(instance, catalogue.planned), lambda: under_way(instance))
    outcome = Retention(settings, catalogue, lakehouse_of(settings), Ledger(settings.home), others).remove_old()
    _print(outcome)
    return outcome


def _print(outcome: "Outcome") -> None:
    for removed in outcome.removed:
        unit = "files" if removed.what.startswith("landing_") else "rows"
        days = f"{removed.days[0]} to {removed.days[-1]}" if len(removed.days) > 1 else f"{removed.days[0]}"
        out.print(
            f"{removed.what}: {removed.number:,} {unit} of {len(removed.days):,} delivery days, {days}, went.",
            soft_wrap=True,
        )
    if outcome.raw_stays:
        out.print(f"Older raw plays and events stay for now: {outcome.raw_stays}.", soft_wrap=True)
    elif not outcome.removed:
        out.print("Nothing is older than umg.toml keeps it.")
