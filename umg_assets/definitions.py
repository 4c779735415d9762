"""What Dagster loads: the definitions of the UMG_HOME that the environment names."""

from umg_assets.build import build_definitions
from umg_assets.resources.dagster_internals import keep_looking_for_ended_runs
from umg_assets.settings.home import home_of, keep_private, refuse_half_restored
from umg_assets.settings.model import read_settings

refuse_half_restored(home_of())
keep_private(home_of())
keep_looking_for_ended_runs()
defs = build_definitions(read_settings())
