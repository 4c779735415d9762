"""Charts of windows, by the day on which the window ends: which days there are, who moved, and ranks day by day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from umg_assets.calendar import days_between
from umg_assets.dashboard.page import Sheet
from umg_assets.dashboard.served import Rows, Served
from umg_assets.drawing.lines import rank_line, series
from umg_assets.tables import Table

COMPARED = timedelta(days=7)
"""A window chart is compared with that of so long before."""
Option = tuple[str, str, bool]
"""A choice of a page: its words, its address, whether it is what is shown."""


def complete_days(served: Served, table: Table) -> list[date]:
    """The days of a window chart that may be shown: those up to the day shown, in order."""
    return [day for day in served.days(table) if day <= served.day_shown]


def days_that_link(day: date, newest: date) -> set[date]:
    """The days whose pages link to the page of a day, itself and the newest among them (see day_options)."""
    one = timedelta(days=1)
    return {day, day - one, day + one, day + COMPARED, newest}


def day_options(day: date, days: Sequence[date], to: Callable[[date], str]) -> list[Option]:
    """Links to 7 days before, the day before, the day itself, the day after and the newest: those that there are.

    to: the address of a day's page.
    """
    one, newest = timedelta(days=1), days[-1] if days else day
    steps = [("7 days before", day - COMPARED), ("day before", day - one), (str(day), day), ("day after", day + one)]
    known = [(words, to(other), other == day) for words, other in steps if other == day or other in days]
    return [*known, ("newest", to(newest), False)] if newest > day + one else known


def moved(rows: Rows, key: str, before: Mapping[str, int] | None) -> Rows:
    """The rows (with rank), with previous_rank and movement: up, down, same or new.

    before: the earlier chart's ranks by the key's value; None where there is no earlier chart: then both are None.
    """
    ranks = before or {}
    return [{**row, **_movement(row["rank"], ranks.get(row[key]), before is not None)} for row in rows]


def _movement(rank: int, previous: int | None, has_before: bool) -> dict[str, Any]:
    if not previous:
        return {"previous_rank": None, "movement": "new" if has_before else None}
    movement = "same" if rank == previous else "up" if rank < previous else "down"
    return {"previous_rank": previous, "movement": movement}


@dataclass(frozen=True)
class DailyRanks:
    """Ranks of a window chart day by day. days: in order, none left out. ranks: by key, one a day; None where it was
    not on the chart. size: the lowest rank there can be."""

    days: Sequence[date]
    ranks: Mapping[str, Sequence[int | None]]
    size: int

    def before(self) -> dict[str, int] | None:
        """The ranks of the chart that the last day's is compared with; None where there is no such chart."""
        back = -1 - COMPARED.days
        if len(self.days) < -back:
            return None
        found = {key: rank for key, ranks in self.ranks.items() if (rank := ranks[back]) is not None}
        return found or None

    def line(self, key: str) -> str:
        """A small picture of one's ranks."""
        ranks = self.ranks[key]
        return rank_line(ranks, self.size, self._words(ranks))

    def picture(self, key: str) -> str:
        """A picture of one's ranks, with its axes; a day says its rank when pointed at."""
        ranks = self.ranks[key]
        points = [(str(day), rank) for day, rank in zip(self.days, ranks, strict=True)]
        return series(points, self._words(ranks), lambda rank: f"{rank:.0f}", self.size, downwards=True)

    def sheet(self, key: str, shown: Sequence[str]) -> Sheet:
        """What the pictures of some show, as a table: chart_date, the key, rank; the newest day first."""
        rows = [
            {"chart_date": day, key: one, "rank": self.ranks[one][place]}
            for place, day in reversed(list(enumerate(self.days)))
            for one in shown
        ]
        return Sheet("ranks_by_day", ("chart_date", key, "rank"), rows)

    def _words(self, ranks: Sequence[int | None]) -> str:
        on = [rank for rank in ranks if rank is not None]
        best = f"best {min(on)}, worst {max(on)}, on the chart on {len(on)} of {len(ranks)} days" if on else "none"
        last = ranks[-1] if ranks[-1] is not None else "not on the chart"
        return f"Ranks by day, {self.days[0]} to {self.days[-1]}: {best}; on the last day {last}"


def daily_ranks(
    served: Served, table: Table, key: str, day: date, count: int, size: int, where: Mapping[str, str | None]
) -> DailyRanks:
    """Ranks of the `count` days up to a day, from the first day that the table has. where: values of other columns."""
    first = max(day - timedelta(days=count - 1), min(served.days(table), default=day))
    days = days_between(first, day)
    rows = served.query(
        f"select chart_date, {key}, rank from {served.relation(table, chart_date=days)} "
        f"where {' and '.join(f'{column} is not distinct from ?' for column in where)}",
        *where.values(),
    )
    places = {of: place for place, of in enumerate(days)}
    ranks: dict[str, list[int | None]] = {}
    for row in rows:
        ranks.setdefault(row[key], [None] * len(days))[places[row["chart_date"]]] = row["rank"]
    return DailyRanks(days, ranks, size)
