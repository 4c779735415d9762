"""Tracks and artists on any chart, found by what somebody types."""

from umg_assets import tables
from umg_assets.dashboard.addresses import Ask
from umg_assets.dashboard.page import Page, Sheet

MOST = 50
TRACK_COLUMNS = ("track_id", "title", "artist_name", "genre", "markets", "months")
ARTIST_COLUMNS = ("artist_name", "genre", "tracks")


def search(ask: Ask) -> Page:
    """Tracks whose title, artist or id holds what was typed, accents and case folded; and artists of window charts."""
    served, typed = ask.served, " ".join(ask.query.get("q", "").split())[:200]
    tracks = artists = []
    if typed:
        has = "contains(strip_accents(lower(coalesce({0}, ''))), strip_accents(lower(?)))"
        charts = served.relation(tables.TOP_TRACKS_BY_COUNTRY)
        tracks = served.query(
            f"""select track_id, any_value(title) as title,
                any_value(artist_name) as artist_name, any_value(genre) as genre,
                count(distinct country) as markets, count(distinct month) as months
            from {charts}
            where {has.format("title")} or {has.format("artist_name")} or lower(track_id) = lower(?)
            group by track_id order by months desc, markets desc, track_id limit {MOST}""",
            typed, typed, typed,
        )  # fmt: skip
        artists = served.query(
            f"""select artist_name, genre, count(distinct track_id) as tracks from {charts}
            where {has.format("artist_name")} and genre is not null
            group by all order by tracks desc, artist_name, genre limit {MOST}""",
            typed,
        )
    sheets = [Sheet("tracks", TRACK_COLUMNS, tracks), Sheet("artists", ARTIST_COLUMNS, artists)]
    content = {"typed": typed, "tracks": tracks, "artists": artists, "most": MOST}
    return Page("search.html", f"Search {typed}".strip(), content, sheets)
