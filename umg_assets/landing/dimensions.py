"""Brings users and tracks up to date with their deliveries, and notes the dates that this affects in the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.calendar import utc_today
from umg_assets.graph import Noted
from umg_assets.planning.entry import DIMENSION_CHANGE, Entry
from umg_assets.planning.history import History
from umg_assets.resources.commits import Commit
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.tables import DELETED, Table
from umg_assets.transforms.dimensions import (
    advance_history,
    changes,
    days_with_changed_users,
    latest_tracks,
    renamed_artists,
    user_history,
)


@dataclass(frozen=True)
class Update:
    """What an update did.

    sequence: the last ledger entry that it has read. commit: None when nothing changed. affected: the ledger entry of
    the change, with the dates that it affects, if there are any; None when nothing changed.
    """

    sequence: int
    commit: Commit | None = None
    affected: Entry | None = None


class Dimensions:
    """Merges later deliveries; computes the table anew from raw after any other. Both give the same table."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger) -> None:
        self._settings, self._lakehouse, self._ledger = settings, lakehouse, ledger

    def update_users(self, seen: int) -> Update:
        """Updates the users table. seen: the last ledger entry that the table was built from; -1 for none."""
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
            old = users.join(changed.select("user_key").distinct(), "user_key", "left_semi")
            days = days_with_changed_users(
                old, _applied(tables.USERS, old, changed), self._lakehouse.read(tables.PLAYS)
            )
            return self._merge(tables.USERS, changed, sequence, play_dates={row["play_date"] for row in days.collect()})

    def update_tracks(self, seen: int) -> Update:
        """Updates the tracks table. seen: the last ledger entry that the table was built from; -1 for none."""
        sequence, raw, forward = self._deliveries(tables.RAW_TRACKS, "tracks", seen)
        if raw is None:
            return Update(sequence)
        tracks, after = self._lakehouse.read(tables.TRACKS), latest_tracks(raw)
        before = tracks.join(raw.select("track_id").distinct(), "track_id", "left_semi") if forward else tracks
        with self._staged(changes(tables.TRACKS, before, after)) as changed:
            if changed is None:
                return Update(sequence)
            both = changed.join(tracks.select("track_id", F.struct("*").alias("_was")), "track_id", "left")
            moved = both.where(f"{DELETED} or not (duration_ms <=> _was.duration_ms)")
            added_or_removed = both.where(f"{DELETED} or _was is null")
            same_group = "_was is not null and artist_id <=> _was.artist_id and genre <=> _was.genre"
            regrouped = both.where(f"{DELETED} or not ({same_group})")
            renamed = renamed_artists(tracks, _applied(tables.TRACKS, tracks, changed))
            # of plays, not of their daily sums: those lag behind where a run crashed before it built them
            days = self._dates(tables.PLAYS, "play_date", "track_id", moved)
            # charts rank known tracks alone: with the first ones, all others leave them
            are_first = not tracks.take(1)
            months = self._dates(
                tables.MONTHLY_TRACK_PLAYS, "month", "track_id", None if are_first else added_or_removed
            )
            return self._merge(
                tables.TRACKS,
                changed,
                sequence,
                play_dates=days,
                chart_months=months | self._dates(tables.TOP_TRACKS_BY_COUNTRY, "month", "track_id", changed),
                # days whose sums lag behind are stale, and so are the windows that hold them
                window_dates=self._dates(tables.DAILY_TRACK_PLAYS, "play_date", "track_id", regrouped),
                chart_dates=self._dates(tables.TOP_ARTISTS_BY_GENRE, "chart_date", "artist_id", renamed)
                | self._dates(tables.AGE_GROUP_FAVOURITES, "chart_date", "track_id", None if are_first else changed),
            )

    def _deliveries(self, raw: Table, source: str, seen: int) -> tuple[int, DataFrame | None, bool]:
        """The ledger's sequence; the raw rows to read, None when nothing is new; whether all were delivered later.

        They were not, for this purpose, if a merge that Dagster never heard of has put rows of theirs into the table.
        """
        history = self._ledger.read()
        days = history.sums_of(source)
        new = [day for day, sums in days.items() if sums.last > seen]
        old = [day for day, sums in days.items() if sums.first <= seen]
        if not new:
            return history.sequence, None, False
        forward = bool(old) and seen >= 0 and min(new) > max(old) and not _merged_after(history, source, seen)
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
            rows = self._lakehouse.once(changed, folder / "changes")
            yield rows if rows.take(1) else None
        finally:
            self._lakehouse.discard(folder)

    def _dates(self, table: Table, column: str, by: str, those: DataFrame | None) -> set[date]:
        """The dates in a column of the table, over its rows of those tracks or artists; None: of all."""
        rows = self._lakehouse.read(table)
        if those is not None:
            rows = rows.join(F.broadcast(those.select(by)), by, "left_semi")
        return {row[column] for row in rows.select(column).distinct().collect()}

    def _merge(self, table: Table, changed: DataFrame, sequence: int, **affected: set[date]) -> Update:
        """Merges the changes, between the staged and the landed ledger entry of the dates that they affect, if any."""
        entry = Entry(DIMENSION_CHANGE, table.name, utc_today(), signature=str(sequence))
        entry = replace(entry, **{column: sorted(days) for column, days in affected.items()})
        with self._ledger.change([entry]):
            return Update(sequence, self._lakehouse.merge(table, changed), entry)


def _merged_after(history: History, table: str, seen: int) -> bool:
    """Whether a merge may have read deliveries after a sequence; old ledgers do not say what a merge has read."""
    noted = history.noted.get((table, Noted.EVERY_DELIVERY), {})
    later = history.of_days({day for day, last in noted.items() if last > seen}).later
    return any(
        not entry.signature or int(entry.signature) > seen
        for entry in later
        if (entry.source, entry.path) == (DIMENSION_CHANGE, table) and entry.sequence > seen
    )


def _applied(table: Table, before: DataFrame, changed: DataFrame) -> DataFrame:
    """The rows of `before` as they will be after the merge of `changed`."""
    # Sail 0.7.2 cannot aggregate a union of columns with and without comments; computed columns have none
    bare = before.select(*(F.coalesce(name, F.lit(None)).alias(name) for name in table.names))
    kept = bare.join(changed.select(*table.key), list(table.key), "left_anti")
    return kept.unionByName(changed.where(f"not {DELETED}").drop(DELETED))
