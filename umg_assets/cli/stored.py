"""What `umg doctor` says of what is stored: Dagster's instance, the tables, and the keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from umg_assets import tables
from umg_assets.privacy.keys import KeyFileError, UserKeys
from umg_assets.privacy.seals import Seals
from umg_assets.resources.dagster_storage import ruined
from umg_assets.resources.delta_log import TableDamagedError, is_table, newest_version, open_table
from umg_assets.resources.faults import explained, in_one_line, ruin
from umg_assets.resources.locations import location_of

State = Literal["good", "bad"]


def stored(home: Path) -> Iterator[tuple[State, str, str]]:
    """State, subject and text of each finding; nothing before the first run."""
    if (home / "dagster").exists():
        yield from _instance(home)
    there = [table for table in tables.ALL if any(location_of(home, table).files())]
    damaged = list(_damaged(home, there))
    for text in damaged:
        yield "bad", "tables", text
    if there and not damaged:
        yield "good", "tables", f"{len(there)} can be opened"
    if newest_version(location_of(home, tables.DELIVERIES)) > 0:  # something has landed
        yield from _keys(home)


def _instance(home: Path) -> Iterator[tuple[State, str, str]]:
    """Dagster's instance, opened, and its files."""
    damaged = ruined(home / "dagster")
    for file, why in damaged.items():
        yield "bad", "Dagster", ruin(home, file, why)
    if damaged:
        return
    from umg_assets.resources.instance import open_instance

    try:
        with open_instance(home) as instance:
            instance.get_runs(limit=1)
    except Exception as error:  # whatever keeps it from opening
        yield "bad", "Dagster", explained(str(error), home) or in_one_line(str(error))
    else:
        yield "good", "Dagster", f"{home / 'dagster'} can be opened"


def _damaged(home: Path, there: list[tables.Table]) -> Iterator[str]:
    for table in there:
        location = location_of(home, table)
        try:
            if is_table(location):
                open_table(location)
        except (TableDamagedError, OSError) as error:
            yield explained(str(error), home) or str(error)


def _keys(home: Path) -> Iterator[tuple[State, str, str]]:
    try:
        UserKeys(home).of([])
        names = Seals(home).names
    except KeyFileError as error:
        yield "bad", "keys", str(error)
    else:
        yield "good", "keys", f"user_key, and seal with {len(names)} key{'s' if len(names) > 1 else ''}"
