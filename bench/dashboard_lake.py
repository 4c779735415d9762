"""A lakehouse with millions of chart rows, written straight into its tables."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa

from umg_assets import tables
from umg_assets.calendar import months_before
from umg_assets.planning.history import History
from umg_assets.resources.exporting import export_charts
from umg_assets.resources.schema import create_table, delta_schema
from umg_assets.resources.table_location import Folder
from umg_assets.settings.model import read_settings
from umg_assets.tables import ARTIST_CRITERIA, CRITERIA, Table

MARKETS = ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
LAST_DAY = date(2026, 10, 31)
MONTHS = months_before(date(2026, 10, 1), 24)
_GENRES, _RANKS, _TRACKS, _DAYS_A_COMMIT = 12, 10, 50, 25


def make_lake(home: Path, days: int) -> int:
    """Writes so many days of artists' charts (3,600 rows each), 24 months of tracks' charts and two years of sums by
    day, and publishes a set. Returns the rows of charts."""
    home.mkdir(parents=True)
    (home / "staging").mkdir()
    (home / "umg.toml").write_text("first_day = 2023-01-01\n", encoding="utf-8")
    random = np.random.default_rng(7)
    chart_days = [LAST_DAY - timedelta(days=back) for back in reversed(range(days))]
    rows = 0
    for start in range(0, days, _DAYS_A_COMMIT):
        rows += _append(home, tables.TOP_ARTISTS_BY_GENRE, _artists(chart_days[start : start + _DAYS_A_COMMIT], random))
    ranked = _charts(random)
    rows += _append(home, tables.TOP_TRACKS_BY_COUNTRY, ranked)
    moved = {"previous_rank": ranked["rank"], "peak_rank": ranked["rank"], "movement": ["same"] * len(ranked["rank"])}
    rows += _append(home, tables.CHART_MOVEMENTS, {**ranked, **moved, "months_on_chart": ranked["rank"]})
    _append(home, tables.DAILY_TRACK_PLAYS, _daily(random))
    _append(home, tables.MONTHLY_TRACK_PLAYS, {"month": [MONTHS[-1]], "country": ["AT"], "track_id": ["t0"]})
    _append(home, tables.TRACKS, {"track_id": ["t0"]})
    listed = {"chart_date": [LAST_DAY], "age_group": ["18-24"], "rank": [1], "track_id": ["t0"], "plays": [9]}
    _append(home, tables.AGE_GROUP_FAVOURITES, listed)
    _append(home, tables.PLAYS, {"play_date": [LAST_DAY + timedelta(days=1)], "play_id": ["p"]})
    export_charts(read_settings(home), History(()))
    return rows


def _append(home: Path, table: Table, columns: Mapping[str, Sequence[Any]]) -> int:
    path = home / "tables" / table.name
    create_table(Folder(path), table)
    schema = pa.schema(delta_schema(table).to_arrow())
    size = len(next(iter(columns.values())))
    arrays = [pa.array(columns.get(field.name, [None] * size)).cast(field.type) for field in schema]
    deltalake.write_deltalake(path, pa.Table.from_arrays(arrays, schema=schema), mode="append")
    return size


def _product(*values: Sequence[Any]) -> list[list[Any]]:
    """Every combination of the values, as a column each."""
    grids = np.meshgrid(*(np.arange(len(one)) for one in values), indexing="ij")
    return [[one[place] for place in grid.ravel().tolist()] for one, grid in zip(values, grids, strict=True)]


def _figures(size: int, random: np.random.Generator) -> dict[str, Any]:
    plays = random.integers(100, 1_000_000, size)
    return {"plays": plays, "streams": plays // 2, "listening_ms": plays * 120_000}


def _artists(days: Sequence[date], random: np.random.Generator) -> dict[str, Any]:
    genres = [f"Genre {number}" for number in range(_GENRES)]
    day, market, genre, criterion, rank = _product(
        days, [*MARKETS, None], genres, list(ARTIST_CRITERIA), range(1, _RANKS + 1)
    )
    ids = [f"a{number}" for number in random.integers(0, 5_000, len(day))]
    placed = {"chart_date": day, "market": market, "genre": genre, "criterion": criterion, "rank": rank}
    return {**placed, "artist_id": ids, "artist_name": [f"Artist {id_}" for id_ in ids], **_figures(len(day), random)}


def _charts(random: np.random.Generator) -> dict[str, Any]:
    month, market, criterion, rank = _product(MONTHS, MARKETS, list(CRITERIA), range(1, _TRACKS + 1))
    ids = [f"t{(7 * place + of.month) % 90}" for place, of in zip(rank, month, strict=True)]
    names = {"title": [f"Track {id_}" for id_ in ids], "artist_name": [f"Artist of {id_}" for id_ in ids]}
    placed = {"month": month, "country": market, "criterion": criterion, "rank": rank, "track_id": ids}
    people = {"listeners": random.integers(5, 10_000, len(ids)), "data_through": [LAST_DAY] * len(ids)}
    return {**placed, **names, "genre": ["Genre 1"] * len(ids), **_figures(len(ids), random), **people}


def _daily(random: np.random.Generator) -> dict[str, Any]:
    days = [LAST_DAY - timedelta(days=back) for back in range(730)]
    day, market, group, track = _product(days, MARKETS, ["18-24", "25-34"], [f"t{n}" for n in range(25)])
    return {"play_date": day, "country": market, "age_group": group, "track_id": track, **_figures(len(day), random)}
