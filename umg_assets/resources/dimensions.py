"""Brings users and tracks up to date with their deliveries, and enters in the ledger what that touches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.partitions import utc_today
from umg_assets.resources.lakehouse import Commit, Lakehouse
from umg_assets.resources.ledger import Entry, Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings import Settings
from umg_assets.tables import DELETED, Table
from umg_assets.transforms.dimensions import (
    advance_history,
    changes,
    latest_tracks,
    restamped_days,
    user_history,
)


@dataclass(frozen=True)
class Update:
    """What an update did: the ledger's sequence that it has seen, its commit (None: nothing changed), touched days."""

    sequence: int
    commit: Commit | None = None
    play_dates: tuple[date, ...] = ()
    chart_months: tuple[date, ...] = ()


class Dimensions:
    """Forward deliveries are merged; others make the table anew from raw. Both give the same table."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger) -> None:
        self._settings, self._lakehouse, self._ledger = settings, lakehouse, ledger

    def update_users(self, seen: int) -> Update:
        """The users table, up to date; seen: the ledger sequence that it has seen (-1: none)."""
        sequence, raw, forward = self._deliveries(tables.RAW_USERS, "users", seen)
        if raw is None:
            return Update(sequence)
        users, bounds = self._lakehouse.read(tables.USERS), self._settings.age_groups
        if forward:
            before = users.join(raw.select("user_key").distinct(), "user_key", "left_semi")
            after = advance_history(before, raw, bounds)
        else:
            before, after = users, user_history(raw, bounds)
        with self._staged(changes(tables.USERS, before, after)) as changed:
            if changed is None:
                return Update(sequence)
            concerned = users.join(changed.select("user_key").distinct(), "user_key", "left_semi")
            days = restamped_days(
                concerned, _applied(tables.USERS, concerned, changed), self._lakehouse.read(tables.PLAYS)
            )
            found = tuple(sorted(row["play_date"] for row in days.collect()))
            return self._merge(tables.USERS, changed, Update(sequence, play_dates=found))

    def update_tracks(self, seen: int) -> Update:
        """The tracks table, up to date; seen: the ledger sequence that it has seen (-1: none)."""
        sequence, raw, forward = self._deliveries(tables.RAW_TRACKS, "tracks", seen)
        if raw is None:
            return Update(sequence)
        tracks, after = self._lakehouse.read(tables.TRACKS), latest_tracks(raw)
        before = tracks.join(raw.select("track_id").distinct(), "track_id", "left_semi") if forward else tracks
        with self._staged(changes(tables.TRACKS, before, after)) as changed:
            if changed is None:
                return Update(sequence)
            old = tracks.select("track_id", tracks["duration_ms"].alias("_was"))
            moved = changed.join(old, "track_id", "left").where(f"{DELETED} or not (duration_ms <=> _was)")
            come_or_gone = changed.join(old, "track_id", "left_anti").unionByName(changed.where(DELETED))
            # not in the daily sums: where a run died before it made them, they lag behind
            days = self._where_played(tables.PLAYS, "play_date", moved)
            months = self._where_played(tables.MONTHLY_TRACK_PLAYS, "month", come_or_gone) | self._where_played(
                tables.TOP_TRACKS_BY_COUNTRY, "month", changed
            )
            return self._merge(
                tables.TRACKS, changed, Update(sequence, None, tuple(sorted(days)), tuple(sorted(months)))
            )

    def _deliveries(self, raw: Table, source: str, seen: int) -> tuple[int, DataFrame | None, bool]:
        """The ledger's sequence; the raw rows to take, None when nothing came; whether they only go forward."""
        history = self._ledger.read()
        entries = [entry for entry in history.entries if entry.source == source]
        new = [entry.delivery_date for entry in entries if entry.sequence > seen]
        old = [entry.delivery_date for entry in entries if entry.sequence <= seen]
        if not new:
            return history.sequence, None, False
        forward = bool(old) and seen >= 0 and min(new) > max(old)
        return (
            history.sequence,
            self._lakehouse.read(raw, Slice.days("delivery_date", new) if forward else None),
            forward,
        )

    @contextmanager
    def _staged(self, changed: DataFrame) -> Iterator[DataFrame | None]:
        """The changes, computed once; None when there are none."""
        folder: Path = self._lakehouse.staging()
        try:
            changed.write.parquet(str(folder / "changes"))
            rows = self._lakehouse.spark.read.schema(changed.schema).parquet(str(folder / "changes"))
            yield rows if rows.take(1) else None
        finally:
            self._lakehouse.discard(folder)

    def _where_played(self, table: Table, column: str, tracks: DataFrame) -> set[date]:
        found = self._lakehouse.read(table).join(tracks.select("track_id"), "track_id", "left_semi")
        return {row[column] for row in found.select(column).distinct().collect()}

    def _merge(self, table: Table, changed: DataFrame, update: Update) -> Update:
        """Merges the changes between the staged and the landed ledger entry of what they touch."""
        touched = Entry(
            source="stamps",
            path=table.name,
            delivery_date=utc_today(),
            play_dates=list(update.play_dates),
            chart_months=list(update.chart_months),
        )
        entered: Sequence[Entry] = [touched] if touched.play_dates or touched.chart_months else []
        with self._ledger.change(entered) if entered else nullcontext():
            commit = self._lakehouse.merge(table, changed)
        return Update(update.sequence, commit, update.play_dates, update.chart_months)


def _applied(table: Table, before: DataFrame, changed: DataFrame) -> DataFrame:
    kept = before.join(changed.select(*table.key), list(table.key), "left_anti")
    return kept.unionByName(changed.where(f"not {DELETED}").drop(DELETED))
