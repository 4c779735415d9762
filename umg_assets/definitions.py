"""What exists, wired: assets, resources, jobs and checks of the UMG_HOME that the environment names."""

import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)

from umg_assets.assets.charts import build_chart_assets  # noqa: E402 - after the filter
from umg_assets.assets.dimensions import build_dimension_assets  # noqa: E402
from umg_assets.assets.experiments import build_experiment_assets  # noqa: E402
from umg_assets.assets.exports import exports  # noqa: E402
from umg_assets.assets.landing import build_landing_assets, no_file_has_shrunk  # noqa: E402
from umg_assets.assets.measures import build_measure_assets  # noqa: E402
from umg_assets.assets.plays import build_play_assets  # noqa: E402
from umg_assets.assets.policies import with_policies  # noqa: E402
from umg_assets.assets.raw import build_raw_assets  # noqa: E402
from umg_assets.assets.sessions import build_session_assets  # noqa: E402
from umg_assets.assets.windows import build_window_assets  # noqa: E402
from umg_assets.automation import build_automation  # noqa: E402
from umg_assets.checks import build_checks  # noqa: E402
from umg_assets.partitions import calendar  # noqa: E402
from umg_assets.resources.engine import Engine  # noqa: E402
from umg_assets.resources.io_manager import LakehouseIOManager  # noqa: E402
from umg_assets.resources.lakehouse import Lakehouse  # noqa: E402
from umg_assets.resources.ledger import Ledger  # noqa: E402
from umg_assets.settings import Settings, read_settings  # noqa: E402


def build_definitions(settings: Settings) -> dg.Definitions:
    """The definitions of a lakehouse with these settings."""
    engine = Engine.of(settings)
    lakehouse = Lakehouse(settings.home, lambda: engine.spark_session)
    ledger = Ledger(settings.home)
    days = calendar(settings.first_day, settings.deliveries_from, settings.time_zone, settings.markets)
    assets = [
        build_raw_assets(days),
        *build_dimension_assets(),
        *build_play_assets(days),
        *build_session_assets(days),
        *build_chart_assets(days),
        *build_window_assets(days, settings.charts),
        exports,
        *(build_measure_assets(days) if settings.experiments else ()),
        *build_experiment_assets(settings),
    ]
    automated = build_automation(settings)
    return dg.Definitions(
        assets=[*build_landing_assets(days), *with_policies(assets, settings)],
        asset_checks=[no_file_has_shrunk, *build_checks(settings)],
        jobs=automated.jobs,
        sensors=automated.sensors,
        schedules=automated.schedules,
        resources={
            "settings": settings,
            "pyspark": engine,
            "lakehouse": lakehouse,
            "ledger": ledger,
            "io_manager": dg.IOManagerDefinition.hardcoded_io_manager(LakehouseIOManager(settings, lakehouse, ledger)),
        },
        executor=dg.in_process_executor,
    )


defs = build_definitions(read_settings())
