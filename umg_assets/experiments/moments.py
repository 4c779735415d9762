"""Evidence: all that a readout knows of the data. Aggregates only, no row of a user; an engine or DuckDB makes it.

Users are the users exposed up to `Evidence.through` (by assignment: the active users). A user's numerator and
denominator are sums of two QUANTITIES (definition.py) from the session that holds the first exposure, whole, through
`Evidence.through`; a mean metric's denominator is 1 for every user. Covariates are the same two sums over the
pre-period, 0 for users without one; a mean metric's covariate denominator is 1. Numbers are integers, exact: squares
of milliseconds outgrow 64 bits, so sum them as DECIMAL(38, 0).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

USER_BUCKETS = 1_000
VARIABLES = ("n", "d", "cn", "cd")
ALL = "all"


@dataclass(frozen=True, slots=True)
class UserMoments:
    """Sums over the users of one variant for one metric, in one slice.

    `slice`, `value`: ("all", "") everybody; (segment, its value) one segment, e.g. ("country", "AT"), ("age_group",
    "18-24"), ("tenure", "new" | "returning"); ("day_since", "1") the fixed cohort's n-th day after exposure, the sums
    of that one day only (covariates 0).
    n numerator, d denominator, cn and cd their covariates; `n` is the sum of n over users, `nd` of n * d, and so on.
    nnd, ndd, ddd: optional sums of three factors; with them the variance of a ratio allows for users who hold much of
    the denominator (estimates.py), without them it is a little too small where few users come very often.
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
    """Average ranks of control and one treatment ranked together, for Mann-Whitney.

    `unit` "user": each user with a denominator above 0, by numerator / denominator; "session": each session, by its
    play time (primary metric only, for the literal test). `rank_sum_twice`: twice the sum of the treatment's average
    ranks (an integer); `ties`: the sum of t ** 3 - t over groups of t equal values.
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
    """Sums over the sessions of one variant: session_ms (capped) and its square. For the literal test and progress."""

    variant: str
    sessions: int
    n: int | float
    nn: int | float


@dataclass(frozen=True, slots=True, eq=False)
class BucketSums:
    """Sums over the users of each of 1,000 hash buckets (`assignment.user_bucket`), arrays of shape (1000,)."""

    metric: str
    variant: str
    users: np.ndarray
    n: np.ndarray
    d: np.ndarray

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> tuple["BucketSums", ...]:
        """From rows metric, variant, bucket (0 to 999), users, n, d; a bucket without a row is empty."""
        sums: dict[tuple[str, str], BucketSums] = {}
        for row in rows:
            key = row["metric"], row["variant"]
            one = sums.setdefault(key, cls(*key, *(np.zeros(USER_BUCKETS) for _ in range(3))))
            one.users[row["bucket"]], one.n[row["bucket"]], one.d[row["bucket"]] = row["users"], row["n"], row["d"]
        return tuple(sums.values())


@dataclass(frozen=True, slots=True)
class SessionBin:
    """Sessions of one variant and user bucket whose play time falls in one bin (`bin_of`); empty ones have no row."""

    variant: str
    bucket: int
    bin: int
    sessions: int


BIN_STEPS = ((600_000, 5_000), (3_600_000, 15_000), (86_400_000, 60_000))
"""(up to ms, width in ms): 5 s below 10 minutes, 15 s below an hour, 60 s below a day; longer is the last bin."""


def bin_of(session_ms: int) -> int:
    """The bin of a session's play time, in integer arithmetic, so that every engine agrees."""
    first, start = 0, 0
    for end, width in BIN_STEPS:
        if session_ms < end:
            return first + (session_ms - start) // width
        first, start = first + (end - start) // width, end
    return first


@dataclass(frozen=True)
class Trust:
    """Counts that are looked at before any effect.

    exposed: users by *logged* variant at their first exposure (users in two arms not counted), cumulative;
    exposed_by_day: by local day of the first exposure; exposed_by_segment: (segment, value) -> variant -> users.
    two_arms: users logged in more than one variant. checked, mismatched: users whose logged variant was compared
    with the recomputed one, and those that differ. events: event_name -> variant -> exposed users with such an event.
    top_users: variant -> (users in the top 1 % by the first primary metric's numerator, their sum of it).
    """

    exposed: Mapping[str, int]
    exposed_by_day: Mapping[date, Mapping[str, int]] = field(default_factory=dict)
    exposed_by_segment: Mapping[tuple[str, str], Mapping[str, int]] = field(default_factory=dict)
    two_arms: int = 0
    checked: int = 0
    mismatched: int = 0
    events: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    top_users: Mapping[str, tuple[int, int | float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What the data says through a day. Only `through`, `trust` and the "all" moments are needed; the rest adds parts.

    settled: `through` lies settle_days back, or more; a provisional readout takes no look. complete: `through` is the
    experiment's last day (`Experiment.is_complete`); no day after it is read. frozen: the
    definition (`Experiment.frozen()`) kept at the first exposure. by_assignment: no exposure was logged in both arms.
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
