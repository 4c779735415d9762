"""Who is in a lakehouse: the ids of its users, opened."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from umg_assets import tables
from umg_assets.privacy.seals import Seals
from umg_assets.resources.reading import TableMissingError, stream


def users_of(home: Path) -> Iterator[Mapping[str, str]]:
    """By user_key, the user_id of everybody in the raw tables, some at a time, and again for each table.

    Raises KeyFileError without the keys that open them.
    """
    for kind in tables.KINDS:
        table = tables.RAW[kind]
        if kind == "tracks":
            continue
        try:
            for batch in stream(home, f"select distinct user_key, user_id from {table.name}", table):
                keys, ids = (batch.column(name).to_pylist() for name in ("user_key", "user_id"))
                opened = Seals(home).opened(table, ids)
                yield {key: user_id for key, user_id in zip(keys, opened, strict=True) if user_id}
        except TableMissingError:
            continue
