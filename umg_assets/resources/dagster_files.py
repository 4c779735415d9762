"""What Dagster knows of a lakehouse, read from its SQLite files without Dagster: importing it takes longer than asking.

Where its runs and events are elsewhere (PostgreSQL), Dagster is asked.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from umg_assets.graph import WHOLE, Asset
from umg_assets.planning.watermark import Watermark, watermark_in

NOT_FINISHED = ("QUEUED", "NOT_STARTED", "SUSPENDED", "STARTING", "STARTED", "CANCELING")
_ACTIVE = ("REQUESTED", "CANCELING", "FAILING")


@dataclass(frozen=True)
class Known:
    """What Dagster knows. watermarks: by asset and partition key, of what has been built. running: by name, the jobs
    and backfills that are queued or running, with when they were asked for (UTC). daemon_seen: when the daemon, which
    runs sensors and schedules, last gave a sign of life (UTC); None: it never has, or this is not known here."""

    watermarks: dict[str, dict[str, Watermark]] = field(default_factory=dict)
    running: tuple[tuple[str, datetime], ...] = ()
    daemon_seen: datetime | None = None


def known_to_dagster(home: Path, assets: Iterable[Asset]) -> Known:
    """What Dagster knows of the assets of a home; nothing where it has never run."""
    history = home / "dagster" / "history"
    events, runs = history / "runs" / "index.db", history / "runs.db"
    if events.exists():
        running, seen = _running(runs)
        return Known(_watermarks(events, assets), running, seen)
    return _asked(home, assets) if (home / "dagster" / "dagster.yaml").exists() else Known()


def _watermarks(events: Path, assets: Iterable[Asset]) -> dict[str, dict[str, Watermark]]:
    rows = _rows(
        events,
        "select newest.asset_key, partition, value from (select asset_key, partition, max(id) as id from event_logs "
        "where dagster_event_type = 'ASSET_MATERIALIZATION' group by asset_key, partition) as newest "
        "left join asset_event_tags on event_id = newest.id and key = 'dagster/data_version'",
    )
    definitions = {f'["{asset.name}"]': asset for asset in assets}
    watermarks: dict[str, dict[str, Watermark]] = {asset.name: {} for asset in definitions.values()}
    for key, partition, version in rows:
        if asset := definitions.get(key):
            watermarks[asset.name][partition or WHOLE] = watermark_in(version or "", asset.definition_hash)
    return watermarks


def _running(runs: Path) -> tuple[tuple[tuple[str, datetime], ...], datetime | None]:
    """Jobs and backfills under way, in order; when the daemon was last seen."""
    of_runs = f"select pipeline_name, create_timestamp from runs where status in {NOT_FINISHED} order by id"
    backfills = f"select 'backfill ' || key, timestamp from bulk_actions where status in {_ACTIVE} order by id"
    started = [(name, _utc(at)) for name, at in (*_rows(runs, of_runs), *_rows(runs, backfills))]
    ((seen,),) = _rows(runs, "select max(timestamp) from daemon_heartbeats") or [(None,)]
    return tuple(started), _utc(seen) if seen else None


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _rows(file: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql).fetchall()


def _asked(home: Path, assets: Iterable[Asset]) -> Known:
    from umg_assets.resources.instance import open_instance, started
    from umg_assets.resources.watermarks import read_watermarks

    with open_instance(home) as instance:
        return Known(read_watermarks(instance, assets), tuple(started(instance)))
