"""Days, months, the reporting time zone and the markets: the one place that knows them. Knows no Dagster.

Delivery days are UTC days. Play days and months are local, in the reporting time zone; a month is named by its
first day, also the first, partial one. Keys are ISO dates; a chart's key is `country|month`.
"""

import functools
import importlib.resources
import re
import zoneinfo
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from umg_assets import clock

FIRST_KNOWN = date(1900, 1, 1)
"""Where a user's history begins: before the first delivery, the first known holds."""


_USER_ASSIGNED = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ")
"""The alpha-2 codes that ISO 3166-1 leaves to its users (8.1.3), such as XK for Kosovo."""


def utc_today() -> date:
    """The running UTC day: the delivery date of what is delivered now."""
    return clock.now().date()


def local_today(time_zone: str) -> date:
    """The running local day in the reporting time zone."""
    return clock.now().astimezone(zoneinfo.ZoneInfo(time_zone)).date()


def month_of(day: date) -> date:
    """The first day of a day's month, which names the month's partition."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """The first day of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def months_before(month: date, count: int) -> list[date]:
    """The `count` months that end with `month`, oldest first."""
    months = [month]
    while len(months) < count:
        months.append(month_of(months[-1] - timedelta(days=1)))
    return months[::-1]


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included; empty when last lies before first."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def month_days(months: Iterable[date]) -> list[date]:
    """Every day of the months."""
    return [day for month in months for day in days_between(month, next_month(month) - timedelta(days=1))]


def runs_of_days(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as unbroken ranges (first, last), in order: each one is one run."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def parse_day(text: str) -> date:
    """An ISO date. ValueError says what was expected."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected a date as YYYY-MM-DD, got {text!r}") from None


def parse_month(text: str) -> date:
    """A month as YYYY-MM (or as its first day). ValueError says what was expected."""
    try:
        return month_of(date.fromisoformat(text if len(text) > 7 else f"{text}-01"))
    except ValueError:
        raise ValueError(f"expected a month as YYYY-MM, got {text!r}") from None


def parse_range(text: str) -> tuple[date, date]:
    """A range of days as A:B, both included; a single day is A. ValueError says what was expected."""
    first, _, last = text.partition(":")
    start, end = parse_day(first), parse_day(last or first)
    if end < start:
        raise ValueError(f"expected a range of days as A:B with A not after B, got {text!r}")
    return start, end


@functools.cache
def countries() -> dict[str, str]:
    """ISO 3166-1 alpha-2 codes and English names (the tz database's iso3166.tab)."""
    table = (importlib.resources.files("tzdata.zoneinfo") / "iso3166.tab").read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in table.splitlines() if line and not line.startswith("#"))


def is_country(code: str) -> bool:
    """Whether a text in capitals is a code of ISO 3166-1, or one that it leaves to its users, such as XK for Kosovo."""
    return code in countries() or _USER_ASSIGNED.fullmatch(code) is not None


def end_of(day: date, time_zone: str) -> datetime:
    """The instant at which a local day ends, UTC."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), zoneinfo.ZoneInfo(time_zone))
    return midnight.astimezone(UTC)


def chart_key(country: str, month: date) -> str:
    """The partition key of a month's chart in a market."""
    return f"{country}|{month.isoformat()}"


def split_chart_keys(keys: Iterable[str]) -> tuple[list[str], list[date]]:
    """The markets and the months of chart keys, each once, in order."""
    pairs = [key.split("|") for key in keys]
    return sorted({pair[0] for pair in pairs}), sorted({date.fromisoformat(pair[1]) for pair in pairs})
