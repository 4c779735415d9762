"""The state of the data behind a published set: what is late, set aside or not published, and what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from umg_assets import tables
from umg_assets.dashboard.served import Served
from umg_assets.resources.delta_log import commit_file, newest_version
from umg_assets.resources.findings import Finding, Level, findings_of, time_of, worst_first
from umg_assets.resources.locations import location_of
from umg_assets.resources.status import newest_sums
from umg_assets.resources.table_location import Location
from umg_assets.settings.model import Settings
from umg_assets.text import counted

WAITING = timedelta(hours=1)
"""Newer tables that are not published for longer are no run under way."""


@dataclass(frozen=True)
class Versions:
    """A table's version that is published, the newest, and since when there is a newer one (UTC); None: there is none.
    -1: the table has none."""

    table: str
    published: int
    newest: int
    newer_since: datetime | None


@dataclass(frozen=True)
class Defined:
    """An experiment in umg.toml. has_begun: whether its first local day has."""

    name: str
    hypothesis: str
    owner: str
    first_day: date
    has_begun: bool


@dataclass(frozen=True)
class State:
    """Findings, the worst first; of each published table the version published, the newest, and when the first after
    the published one was written (UTC); and the experiments in umg.toml. sums: of the ledger, as planning/health.py
    makes them. as_of: when it was so, on pages that stay as they are."""

    findings: tuple[Finding, ...]
    versions: tuple["Versions", ...] = ()
    experiments: tuple["Defined", ...] = ()
    sums: Mapping[str, Any] = field(default_factory=dict)
    as_of: str = ""

    @property
    def level(self) -> Level:
        """The worst level of any finding."""
        return self.findings[0].level if self.findings else "good"

    @property
    def words(self) -> str:
        """The state in two or three words."""
        worst = sum(finding.level == self.level for finding in self.findings)
        if self.level == "good":
            return "data in order"
        if self.level == "note":
            return "1 note" if worst == 1 else f"{worst} notes"
        return "1 thing is wrong" if worst == 1 else f"{worst} things are wrong"

    @property
    def sentence(self) -> str:
        """The state in one sentence."""
        return self.findings[0].sentence if self.level != "good" else "Everything that was delivered is in the charts."


def state_of(served: Served, settings: Settings, now: datetime) -> State:
    """The state of the data now (UTC)."""
    versions = tuple(_versions(served))
    sums = newest_sums(served.home, served.health)
    found = [
        *_unpublished(served, versions, now),
        *findings_of(served.home, sums, served.complete_through, settings, now),
    ]
    today = now.astimezone(ZoneInfo(settings.time_zone)).date()
    defined = tuple(
        Defined(name, experiment.hypothesis, experiment.owner, experiment.first_day, today >= experiment.first_day)
        for name, experiment in settings.experiments.items()
    )
    return State(worst_first(found), versions, defined, sums)


def _versions(served: Served) -> Iterator[Versions]:
    for table in tables.PUBLISHED:
        location, published = location_of(served.home, table), served.manifest["versions"][table.name]
        newest = newest_version(location)
        since = _first_after(location, published, served.published_at) if newest > published else None
        yield Versions(table.name, published, newest, since)


def _first_after(location: Location, version: int, published_at: datetime) -> datetime:
    """When the version after another was committed; once its log file has gone, when the set was published."""
    return location.written_at(commit_file(version + 1)) or published_at


def _unpublished(served: Served, versions: Sequence[Versions], now: datetime) -> Iterator[Finding]:
    """Tables that have been written since the set was published."""
    since = [of.newer_since for of in versions if of.newer_since]
    if not since:
        yield Finding("good", "published", "The newest state of the tables is published.", time_of(served.published_at))
        return
    first = min(since)
    is_stuck = now - first > WAITING
    action = "a check is red or a run has failed: see Dagster, or type `umg run`" if is_stuck else ""
    figure = counted(len(since), "table")
    yield Finding(
        "bad" if is_stuck else "note",
        "not published",
        f"Shown is the set of {time_of(served.published_at)}; tables are newer since {time_of(first)}.",
        figure,
        action or "it is published when the run under way has ended",
    )
