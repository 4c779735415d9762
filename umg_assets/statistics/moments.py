"""Evidence: all that a readout knows about the data. Aggregates only, no row of a user; an engine or DuckDB sums it.

Users are the users exposed up to `Evidence.through` (by assignment: the active users). A user's numerator and
denominator are sums of two QUANTITIES (settings/experiment.py), from the session with the first exposure (all of it)
through `Evidence.through`; a mean metric's denominator is 1 for every user. Covariates are the same two sums over the
pre-period, 0 for users without one; a mean metric's covariate denominator is 1. Numbers are exact integers: squares of
milliseconds outgrow 64 bits, so sum them as DECIMAL(38, 0).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

USER_BUCKETS = 1_000
VARIABLES = ("n", "d", "cn", "cd")
"""A user's numerator, denominator, and the covariates of the two."""
ALL = "all"
"""The slice with every user."""


@dataclass(frozen=True, slots=True)
class UserMoments:
    """Sums over the users of one variant for one metric, in one slice.

    metric, variant: their names. users: how many were summed.
    n, d, cn, cd: sums of the users' numerators, denominators, and the covariates of the two.
    nn, nd, ... cdcd: sums of the products of two of them: `nd` sums n * d.
    nnd, ndd, ddd: sums of products of three, optional. With them, a ratio's variance allows for users who hold much of
    the denominator (`estimates.leverage`); without them it is a little too small if few users come very often.
    slice, value: ("all", "") all users; (segment, its value) the users of a segment, e.g. ("country", "AT"),
    ("age_group", "18-24"), ("tenure", "new" | "returning"); ("day_since", "1") a fixed cohort's n-th day after
    exposure: sums of that day only (covariates 0).
    """

    metric: str
    variant: str
    users: int
    n: int | float
    d: int | float
    nn: int | float
    nd: int | float
    dd: int | float
    cn: int | float = 0
    cd: int | float = 0
    ncn: int | float = 0
    ncd: int | float = 0
    dcn: int | float = 0
    dcd: int | float = 0
    cncn: int | float = 0
    cncd: int | float = 0
    cdcd: int | float = 0
    nnd: int | float = 0
    ndd: int | float = 0
    ddd: int | float = 0
    slice: str = ALL
    value: str = ""


@dataclass(frozen=True, slots=True)
class RankSums:
    """Ranks of control and one treatment, ranked together, for Mann-Whitney. Equal values share their average rank.

    metric, treatment: their names. control_count, treatment_count: units ranked.
    rank_sum_twice: twice the sum of the treatment's ranks, which is an integer.
    ties: the sum of t ** 3 - t over groups of t equal values.
    unit: "user" ranks each user whose denominator is above 0, by numerator / denominator; "session" ranks each session
    by its play time (first primary metric only, for the literal test).
    """

    metric: str
    treatment: str
    control_count: int
    treatment_count: int
    rank_sum_twice: int
    ties: int
    unit: str = "user"


