"""Every figure of the dashboard's charts is the command line's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from umg_assets import tables
from umg_assets.cli.charts import criterion_of, favourites, top_artists, top_tracks
from umg_assets.cli.nothing import NothingToShowError
from umg_assets.dashboard.figures import month_text
from umg_assets.tables import ARTIST_CRITERIA, CRITERIA
from umg_assets_tests.dashboard.serving import Server, served
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

FIGURES = ("rank", "title", "artist_name", "plays", "streams", "listening_ms", "listeners")


@pytest.fixture(scope="module")
def unguarded(generated_lake: Lake) -> Iterator[Server]:
    """The dashboard over a generated lake, with every figure shown."""
    settings = generated_lake.settings
    dashboard = settings.dashboard.model_copy(update={"minimum_listeners": 1})
    with served(settings.model_copy(update={"dashboard": dashboard})) as server:
        server.watch.show_first()
        yield server


def first_table(server: Server, address: str) -> list[dict[str, Any]]:
    """The rows of the first table of a page, as its JSON gives them."""
    more = "&" if "?" in address else "?"
    answer = server.watch.answer(f"{address}{more}format=json")[0]
    assert answer.status == 200, address
    return next(value for value in json.loads(answer.body).values() if isinstance(value, list))


def same(shown: list[dict[str, Any]], printed: list[dict[str, Any]]) -> bool:
    """Whether two charts hold the same figures, of those that the dashboard shows."""
    names = [name for name in FIGURES if shown and name in shown[0] and name in printed[0]]
    assert {"rank", "plays"} <= set(names)
    return [[row[name] for name in names] for row in shown] == [[_line(row[name]) for name in names] for row in printed]


def _line(value: Any) -> Any:
    """A title on one line, as the dashboard shows it; some have two."""
    return " ".join(value.split()) if isinstance(value, str) else value


def test_every_chart_of_tracks_is_that_of_umg_chart_top_tracks(generated_lake: Lake, unguarded: Server):
    site = unguarded.watch.site
    assert site is not None
    charts = [(market, month) for market, months in site.served.months.items() for month in months]
    assert len(charts) > 10
    for market, month in charts:
        for criterion in CRITERIA:
            shown = first_table(unguarded, f"/charts/{market}/{month_text(month)}?by={criterion}")
            printed = top_tracks(generated_lake.home, market, month, criterion, 1_000).rows
            assert same(shown, printed), (market, month, criterion)


@pytest.mark.parametrize("each_market", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_every_chart_of_artists_is_that_of_umg_chart_top_artists(
    generated_lake: Lake, unguarded: Server, each_market: bool
):
    site = unguarded.watch.site
    assert site is not None
    rows = generated_lake.rows("top_artists_by_genre", "chart_date", "genre", "market")
    of_day = {(row["genre"], row["market"]) for row in rows if row["chart_date"] == site.served.day_shown}
    assert len(of_day) > 10
    for genre, market in sorted(((genre, of) for genre, of in of_day if each_market or of is None), key=str):
        for criterion in map(criterion_of, ARTIST_CRITERIA):
            try:
                printed = top_artists(generated_lake.home, genre, market, None, criterion, 1_000)
            except NothingToShowError:
                continue
            of = f"&market={market}" if market else ""
            assert same(first_table(unguarded, f"/artists/{genre}?by={criterion}{of}"), printed), (genre, market)


def test_every_list_of_favourites_is_that_of_umg_chart_favourites(generated_lake: Lake, unguarded: Server):
    shown = first_table(unguarded, "/favourites")
    groups = {row["age_group"] for row in shown}
    assert groups == {row["age_group"] for row in generated_lake.rows("age_group_favourites", "age_group")}
    for group in groups:
        printed = favourites(generated_lake.home, group, None, 1_000)
        assert same([row for row in shown if row["age_group"] == group], printed), group


def test_a_markets_plays_are_the_sum_of_its_days(generated_lake: Lake, unguarded: Server):
    site = unguarded.watch.site
    assert site is not None
    rows = generated_lake.rows(tables.DAILY_TRACK_PLAYS.name, "play_date", "country", "plays")
    for card in first_table(unguarded, "/"):
        days = (card["month"], card["through"])
        counted = sum(
            row["plays"]
            for row in rows
            if row["country"] == card["market"] and days[0] <= row["play_date"].isoformat() <= days[1]
        )
        assert card["plays"] == counted
