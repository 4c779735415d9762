"""What the tables cover: through which local day they count, and what has landed since they were last written."""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from umg_assets import clock
from umg_assets.calendar import local_today
from umg_assets.catalogue import Catalogue
from umg_assets.planning.frozen import kept_days
from umg_assets.planning.history import History
from umg_assets.resources.delta_log import open_table
from umg_assets.resources.locations import location_of
from umg_assets.settings.model import Settings
from umg_assets.tables import RECOUNTED, Table

_RECENT_COMMITS = 20


@dataclass(frozen=True)
class Coverage:
    """through: the last local day that the tables can count; later days wait for a run.

    behind: paths of deliveries that affect days up to it and landed after the last write: `umg run` comes first. kept:
    days whose plays cannot be counted again, because raw plays of them have gone by age.
    """

    through: date
    behind: tuple[str, ...]
    kept: tuple[date, ...] = ()


def coverage(settings: Settings, history: History) -> Coverage:
    """What the tables cover. Reads their logs and the ledger, no data; a table covers days up to its last write."""
    writes = [at for table in RECOUNTED if (at := _last_write(settings.home, table))]
    last = max(writes, default=datetime.min.replace(tzinfo=UTC))
    today = local_today(settings.time_zone)
    through = min(today, last.astimezone(zoneinfo.ZoneInfo(settings.time_zone)).date()) if writes else today
    kept = dict.fromkeys(kept_days(history, Catalogue.of(settings), today))
    later = (
        entry
        for entry in history.entries
        if entry.recorded_at > last
        and (entry.source != "events" or settings.event_plays)
        and (
            any(day <= through and day not in kept for day in entry.play_dates)
            or any(day <= through for day in (*entry.chart_months, *entry.window_dates))
            or entry.chart_dates
        )
    )
    return Coverage(through, tuple(dict.fromkeys(entry.path for entry in later)), tuple(kept))


def _last_write(home: Path, table: Table) -> datetime | None:
    """When the engine last wrote rows, in UTC; compaction and vacuum write none."""
    log = open_table(location_of(home, table))
    for count in (_RECENT_COMMITS, None):
        for commit in log.history(count):
            if commit.get("operation") == "WRITE":
                return clock.instant_of(commit["timestamp"] / 1000)
    return None
