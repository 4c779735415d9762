"""The favourites of each age group: what the app shows; and one group's ranks day by day."""

from datetime import date
from typing import Any

from umg_assets.dashboard.addresses import Ask, address
from umg_assets.dashboard.figures import guarded
from umg_assets.dashboard.page import NotThereError, Page, Sheet
from umg_assets.dashboard.pages.windows import COMPARED, complete_days, daily_ranks, day_options, days_that_link, moved
from umg_assets.dashboard.served import Rows, Served
from umg_assets.tables import AGE_GROUP_FAVOURITES

LINE_DAYS = 30
"""Days of a line of ranks."""
COLUMNS = ("age_group", "rank", "track_id", "title", "artist_name", "plays")
GROUP_COLUMNS = ("rank", "movement", "previous_rank", "track_id", "title", "artist_name", "plays")


def favourites(ask: Ask) -> Page:
    """A column an age group; of one group, if the address names it, movement and ranks of 30 days."""
    served, group = ask.served, ask.query.get("age_group")
    days = complete_days(served, AGE_GROUP_FAVOURITES)
    day = ask.day("day", served.day_shown, days, lambda of: _to(served, of, group))
    rows = _lists(served, day)
    known = {row["age_group"] for row in [*rows, *_lists(served, served.day_shown)]}
    if group and group not in known and _had_a_list(served, group, day):
        known.add(group)
    groups = sorted(known, key=_order)
    content: dict[str, Any] = {
        "day": day,
        "is_shown": day == served.day_shown,
        "compared": day - COMPARED,
        "days": day_options(day, days, lambda of: _to(served, of, group)),
        "groups": [(name, _to(served, day, name), name == group) for name in groups],
        "all_groups": _to(served, day, None),
        "group": group,
    }
    if group is None:
        lists = [(name, _to(served, day, name), [row for row in rows if row["age_group"] == name]) for name in groups]
        content |= {"lists": lists}
        ordered = [row for _, _, listed in lists for row in listed]
        return Page("favourites.html", f"Favourites {day}", content, [Sheet("favourites", COLUMNS, ordered)])
    if group not in groups:
        links = [(words, target) for words, target, _ in content["groups"]]
        raise NotThereError(f"There is no age group {group!r}. There is: {', '.join(groups) or 'none yet'}.", links)
    size = served.definitions["favourites"]
    ranks = daily_ranks(served, AGE_GROUP_FAVOURITES, "track_id", day, LINE_DAYS, size, {"age_group": group})
    listed = moved([row for row in rows if row["age_group"] == group], "track_id", ranks.before())
    for row in listed:
        row["line"], row["picture"] = ranks.line(row["track_id"]), ranks.picture(row["track_id"])
    content |= {"rows": listed, "line_days": len(ranks.days)}
    sheets = [Sheet("favourites", GROUP_COLUMNS, listed), ranks.sheet("track_id", [row["track_id"] for row in listed])]
    return Page("favourites_group.html", f"Favourites {group} {day}", content, sheets)


def _to(served: Served, day: date, group: str | None) -> str:
    return address("favourites", day=None if day == served.day_shown else day, age_group=group)


def _lists(served: Served, day: date) -> Rows:
    rows = served.query(
        f"""select age_group, rank, track_id, title, artist_name, plays
        from {served.relation(AGE_GROUP_FAVOURITES, chart_date=day)} order by age_group, rank"""
    )
    return guarded(rows, served.settings.minimum_listeners, ("plays",))


def _had_a_list(served: Served, group: str, day: date) -> bool:
    """Whether an age group has a list on a day whose page links here."""
    lists = served.relation(AGE_GROUP_FAVOURITES, chart_date=days_that_link(day, served.day_shown))
    return bool(served.query(f"select 1 from {lists} where age_group = ? limit 1", group))


def _order(group: str) -> tuple[int, str]:
    """Age groups by their lower bound, those that begin with none at the end."""
    digits = group[: len(group) - len(group.lstrip("0123456789"))]
    return (int(digits) if digits.isascii() and digits else 1000, group)
