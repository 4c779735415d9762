"""What plays of a month, or of some days, are compared with: days that are as complete, of a market that was there."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from umg_assets import tables
from umg_assets.calendar import days_between
from umg_assets_tests.dashboard.made import MadeLake, Song
from umg_assets_tests.dashboard.serving import Server, served

pytestmark = pytest.mark.sail_enough

ONE = [Song("t1", "Song 1", 3_000, 90)]


def played(made: MadeLake, first_days: Mapping[str, date], newest: date) -> MadeLake:
    """100 plays a day in each market, from its first day to the one before the newest; 8 on the newest."""
    months = sorted({day.replace(day=1) for day in days_between(min(first_days.values()), newest)})
    made.chart(
        {(month, market): ONE for market, first in first_days.items() for month in months if month >= first}, newest
    )
    rows = [
        {
            "play_date": day,
            "country": market,
            "track_id": "t1",
            "age_group": "18-24",
            "plays": 8 if day == newest else 100,
        }
        for market, first in first_days.items()
        for day in days_between(first, newest)
    ]
    made.write(tables.DAILY_TRACK_PLAYS, [{**row, "streams": 0, "listening_ms": 0} for row in rows])
    return made.publish()


def cards(server: Server) -> dict[str, tuple[Any, ...]]:
    """By market, plays of its newest month, plays before, and the last day counted."""
    rows = json.loads(server.ask("/?format=json").text)["markets"]
    return {row["market"]: (row["plays"], row["plays_in_the_same_days_before"], row["through"]) for row in rows}


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        pytest.param(date(2027, 3, 1), (None, None, None), id="no day complete"),
        pytest.param(date(2027, 3, 2), (100, 100, "2027-03-01"), id="one day"),
        pytest.param(date(2027, 3, 29), (2_800, 2_800, "2027-03-28"), id="as many days as February has"),
        pytest.param(date(2027, 3, 30), (2_900, None, "2027-03-29"), id="a day that February has not"),
        pytest.param(date(2027, 3, 31), (3_000, None, "2027-03-30"), id="two days that February has not"),
    ],
)
def test_a_running_month_is_compared_with_the_same_days_before_or_not_at_all(
    made: MadeLake, newest: date, expected: tuple
):
    with served(played(made, {"AT": date(2027, 1, 1)}, newest).settings) as server:
        server.watch.show_first()
        assert cards(server) == {"AT": expected}
        pages = [server.ask(address).text for address in ("/", "/charts/AT/2027-03")]
        assert ["no day is complete yet" in page for page in pages] == [expected[0] is None] * 2
        assert not [page for page in pages if "92" in page.split("<footer>")[0] and "%" in page.split("<footer>")[0]]


def test_a_whole_month_is_compared_with_the_whole_month_before(made: MadeLake):
    lake = played(made, {"AT": date(2027, 1, 1)}, date(2027, 4, 1))
    with served(lake.settings) as server:
        server.watch.show_first()
        assert "+10.7 %" in server.ask("/charts/AT/2027-03").text


def test_a_market_is_compared_with_no_period_within_which_it_began(made: MadeLake):
    """LI began on 21 September: neither October nor its last 28 days have as many days to be compared with."""
    lake = played(made, {"AT": date(2026, 8, 1), "LI": date(2026, 9, 21)}, date(2026, 11, 1))
    lake.chart({(month, market): ONE for month in (date(2026, 9, 1), date(2026, 10, 1)) for market in ("AT", "LI")})
    played_days = {"AT": date(2026, 8, 1), "LI": date(2026, 9, 21)}
    lake.write(
        tables.DAILY_TRACK_PLAYS,
        [
            {"play_date": day, "country": market, "track_id": "t1", "age_group": "18-24", "plays": 100}
            for market, first in played_days.items()
            for day in days_between(first, date(2026, 11, 1))
        ],
    )
    lake.publish()
    with served(lake.settings) as server:
        server.watch.show_first()
        assert cards(server) == {"AT": (3_100, 3_000, "2026-10-31"), "LI": (3_100, None, "2026-10-31")}
        wanted = "/plays?from=2026-10-04&to=2026-10-31"
        page = json.loads(server.ask(f"{wanted}&format=json").text)
        assert [tuple(row.values())[:4] for row in page["markets"]] == [
            ("overall", 5_600, 4_100, 36.6), ("AT", 2_800, 2_800, 0.0), ("LI", 2_800, None, None),
        ]  # fmt: skip
        assert "LI on 2026-09-21" in server.ask(wanted).text
        assert "had not begun (2026-09-21)" in server.ask(f"{wanted}&market=LI").text
        assert json.loads(server.ask(f"{wanted}&market=LI&format=json").text)["tracks_that_grew"] == []
