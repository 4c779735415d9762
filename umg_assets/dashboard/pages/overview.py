"""The front page: a card a market, and the state of the data in one sentence."""

from umg_assets.dashboard.addresses import Ask
from umg_assets.dashboard.page import Page, Sheet
from umg_assets.dashboard.pages.markets import chart_rows, climber, plays_of_month

COLUMNS = (
    "market", "month", "number_one_track_id", "number_one_title", "number_one_artist", "climber_track_id",
    "climber_title", "climber_from", "climber_to", "plays", "plays_in_the_same_days_before", "through",
)  # fmt: skip


def overview(ask: Ask) -> Page:
    """By market, of its newest chart: number one, biggest climber, plays against the same days of the month before."""
    served = ask.served
    cards = []
    for market, months in served.months.items():
        rows = chart_rows(served, market, months[-1], "plays")
        climbed = climber(rows) or {}
        plays, before, through = plays_of_month(served, market, months[-1])
        cards.append(
            {
                "market": market,
                "month": months[-1],
                "number_one_track_id": rows[0]["track_id"],
                "number_one_title": rows[0]["title"],
                "number_one_artist": rows[0]["artist_name"],
                "climber_track_id": climbed.get("track_id"),
                "climber_title": climbed.get("title"),
                "climber_from": climbed.get("previous_rank"),
                "climber_to": climbed.get("rank"),
                "plays": plays,
                "plays_in_the_same_days_before": before,
                "through": through,
            }
        )
    return Page("overview.html", "Overview", {"cards": cards}, [Sheet("markets", COLUMNS, cards)])
