"""Asset checks: which there are, which run with their asset, and which read whole tables and run on their own."""

from collections.abc import Collection

import dagster as dg

from umg_assets.checks.charts import RANK_CHECKS
from umg_assets.checks.deliveries import newest_delivery, newest_play, no_file_names_the_forgotten, quarantine_share
from umg_assets.checks.experiments import build_experiment_checks
from umg_assets.checks.plays import (
    SUM_CHECKS,
    copies_are_of_one_play,
    known_users_and_tracks,
    play_id_repeated_beyond_the_window,
    usual_volume,
)
from umg_assets.checks.recounts import as_published, counted_again, rows_counted_again
from umg_assets.checks.runs import no_work_stays_failed
from umg_assets.settings.model import Settings

NEWEST = [newest_delivery, newest_play]
"""How old the newest day is: with each run of its asset, and every day, when nothing runs because nothing comes."""
OF_RUNS = [
    quarantine_share,
    no_file_names_the_forgotten,
    known_users_and_tracks,
    usual_volume,
    copies_are_of_one_play,
    *SUM_CHECKS,
    *RANK_CHECKS,
]
"""Checks of what a run has written: they run with their asset and read no more than the run's partitions."""
WHOLE_TABLES = [play_id_repeated_beyond_the_window, counted_again, rows_counted_again, as_published]
"""Checks that read whole tables: they run in a job of their own, not after each run."""

OF_WORK = [no_work_stays_failed]
"""Every day: whether anything has been asked for again and again, and has failed."""


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Every check that these settings have; that of the published lists where some are named."""
    whole = (check for check in WHOLE_TABLES if settings.published or check is not as_published)
    return [*NEWEST, *OF_RUNS, *OF_WORK, *whole, *build_experiment_checks(settings)]


def checks_of_run(settings: Settings, assets: Collection[str]) -> list[dg.AssetCheckKey]:
    """The checks that run with these assets; those that read whole tables do not."""
    checks = (*NEWEST, *OF_RUNS, *build_experiment_checks(settings))
    return sorted((key for check in checks for key in check.check_keys if key.asset_key.path[-1] in assets), key=str)


def checks_of_tables() -> dg.AssetSelection:
    """The checks that run on their own: those that read whole tables, and how old the newest day is."""
    return dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks(*OF_RUNS)
