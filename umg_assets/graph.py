"""What a row of the catalogue says: an asset, its partitions, its inputs and how far back a partition of it looks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum, StrEnum
from typing import NamedTuple

from umg_assets.calendar import days_between
from umg_assets.settings.experiment import Experiment
from umg_assets.tables import Table

WHOLE = ""
"""The partition key of an asset without partitions."""


class Partitioning(Enum):
    """What a partition of an asset is. Days and months are local, delivery days UTC."""

    NONE = "none"
    DELIVERY_DAY = "delivery day"
    DAY = "day"
    MONTH = "month"
    MONTH_AND_MARKET = "month and market"
    MARKET = "market"
    EXPERIMENT_DAY = "day of an experiment"


class Noted(StrEnum):
    """How the ledger notes whom a change affects: each delivery of a kind affects all, or a column names the dates."""

    EVERY_DELIVERY = "every delivery"
    PLAY_DATES = "play_dates"
    CHART_MONTHS = "chart_months"
    WINDOW_DATES = "window_dates"
    CHART_DATES = "chart_dates"


class Lookback(NamedTuple):
    """How many days of an input, before and after its own, a day is made of."""

    before: int = 0
    after: int = 0

    def read_for(self, days: Iterable[date]) -> list[date]:
        """Every day of the input that the days are made of, in order."""
        around = (days_between(day - timedelta(self.before), day + timedelta(self.after)) for day in days)
        return sorted(set().union(*around))

    def affected_by(self, day: date) -> list[date]:
        """The days that are made of the input's day."""
        return days_between(day - timedelta(self.after), day + timedelta(self.before))


SAME_DAY = Lookback()
SESSION_LOOKBACK = Lookback(before=3, after=1)
"""A session may have begun before midnight, or go on past it (transforms/sessions.py says why three days)."""
EVENT_LOOKBACK = Lookback(before=1, after=1)
"""A play's end may be logged on the day after its start (transforms/event_plays.py)."""


@dataclass(frozen=True)
class Input:
    """One thing that an asset is made of.

    lookback: which of its days a day is made of. since: every day of it from this date through the day itself, instead.
    noted: a change reaches the asset by what the ledger notes; None: by any partition of it that is built anew.
    """

    asset: str
    lookback: Lookback = SAME_DAY
    noted: Noted | None = None
    since: date | None = None


@dataclass(frozen=True)
class Asset:
    """One row of the catalogue.

    table: its contract; None for files. job: what builds it; "" for files that others write. step: assets of one step
    are written together, by one function. stored_as: kinds of storage, for people. every_day: each day up to today is a
    partition, with rows of that day or without (a window goes on while nobody plays); otherwise a day is one only
    where an input has that very day. rebuilt_through: it is built again on each day through this one.
    """

    name: str
    table: Table | None
    partitioning: Partitioning
    inputs: tuple[Input, ...]
    job: str
    group: str
    step: str = ""
    stored_as: tuple[str, ...] = ("delta",)
    every_day: bool = False
    experiment: tuple[str, Experiment] | None = None
    rebuilt_through: date | None = None

    @property
    def definition_hash(self) -> str:
        """Of the experiment that it belongs to, else "": what another definition built is stale."""
        return self.experiment[1].definition_hash if self.experiment else ""

    @property
    def upstream(self) -> tuple[str, ...]:
        """The names of what it is made of, each once."""
        return tuple(dict.fromkeys(source.asset for source in self.inputs))

    @property
    def is_partitioned(self) -> bool:
        """Whether it has partitions."""
        return self.partitioning is not Partitioning.NONE
