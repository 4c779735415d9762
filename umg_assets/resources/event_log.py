"""Dagster's event log in SQLite, for runs of many partitions: an event costs a row, not four transactions.

Dagster 1.13's own SQLite storage creates an engine and a connection for each statement, takes four transactions an
event, and sets up each run's file by Alembic: 15 to 20 ms, some hundred times a run. This one keeps connections open,
stores the events that Dagster hands over as a batch (DAGSTER_EVENT_BATCH_SIZE) in one transaction, and copies an empty
file for each run. The files and their schema are Dagster's.
"""

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from umg_assets.resources.dagster_internals import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    INDEX_SHARD_NAME,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    ConfigurableClassData,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
    UserConfigSchema,
    create_engine,
)

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000
"""Events that Dagster hands to the event log at once, by the variable that it reads."""
_FILES_OPEN = 8
"""Files of runs, and the index, to which connections are kept."""
_EMPTY = f"empty-{dg.__version__}"
"""A run's file before its first event, of this release's schema; its name is no run's."""
_INSERT = SqlEventLogStorageTable.insert()
_INSERT_FOR_IDS = _INSERT.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)


class RangeEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log, which reuses its engines and stores a batch of events in one transaction."""

    def __init__(self, inst_data: ConfigurableClassData | None = None):
        """Not yet open: only the instance that it is registered with says where its files lie."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        self._inst_data = inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """It takes no configuration."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RangeEventLog":
        """Called for dagster.yaml, which does not say where it lies."""
        return cls(inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Opens the files in the folder of the instance that Dagster's own event log would use."""
        super().__init__(str(Path(instance.root_directory, "history", "runs")), self._inst_data)
        super().register_instance(instance)

    @property
    def index(self) -> Path:
        """The file of the events of assets of all runs."""
        return Path(self.path_for_shard(INDEX_SHARD_NAME))

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; remembers the tables that it has seen."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._kept(shard)
            if shard not in self._initialized_dbs:
                self._put_empty_file(Path(self.path_for_shard(shard)))
                if not _is_whole(engine):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            try:
                with engine.connect() as connection, connection.begin():
                    yield connection
            except OperationalError as error:  # locked, full: Dagster prints what SQLAlchemy says, with SQL and a link
                raise error.orig or error from None

    def _kept(self, shard: str) -> Engine:
        """The engine of a file; those that were not used for longest close their connections."""
        engine = self._engines.get(shard) or self._engine(shard)
        self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > _FILES_OPEN:
            oldest = next(name for name in self._engines if name != INDEX_SHARD_NAME)
            self._engines.pop(oldest).dispose()
        return engine

    def _engine(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=-1,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", write_behind)
        return engine

    def _put_empty_file(self, file: Path) -> None:
        """Creates a run's file as a copy of an empty one; two processes at once create it once."""
        if file.exists() or file.stem == INDEX_SHARD_NAME:
            return
        empty = file.with_name(_EMPTY)
        if not empty.exists():
            with tempfile.TemporaryDirectory(dir=file.parent, prefix=f"{_EMPTY}-") as folder:
                made = Path(folder, "made")
                engine = create_engine(f"sqlite:///{made}", poolclass=NullPool)
                self._initdb(engine)
                with closing(sqlite3.connect(made)) as connection:
                    connection.execute("pragma wal_checkpoint(truncate)")
                made.replace(empty)
        copy = file.with_name(f"{_EMPTY}-{uuid.uuid4().hex}")
        shutil.copyfile(empty, copy)
        with suppress(FileExistsError):
            os.link(copy, file)
        copy.unlink()

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Stores events: those of assets and checks of one run in one transaction of its file and one of the index."""
        of_one_run = len({event.run_id for event in events}) == 1
        if not of_one_run or not all(event.dagster_event_type in ASSET_EVENTS | ASSET_CHECK_EVENTS for event in events):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(_INSERT, rows)
        with self.index_transaction() as connection:
            stored = list(zip(events, connection.scalars(_INSERT_FOR_IDS, rows), strict=True))
            of_assets = [(event, id_) for event, id_ in stored if event.dagster_event_type in ASSET_EVENTS]
            self._store_asset_event_tags(connection, [event for event, _ in of_assets], [id_ for _, id_ in of_assets])
            # the index keeps only an asset's last event of each kind
            latest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, id_)
                for event, id_ in of_assets
            }
            for event, id_ in latest.values():
                self._store_asset_event(connection, event, id_)
        for event, id_ in stored:
            if event.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, id_)

    def wipe(self) -> None:
        """Removes every event."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Closes every connection."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _is_whole(engine: Engine) -> bool:
    """Whether a file has been set up: its schema's version is what Dagster writes last.

    Dagster asks Alembic, which reads all of its migrations for each run, and does nothing for such a file either.
    """
    try:
        with engine.connect() as connection:
            return connection.exec_driver_sql("select count(*) from alembic_version").scalar() == 1
    except DatabaseError:  # no table, no database, locked: Dagster's own way says which, and what it can mend it does
        return False


def write_behind(connection: sqlite3.Connection, _: object) -> None:
    """Lets commits return before they are on the disk. In WAL mode what is lost with the power is the last commits,
    never a part of one: what was built then counts as not built, and is built again."""
    connection.execute("pragma synchronous = normal")
