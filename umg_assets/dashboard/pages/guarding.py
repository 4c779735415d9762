"""Plays of markets and days without those of few listeners, and without what would tell those by subtraction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from umg_assets.dashboard.figures import Few, Withheld
from umg_assets.dashboard.pages.names import OVERALL
from umg_assets.dashboard.served import Rows

_PERIOD, _BEFORE = "period", "before"
_Cell = tuple[Any, str]
"""A figure of plays: of a day, of _PERIOD or of _BEFORE; and of a market or OVERALL."""


class _Sum(NamedTuple):
    """A sum that readers can do. parts: figures that add up to the whole, or to less, where others are not shown."""

    whole: _Cell
    parts: Sequence[_Cell]


def guarded_plays(rows: Rows, by_day: Rows, minimum: int) -> tuple[Rows, Rows]:
    """The rows of markets and of days as they may be shown.

    rows: market (OVERALL, then each), plays, plays_before (None: nothing to compare with), streams, listening_ms, and
    new: where it is set, plays_before becomes None. by_day: play_date, and plays of each market. A figure of fewer than
    `minimum` plays is `Few`. Where that is the only one hidden of a sum that is shown (the markets of a day or period,
    the days of a market), the smallest shown of its parts is `Withheld`. The rows gain change_percent, None where
    either of its figures is not shown.
    """
    markets = [row["market"] for row in rows if row["market"] != OVERALL]
    days = [row["play_date"] for row in by_day]
    times = [_PERIOD, *([_BEFORE] if rows[0]["plays_before"] is not None else []), *days]
    plays: dict[_Cell, int] = {(_PERIOD, row["market"]): row["plays"] for row in rows}
    plays |= {(_BEFORE, row["market"]): row["plays_before"] for row in rows if row["plays_before"] is not None}
    plays |= {(row["play_date"], market): row[market] for row in by_day for market in (OVERALL, *markets)}
    few = {cell for cell, count in plays.items() if count < minimum}
    few |= {(_BEFORE, market) for time, market in few if time == _PERIOD and (_BEFORE, market) in plays}
    sums = [_Sum((time, OVERALL), [(time, market) for market in markets]) for time in times]
    sums += [_Sum((_PERIOD, of), [(day, of) for day in days]) for of in (OVERALL, *markets)]
    withheld = _withheld(plays, few, sums)

    def shown(cell: _Cell, value: Any) -> Any:
        return Few(minimum) if cell in few else Withheld(minimum) if cell in withheld else value

    guarded_rows = []
    for row in rows:
        now, before = (_PERIOD, row["market"]), (_BEFORE, row["market"])
        figures = {name: shown(now, row[name]) for name in ("plays", "streams", "listening_ms")}
        then = None if row["new"] or row["plays_before"] is None else shown(before, row["plays_before"])
        guarded_rows.append({**row, **figures, "plays_before": then, "change_percent": _change(figures["plays"], then)})
    return guarded_rows, [
        {name: value if name == "play_date" else shown((row["play_date"], name), value) for name, value in row.items()}
        for row in by_day
    ]


def _withheld(plays: Mapping[_Cell, int], few: Collection[_Cell], sums: Sequence[_Sum]) -> set[_Cell]:
    """What else to hide, so that no sum has just one hidden figure: the others would tell it. Nobody (0) may be told.

    It is the smallest shown part, the first of equals; the whole where no part is shown and it is their sum.
    """
    hidden = {*few}
    is_settled = False
    while not is_settled:
        is_settled = True
        for whole, parts in sums:
            of_sum = [cell for cell in (whole, *parts) if cell in hidden]
            if len(of_sum) != 1 or not plays[of_sum[0]]:
                continue
            others = [cell for cell in parts if cell not in hidden]
            if not others and whole not in hidden and plays[whole] == sum(plays[cell] for cell in parts):
                others = [whole]
            if others:
                hidden.add(min(others, key=lambda cell: plays[cell]))
                is_settled = False
    return hidden - {*few}


def _change(now: Any, before: Any) -> float | None:
    is_known = isinstance(now, int) and isinstance(before, int) and before
    return round(100 * (now - before) / before, 1) if is_known else None
