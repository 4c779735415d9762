"""One generated world, built on Apache Spark and on Sail: every table holds the same rows."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from umg_assets.generator import World, generate
from umg_assets_tests.conftest import as_users_run_it
from umg_assets_tests.lake import BUILT, Lake
from umg_assets_tests.processes import printed_by

RUN = """
import sys
from pathlib import Path
from umg_assets.cli.run import runner_of
from umg_assets.settings.model import read_settings
runner_of(read_settings(Path(sys.argv[1]))).bring_up_to_date()
"""
RAW = ("raw_plays", "raw_users", "raw_tracks", "quarantine")


WORLD = World(plays=1_500, days=14, last_day=date(2025, 11, 5), seed=11, markets=("AT", "DE"), dirty=0.02)
"""Two weeks over the 25-hour day of October and the end of a month, with faults of files and records."""


@pytest.mark.exhaustive
@pytest.mark.spark_only
def test_spark_builds_every_table_of_a_generated_world_row_for_row_as_sail_does(lake: Lake, tmp_path: Path):
    """Sail builds the same files under the same key, in a process of its own."""
    lake.configure('markets = ["AT", "DE"]', sources="", first_day=WORLD.first_day.isoformat())
    generate(WORLD, lake.settings.landing, lake.home / "truth")
    with as_users_run_it():
        lake.run()
    sail = Lake(tmp_path / "sail")
    for name in ("landing", "keys"):
        shutil.copytree(lake.home / name, sail.home / name, dirs_exist_ok=True)
    shutil.copy(lake.home / "umg.toml", sail.home / "umg.toml")
    printed_by(RUN, sail.home, env={"UMG_ENGINE": "sail"})
    for table in (*RAW, *BUILT):
        rows = lake.rows(table)
        assert rows, table
        assert rows == sail.rows(table), table
