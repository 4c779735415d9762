"""Addresses of pages: the state of a page is its address, and each page has one only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from umg_assets.calendar import parse_day
from umg_assets.dashboard.figures import month_text
from umg_assets.dashboard.page import NotThereError
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.state import State

Value = TypeVar("Value")


def address(*parts: Any, **query: Any) -> str:
    """The address of a page below the root: parts of its path, then its query, in the alphabet's order; None is left
    out. The root is "/"."""
    path = "/" + "/".join(quote(str(part), safe="") for part in parts)
    given = sorted((name, str(value)) for name, value in query.items() if value is not None)
    return f"{path}?{urlencode(given)}" if given else path


def chart_address(market: str, month: date, by: str = "plays", beside: str | None = None) -> str:
    """The address of the chart of a market and month by a criterion. beside: a market whose chart is shown with it."""
    return address("charts", market, month_text(month), by=None if by == "plays" else by, **{"with": beside})


class Links(Protocol):
    """Where pages link to: a server's addresses, or the files of a snapshot."""

    def to(self, address: str) -> str | None:
        """The link to a page of this site; None where the site does not have it."""
        ...

    def static(self, name: str) -> str:
        """The link to a file of static/."""
        ...


@dataclass(frozen=True)
class ServerLinks:
    """Links to a server's pages. prefix: what a proxy puts before every path, such as /umg."""

    prefix: str = ""

    def to(self, address: str) -> str | None:
        """The link to a page."""
        return self.prefix + address

    def static(self, name: str) -> str:
        """The link to a file of static/."""
        return f"{self.prefix}/static/{name}"


@dataclass(frozen=True)
class Ask:
    """What a page is asked for: a set, the state of the data, the names in the path, and the query."""

    served: Served
    state: State
    path: Mapping[str, str]
    query: Mapping[str, str]

    def choice(
        self, name: str, options: Mapping[str, Value], default: str, links: Sequence[tuple[str, str]] = ()
    ) -> Value:
        """The option that the path or the query names, else the default. Raises NotThereError that names them all."""
        key = self.path.get(name) or self.query.get(name) or default
        if key not in options:
            known = ", ".join(options) or "none"
            raise NotThereError(f"There is no {name} {key!r}. There is: {known}.", links)
        return options[key]

    def day(self, name: str, default: date, days: Sequence[date], to: Callable[[date], str] | None = None) -> date:
        """The day that the query names, one of `days`; else the default. to: the address of a day's page.

        Raises NotThereError that says which days there are, and links those nearest to what was asked for.
        """
        text = self.query.get(name)
        if not text:
            return default
        known = f"There are days from {days[0]} to {days[-1]}." if days else "There is none yet."
        try:
            day = parse_day(text)
        except ValueError:
            raise NotThereError(
                f"Expected a day such as {default}, got {text!r}. {known}", _links(days[-1:], to)
            ) from None
        if day not in days:
            near = [*[of for of in days if of < day][-1:], *[of for of in days if of > day][:1]]
            raise NotThereError(f"There is nothing of {day}. {known}", _links(near, to))
        return day


def _links(days: Sequence[date], to: Callable[[date], str] | None) -> list[tuple[str, str]]:
    return [(str(day), to(day)) for day in days] if to else []
