"""Assets, checks, jobs, sensors and resources of a lakehouse, wired."""

import warnings
from collections.abc import Mapping

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)

from umg_assets.assets import charts, dimensions, exports, measures, plays, sessions, windows  # noqa: E402 - after it
from umg_assets.assets.building import AssetFunction, build_asset, functions_in  # noqa: E402
from umg_assets.assets.experiments import experiment_functions  # noqa: E402
from umg_assets.assets.landing import build_landing_files, no_file_has_shrunk  # noqa: E402
from umg_assets.assets.partitions import Partitions  # noqa: E402
from umg_assets.assets.policies import with_policies  # noqa: E402
from umg_assets.assets.raw import build_landing  # noqa: E402
from umg_assets.automation import build_automation  # noqa: E402
from umg_assets.catalogue import Catalogue  # noqa: E402
from umg_assets.checks import build_checks  # noqa: E402
from umg_assets.resources.engine import Engine  # noqa: E402
from umg_assets.resources.io_manager import LakehouseIOManager  # noqa: E402
from umg_assets.resources.lakehouse import Lakehouse  # noqa: E402
from umg_assets.resources.ledger import Ledger  # noqa: E402
from umg_assets.resources.locations import root_of  # noqa: E402
from umg_assets.resources.snapshots import Snapshots  # noqa: E402
from umg_assets.settings.model import Settings  # noqa: E402
from umg_assets.settings.shown import as_markdown  # noqa: E402

_shown = dg.ResourceDefinition.hardcoded_resource

FAMILIES = (dimensions, plays, sessions, charts, windows, exports, measures)
"""The modules whose functions build assets: each function has the name of its row in the catalogue."""


def asset_functions(catalogue: Catalogue) -> dict[str, AssetFunction]:
    """By name of a planned asset, the function that builds it."""
    return {**functions_in(catalogue, *FAMILIES), **experiment_functions(catalogue)}


def build_definitions(
    settings: Settings,
    catalogue: Catalogue | None = None,
    functions: Mapping[str, AssetFunction] | None = None,
) -> dg.Definitions:
    """The definitions of a lakehouse with these settings.

    catalogue, functions: the settings' own (Catalogue.of, asset_functions), unless given. Raises KeyError for a planned
    row of the catalogue that no function builds.
    """
    catalogue = catalogue or Catalogue.of(settings)
    functions = functions or asset_functions(catalogue)
    engine = Engine.of(settings)
    lakehouse = Lakehouse(settings.home, lambda: engine.spark_session, settings.places.tables)
    ledger = Ledger(settings.home)
    snapshots, partitions = Snapshots(ledger, catalogue, settings.time_zone), Partitions(catalogue, settings)
    planned = [build_asset(asset, functions[asset.name], partitions) for asset in catalogue.planned]
    automation = build_automation(settings, catalogue, lambda: build_definitions(settings, catalogue, functions))
    return dg.Definitions(
        assets=[
            *build_landing_files(catalogue, partitions),
            *with_policies([build_landing(catalogue, partitions), *planned], catalogue, settings),
        ],
        asset_checks=[no_file_has_shrunk, *build_checks(settings)],
        jobs=automation.jobs,
        sensors=automation.sensors,
        schedules=automation.schedules,
        resources={
            "settings": _shown(
                settings, f"umg.toml in UMG_HOME and the environment, as read:\n\n{as_markdown(settings)}"
            ),
            "catalogue": _shown(
                catalogue, "The asset graph: what each asset is made of, how it is partitioned, its job."
            ),
            "pyspark": engine,
            "lakehouse": _shown(lakehouse, f"The Delta tables under {root_of(settings.home)}, read and written."),
            "ledger": _shown(
                ledger, "Table deliveries: what each file brought and affects, from which runs are planned."
            ),
            "snapshots": _shown(
                snapshots, "The ledger and the day as a step first reads them, the same for all of it."
            ),
            "io_manager": dg.IOManagerDefinition.hardcoded_io_manager(
                LakehouseIOManager(catalogue, lakehouse, snapshots, settings.plots),
                "Gives assets their inputs as DataFrames, and writes what they return as slices of their tables.",
            ),
        },
        executor=dg.in_process_executor,
    )
