"""Every link of the dashboard leads to a page, however uneven the charts are."""

from datetime import date, timedelta
from typing import Any

import deltalake
import pytest

from umg_assets import tables
from umg_assets.tables import Table
from umg_assets_tests.dashboard.crawling import crawled
from umg_assets_tests.dashboard.made import MadeLake, Song
from umg_assets_tests.dashboard.serving import served

pytestmark = pytest.mark.sail_enough

AUGUST, SEPTEMBER, OCTOBER = (date(2026, month, 1) for month in (8, 9, 10))
POP, JAZZ = Song("t1", "Hymn", 60, 40), Song("t2", "Ode", 40, 30, "Bob", "Jazz")


def rows_of(lake: MadeLake, table: Table) -> list[dict[str, Any]]:
    return deltalake.DeltaTable(lake.home / "tables" / table.name).to_pyarrow_table().to_pylist()


def with_days_before(rows: list[dict[str, Any]], key: str, value: str) -> list[dict[str, Any]]:
    """A window chart of one day, also on the three days before; on the middle one with another value of `key`."""
    days = [*rows]
    for back in (1, 2, 3):
        other = {key: value} if back == 2 else {}
        days += [{**row, "chart_date": row["chart_date"] - timedelta(days=back), **other} for row in rows]
    return days


def test_a_market_a_month_a_criterion_a_genre_or_an_age_group_that_is_missing_elsewhere_leads_nowhere(made: MadeLake):
    made.chart(
        {
            (AUGUST, "AT"): [POP],
            (SEPTEMBER, "AT"): [POP, JAZZ],
            (SEPTEMBER, "DE"): [POP],
            (OCTOBER, "DE"): [POP, JAZZ],
            (OCTOBER, "CH"): [JAZZ],
        }
    )
    for table in (tables.TOP_TRACKS_BY_COUNTRY, tables.CHART_MOVEMENTS):
        without = ("DE", SEPTEMBER, "streams")
        rows = rows_of(made, table)
        made.write(table, [row for row in rows if (row["country"], row["month"], row["criterion"]) != without])
    artists, favourites = tables.TOP_ARTISTS_BY_GENRE, tables.AGE_GROUP_FAVOURITES
    made.write(artists, with_days_before(rows_of(made, artists), "genre", "Polka"))
    made.write(favourites, with_days_before(rows_of(made, favourites), "age_group", "65+"))
    made.publish()
    with served(made.settings) as server:
        server.watch.look()
        found = crawled(server.ask)
    assert {target: answer.status for target, answer in found.items() if answer.status >= 400} == {}
    assert {"/charts/CH/2026-10", "/charts/AT/2026-09?by=streams", "/charts/AT/2026-09?with=DE"} <= found.keys()
    assert "/charts/AT/2026-10" not in found
    assert any("/artists/Polka?" in target for target in found)
    assert any("age_group=65%2B" in target for target in found)


def test_a_genre_that_only_the_catalogue_has_is_a_page_without_a_chart(made: MadeLake):
    made.chart({(OCTOBER, "AT"): [POP]})
    made.write(tables.TRACKS, [{**song.row(), "artist_id": song.artist_name} for song in (POP, JAZZ)])
    made.publish()
    with served(made.settings) as server:
        server.watch.look()
        assert "/artists/Jazz" in server.ask("/tracks/t2").text
        assert "No artist of this genre was played" in server.ask("/artists/Jazz").text
        assert server.ask("/artists/Polka").status == 404