@dataclass(frozen=True, slots=True)
class SessionMoments:
    """Sums over the sessions of one variant, for the literal test and progress.

    variant: its name. sessions: how many. n, nn: sums of session_ms (capped play time) and of its square.
    """

    variant: str
    sessions: int
    n: int | float
    nn: int | float

    @property
    def variance(self) -> float:
        """Of a session's play time, with sessions - 1; 0 where sums of decimals are below it by rounding.

        Raises ZeroDivisionError under 2 sessions.
        """
        return max((self.sessions * self.nn - self.n * self.n) / (self.sessions * (self.sessions - 1)), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class BucketSums:
    """Sums over the users of each of 1,000 hash buckets (`assignment.user_bucket`).

    metric, variant: their names. users, n, d: number of users, sums of numerators and of denominators, by bucket:
    arrays of shape (1000,).
    """

    metric: str
    variant: str
    users: np.ndarray
    n: np.ndarray
    d: np.ndarray

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> tuple["BucketSums", ...]:
        """From rows with metric, variant, bucket (0 to 999), users, n, d; a bucket without a row is empty."""
        by_key: dict[tuple[str, str], BucketSums] = {}
        for row in rows:
            key, bucket = (row["metric"], row["variant"]), row["bucket"]
            sums = by_key.setdefault(key, cls(*key, *(np.zeros(USER_BUCKETS) for _ in range(3))))
            sums.users[bucket], sums.n[bucket], sums.d[bucket] = row["users"], row["n"], row["d"]
        return tuple(by_key.values())


@dataclass(frozen=True, slots=True)
class SessionBin:
    """How many sessions of one variant and user bucket have a play time in one bin; empty bins have no row.

    variant: its name. bucket: `assignment.user_bucket`. bin: `bin_of` the play time. sessions: how many.
    """

    variant: str
    bucket: int
    bin: int
    sessions: int


BIN_STEPS = ((600_000, 5_000), (3_600_000, 15_000), (86_400_000, 60_000))
"""(up to ms, width in ms): 5 s below 10 minutes, 15 s below an hour, 60 s below a day; the last bin holds the rest."""


def bin_of(session_ms: int) -> int:
    """The bin of a session's play time in ms, by integer arithmetic, so that all engines agree."""
    first, start = 0, 0
    for end, width in BIN_STEPS:
        if session_ms < end:
            return first + (session_ms - start) // width
        first, start = first + (end - start) // width, end
    return first


@dataclass(frozen=True)
class Trust:
    """Counts that are checked before any effect is read. All are of users, up to `Evidence.through`.

    exposed: by the variant *logged* at their first exposure; users seen in two variants are left out.
    exposed_by_day: the same by local day of the first exposure.
    exposed_by_segment: the same by (segment, value), such as ("country", "AT").
    two_arms: logged in more than one variant.
    checked, mismatched: whose logged variant was compared with the recomputed one, and those for whom the two differ.
    events: event_name -> variant -> exposed users with such an event.
    rows, without_variant, without_unit: a file's rows, and those left out because they name no variant, or no unit.
    top_users: variant -> (how many are in the top 1 % by the first primary metric's numerator, the sum of theirs).
    """

    exposed: Mapping[str, int]
    exposed_by_day: Mapping[date, Mapping[str, int]] = field(default_factory=dict)
    exposed_by_segment: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    two_arms: int = 0
    checked: int = 0
    mismatched: int = 0
    events: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    top_users: Mapping[str, tuple[int, int | float]] = field(default_factory=dict)
    rows: int = 0
    without_variant: int = 0
    without_unit: int = 0


@dataclass(frozen=True)
class Evidence:
    """What the data says through a day. A readout needs `through`, `trust` and the "all" moments; the rest adds parts.

    through: the last local day that is counted.
    settled: whether `through` is settle_days or more back; a provisional readout takes no look.
    complete: whether `through` completes the experiment (`Experiment.is_complete`); later days are not read.
    trust: counts for the checks that come before any effect.
    moments: by metric, variant and slice.
    sessions: by variant.
    ranks: by metric, treatment and unit.
    buckets, session_bins: for the bootstrap and for quantiles of session length; of whole weeks only.
    frozen: the definition (`Experiment.frozen()`) kept at the first exposure; None before it.
    by_assignment: whether users count as the hash assigns them, because no exposure is logged in both variants.
    cap_ms: the play time at which a session is capped; None without a pre-period.
    """

    through: date
    settled: bool
    complete: bool
    trust: Trust
    moments: tuple[UserMoments, ...]
    sessions: tuple[SessionMoments, ...] = ()
    ranks: tuple[RankSums, ...] = ()
    buckets: tuple[BucketSums, ...] = ()
    session_bins: tuple[SessionBin, ...] = ()
    frozen: Mapping[str, Any] | None = None
    by_assignment: bool = False
    cap_ms: int | None = None
