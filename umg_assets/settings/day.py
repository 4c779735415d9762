"""A day in umg.toml, as TOML writes it or as text; another notation is refused, with the day that is meant."""

import re
from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import BeforeValidator


def expected_day(written: str) -> str:
    """The message for a value that is no day, as it is written, with the day that is meant where only one can be."""
    meant = _meant(written.strip("'\""))
    return f"expected a date as YYYY-MM-DD, got {written}" + (f"; did you mean {meant}?" if meant else "")


def _check_day(value: Any) -> date:
    """A date; of a datetime at midnight, its date. Raises ValueError for all else, numbers among them."""
    if isinstance(value, datetime):
        if value.time() == time():
            return value.date()
        raise ValueError(expected_day(value.isoformat()))
    if isinstance(value, date):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"expected a date as YYYY-MM-DD, got {value!r}: there is no such day") from None
    raise ValueError(expected_day(repr(value)))


Day = Annotated[date, BeforeValidator(_check_day)]
"""A setting that is a day."""


def _meant(text: str) -> date | None:
    """The only day that a text in another notation can mean; None for 3/4/2026, which is one here, another there."""
    year_first = re.match(r"(\d{4})([-/. ]?)(\d{1,2})\2(\d{1,2})(?:[T ].*)?$", text)
    if year_first:
        return _day(year_first[1], year_first[3], year_first[4])
    year_last = re.match(r"(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4})$", text)
    if not year_last:
        return None
    first, separator, second, year = year_last.groups()
    days = {_day(year, second, first)} | (set() if separator == "." else {_day(year, first, second)})
    known = [day for day in days if day]
    return known[0] if len(known) == 1 else None


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
