"""Makes up the ledger of a lakehouse in which so many files land each day."""

import random
from datetime import date, timedelta
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa

from umg_assets import tables
from umg_assets.resources.ledger_rows import SCHEMA
from umg_assets.resources.locations import location_of
from umg_assets.resources.schema import create_table

FIRST = date(2023, 1, 1)
CHUNK = 200
"""Files in one commit of a landing."""
_INSTANT = 1_672_531_200_000_000
"""FIRST in microseconds."""


def make_ledger(home: Path, days: int, a_day: int) -> None:
    """A ledger of so many days, with the same number of files a day, staged and landed."""
    location = location_of(home, tables.DELIVERIES)
    create_table(location, tables.DELIVERIES)
    for number in range(days - 1):
        rows = pa.concat_tables(_commits(number, a_day, number * a_day))
        deltalake.write_deltalake(location.address, rows, mode="append")
    deltalake.DeltaTable(location.address).optimize.compact()
    land_day(home, days - 1, a_day, (days - 1) * a_day)


def land_day(home: Path, number: int, files: int, before: int) -> None:
    """Lands so many files on a day, after so many others."""
    for rows in _commits(number, files, before):
        deltalake.write_deltalake(location_of(home, tables.DELIVERIES).address, rows, mode="append")


def path_of(day: date, file: int) -> str:
    """The path of a file of a made-up ledger."""
    return f"plays/{day}/part-{file:05d}.json.gz"


def _commits(number: int, a_day: int, before: int) -> list[pa.Table]:
    """The commits of a day: chunk by chunk, its files staged and then landed."""
    rows, commits = _landed(number, a_day), []
    for first in range(0, a_day, CHUNK):
        of_chunk = rows.slice(first, CHUNK)
        begun = 2 * (before + first) + 1
        for state, sequence in (("staged", begun), ("landed", begun + of_chunk.num_rows)):
            at = _INSTANT + (number * 86_400 + first + (state == "landed")) * 1_000_000
            own = {
                "sequence": pa.array(np.arange(sequence, sequence + of_chunk.num_rows)),
                "state": pa.repeat(state, of_chunk.num_rows),
                "recorded_at": pa.repeat(at, of_chunk.num_rows),
            }
            columns = [own[name] if name in own else of_chunk.column(name) for name in SCHEMA.names]
            commits.append(pa.table(columns, SCHEMA.names).cast(SCHEMA))
    return commits


def _landed(number: int, a_day: int) -> pa.Table:
    """The files of a day, column by column: millions of rows are made up."""
    day = FIRST + timedelta(days=number)
    file = np.arange(a_day)
    dates = [day - timedelta(days=before) for before in range(30)]
    # each file has plays of the day and of the day before; of each ten one has late ones
    late = np.where(file % 10 == 0, 2 + file % 27, -1)
    offsets = np.concatenate([[0], np.cumsum(2 + (late >= 0))]).astype(np.int32)
    before = np.stack([np.zeros(a_day, np.int64), np.ones(a_day, np.int64), late], axis=1).ravel()
    before = before[before >= 0]
    played = pa.array([str(date_) for date_ in dates]).take(pa.array(before))
    hexed = random.Random(number).randbytes(32 * a_day).hex()
    hashes = [hexed[at : at + 64] for at in range(0, len(hexed), 64)]
    pairs = np.concatenate([[0], np.cumsum(file % 50 == 0)]).astype(np.int32)
    none = pa.ListArray.from_arrays(np.zeros(a_day + 1, np.int32), pa.array([], pa.date32()))
    return pa.table(
        {
            "source": pa.repeat("plays", a_day),
            "path": [path_of(day, position) for position in range(a_day)],
            "signature": [f"104857600-{_INSTANT}{name[:3]}-{_INSTANT}{name[3:6]}-{name[:6]}" for name in hashes],
            "content_hash": hashes,
            "definition_hash": pa.repeat("5" * 64 + "-Europe/Berlin-2023-01-01-30", a_day),
            "delivery_date": pa.repeat(pa.scalar(day), a_day),
            "records": pa.repeat(50_000, a_day),
            "landed": pa.repeat(49_990, a_day),
            "filtered": pa.repeat(0, a_day),
            "quarantined": pa.MapArray.from_arrays(
                np.arange(a_day + 1, dtype=np.int32), pa.repeat("bad_time", a_day), pa.repeat(10, a_day)
            ),
            "rows_by_play_date": pa.MapArray.from_arrays(
                offsets, played, pa.array(np.where(before == 0, 44_000, np.where(before == 1, 5_950, 40)))
            ),
            "repeats": pa.ListArray.from_arrays(pairs, pa.repeat(f"{dates[1]}/{day}", int(pairs[-1]))),
            "play_dates": pa.ListArray.from_arrays(offsets, pa.array(dates).take(pa.array(before))),
            **dict.fromkeys(("chart_months", "window_dates", "chart_dates"), none),
            "generation": pa.repeat(number + 1, a_day),
            "suppressed": pa.repeat(0, a_day),
        }
    )
