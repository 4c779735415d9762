"""Homes with generated landing files to measure on."""

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from umg_assets.generator import World, generate
from umg_assets.settings.template import write_template

SETTLED_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("UMG_", "DAGSTER_", "RUST_LOG"))
}
"""The environment without variables that would change the lakehouse's settings."""


def make_home(home: Path, world: World) -> Path:
    """Creates an UMG_HOME with umg.toml and the world's landing files; nothing has landed yet."""
    write_template(home, world.first_day, generated=True)
    generate(world, home / "landing", None)
    return home


def umg_run(home: Path) -> list[str]:
    """The command that brings a home up to date."""
    return [sys.executable, "-c", "from umg_assets.cli.main import main; main()", "--home", str(home), "run"]


def last_days(world: World, count: int) -> list[date]:
    """The world's last delivery days, oldest first."""
    return [world.last_day - timedelta(days=back) for back in reversed(range(count))]


def hold_back(home: Path, days: Sequence[date]) -> dict[date, Path]:
    """Moves the plays delivered on these days (Parquet parts) out of landing/. Returns each day's new path."""
    held = {}
    for day in days:
        held[day] = home / "held" / f"dt={day}"
        held[day].parent.mkdir(exist_ok=True)
        shutil.move(home / "landing" / "plays" / f"dt={day}", held[day])
    return held


def deliver(home: Path, held: Path) -> None:
    """Moves a day's plays back into landing/."""
    shutil.move(held, home / "landing" / "plays" / held.name)
