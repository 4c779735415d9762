"""How far the tables have come: through which local day they count, and what has landed since they were written."""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import deltalake

from umg_assets.partitions import local_today
from umg_assets.recount.rows import RECOUNTED
from umg_assets.resources.ledger import History
from umg_assets.settings import Settings
from umg_assets.tables import Table

_FIRST_LOOK = 20


@dataclass(frozen=True)
class Standing:
    """through: the last local day that the tables can count; later ones wait for a run. behind: the deliveries that
    touch days up to it and landed after any table was written, by path: a run has to build them in first."""

    through: date
    behind: tuple[str, ...]


def standing(settings: Settings, history: History) -> Standing:
    """Read from the logs of the tables and the ledger, no data and no Dagster: a partition counts through the day on
    which it was written."""
    writes = [at for table in RECOUNTED if (at := _last_write(settings.home, table))]
    last = max(writes, default=datetime.min.replace(tzinfo=UTC))
    today = local_today(settings.time_zone)
    through = min(today, last.astimezone(zoneinfo.ZoneInfo(settings.time_zone)).date()) if writes else today
    touching = (
        entry
        for entry in history.entries
        if entry.recorded_at > last
        and (entry.source != "events" or settings.event_plays)
        and (
            any(day <= through for day in (*entry.play_dates, *entry.chart_months, *entry.window_dates))
            or entry.chart_dates
        )
    )
    return Standing(through, tuple(dict.fromkeys(entry.path for entry in touching)))


def _last_write(home: Path, table: Table) -> datetime | None:
    """When the engine last wrote rows; compacting and vacuuming write none."""
    log = deltalake.DeltaTable(home / "tables" / table.name)
    for count in (_FIRST_LOOK, None):
        for commit in log.history(count):
            if commit.get("operation") == "WRITE":
                return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
    return None
