"""Dagster's event log over SQLite, for runs of many partitions: each event of a range is a row, not a transaction.

Dagster 1.13's own SQLite storage makes a new engine and a new connection for each statement and takes four
transactions an event: 15 to 20 ms, some hundred times a run. Here engines are kept, and the events of a range that
Dagster hands over together (DAGSTER_EVENT_BATCH_SIZE) are stored in one transaction. The files are Dagster's own.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Insert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000


class RangeEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log, with engines kept and batches stored at once."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None):
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing is to be configured."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RangeEventLog":
        """As dagster.yaml asks for it: in the folder of DAGSTER_HOME where Dagster's own would lie."""
        return cls(str(Path(os.environ["DAGSTER_HOME"]) / "history" / "runs"), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; one that is there is not looked for again."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._engines:
                self._engines[shard] = self._engine(shard)
            engine = self._engines[shard]
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        # an engine holds no connection open, but the statements that it has compiled
        return create_engine(
            self.conn_string_for_shard(shard),
            poolclass=NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Stores the events of one run; asset events go into the index too, all in one transaction each."""
        together = len({event.run_id for event in events}) == 1
        if not together or not all(event.dagster_event_type in ASSET_EVENTS for event in events):
            super().store_event_batch(events)
            return
        rows = [self.prepare_insert_event(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            for row in rows:
                connection.execute(row)
        with self.index_transaction() as connection:
            ids = [self._inserted(connection, row) for row in rows]
            self._store_asset_event_tags(connection, events, ids)
            # of an asset, the index keeps the last event of a kind
            last = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, id_)
                for event, id_ in zip(events, ids, strict=True)
            }
            for event, id_ in last.values():
                self._store_asset_event(connection, event, id_)

    @staticmethod
    def _inserted(connection: Connection, row: Insert) -> int:
        key = connection.execute(row).inserted_primary_key
        assert key is not None
        return key[0]
