"""Random experiments: users with heavy tails, returning visits and day effects, aggregated to a readout's evidence."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy.stats import rankdata

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import Evidence, RankSums, SessionMoments, Trust, UserMoments
from umg_assets.statistics.power import PastWindow

DAYS = 14
FIRST_DAY = date(2026, 3, 2)
METRIC = "session_duration"
WEEKDAYS = np.array([0.9, 0.9, 0.95, 1.0, 1.15, 1.2, 0.9])
"""Visits by weekday, Monday first."""


@dataclass(frozen=True)
class World:
    """Users as a lakehouse has them. Lengths are in seconds; spreads are standard deviations of logarithms.

    users: how many take part. visits: mean number of visits in DAYS days. visit_spread, length_spread: between users.
    length: median of a user's typical session. within: between the sessions of a user. day_spread: of a common factor
    on the lengths of a day. newcomers: share of users without a pre-period. cap: of a session.
    """

    users: int = 5_000
    visits: float = 4.0
    visit_spread: float = 1.0
    length: float = 600.0
    length_spread: float = 0.75
    within: float = 0.8
    day_spread: float = 0.1
    newcomers: float = 0.2
    cap: float = 14_400.0


def definition(minimum_effect: float = 0.1, alpha: float = 0.05) -> Experiment:
    """The experiment to draw: play time per session, two weeks, one look a day."""
    return Experiment(
        hypothesis="drawn: nothing, or longer sessions in b",
        owner="bench",
        salt="bench",
        variants={"control": 1, "b": 1},
        first_day=FIRST_DAY,
        primary=(METRIC,),
        minimum_effect=minimum_effect,
        alpha=alpha,
    )


@dataclass(frozen=True)
class Sessions:
    """The sessions of an experiment, ordered by day, and its users' pre-period sums and variants.

    user, seconds: by session; day_ends: by day, the index after its last session; before: by user, seconds and number
    of sessions of the pre-period; treated: by user, 1 or 0.
    """

    user: np.ndarray
    day_ends: np.ndarray
    seconds: np.ndarray
    before: np.ndarray
    treated: np.ndarray


def draw(world: World, lift: float, rng: np.random.Generator) -> Sessions:
    """Draws an experiment whose treated sessions are longer by the factor 1 + lift."""
    users = world.users
    rate = world.visits / DAYS * np.exp(rng.normal(-(world.visit_spread**2) / 2, world.visit_spread, users))
    mean = np.log(world.length) + rng.normal(0, world.length_spread, users)
    treated = rng.integers(0, 2, users, dtype=np.int8)
    days = np.tile(WEEKDAYS, 2 * DAYS // 7 + 1)
    common = rng.normal(0, world.day_spread, 2 * DAYS)
    sums = np.zeros((users, 2))
    user_of, seconds_of, ends = [], [], []
    old = rng.random(users) >= world.newcomers
    for day in range(-DAYS, DAYS):
        counts = rng.poisson(rate * days[day + DAYS])
        if day < 0:
            counts = counts * old
        user = np.repeat(np.arange(users), counts)
        logs = mean[user] + common[day + DAYS] + world.within * rng.standard_normal(len(user))
        seconds = np.exp(logs)
        if day >= 0:
            seconds *= 1 + lift * treated[user]
        seconds = np.minimum(np.rint(seconds), world.cap)
        if day < 0:
            sums[:, 0] += np.bincount(user, weights=seconds, minlength=users)
            sums[:, 1] += counts
        else:
            user_of.append(user)
            seconds_of.append(seconds)
            ends.append(len(user))
    return Sessions(np.concatenate(user_of), np.cumsum(ends), np.concatenate(seconds_of), sums, treated)


def _moments(variant: str, columns: np.ndarray) -> UserMoments:
    """UserMoments from numerator, denominator and their covariates: one row for each user."""
    n, d, cn, cd = columns.sum(axis=0).tolist()
    products = (columns.T @ columns).tolist()
    names = ("n", "d", "cn", "cd")
    sums: dict[str, Any] = {a + b: products[i][j] for i, a in enumerate(names) for j, b in enumerate(names) if i <= j}
    numerator, denominator = columns[:, 0], columns[:, 1]
    by_denominator = np.stack([numerator**2, numerator * denominator, denominator**2]) @ denominator
    sums |= dict(zip(("nnd", "ndd", "ddd"), by_denominator.tolist(), strict=True))
    return UserMoments(METRIC, variant, len(columns), n=n, d=d, cn=cn, cd=cd, **sums)


def evidences(drawn: Sessions, variants: tuple[str, str] = ("control", "b")) -> Iterator[Evidence]:
    """The evidence of each day; that of the last day has sessions and ranks for the literal test."""
    users = len(drawn.treated)
    sums, start = np.zeros((users, 2)), 0
    for day, end in enumerate(drawn.day_ends.tolist()):
        now = slice(start, end)
        sums[:, 0] += np.bincount(drawn.user[now], weights=drawn.seconds[now], minlength=users)
        sums[:, 1] += np.bincount(drawn.user[now], minlength=users)
        start = end
        seen = sums[:, 1] > 0
        columns = np.hstack([sums, drawn.before])
        rows = [_moments(name, columns[seen & (drawn.treated == arm)]) for arm, name in enumerate(variants)]
        last = day == DAYS - 1
        yield Evidence(
            through=FIRST_DAY + timedelta(days=day),
            settled=True,
            complete=last,
            trust=Trust(exposed={row.variant: row.users for row in rows}),
            moments=tuple(rows),
            sessions=_sessions(drawn, variants) if last else (),
            ranks=(_ranks(drawn, variants[1]), _user_ranks(sums, drawn.treated, variants[1])) if last else (),
        )


def _sessions(drawn: Sessions, variants: tuple[str, str]) -> tuple[SessionMoments, ...]:
    sides = [drawn.seconds[drawn.treated[drawn.user] == arm] for arm in (0, 1)]
    return tuple(
        SessionMoments(name, len(side), float(side.sum()), float((side**2).sum()))
        for name, side in zip(variants, sides, strict=True)
    )


def _ranked(values: np.ndarray, treated: np.ndarray, name: str, unit: str) -> RankSums:
    _, counts = np.unique(values, return_counts=True)
    twice = int(np.rint(2 * rankdata(values)[treated].sum()))
    ties = int((counts.astype(object) ** 3 - counts).sum()) if counts.max() > 1 else 0
    return RankSums(METRIC, name, int((~treated).sum()), int(treated.sum()), twice, ties, unit)


def _ranks(drawn: Sessions, name: str) -> RankSums:
    return _ranked(drawn.seconds, drawn.treated[drawn.user] == 1, name, "session")


def _user_ranks(sums: np.ndarray, treated: np.ndarray, name: str) -> RankSums:
    seen = sums[:, 1] > 0
    return _ranked(sums[seen, 0] / sums[seen, 1], treated[seen] == 1, name, "user")


def past_window(world: World, draws: int, rng: np.random.Generator) -> PastWindow:
    """Two past weeks of `world.users` users, averaged over draws, from which a plan is made."""
    pooled: list[UserMoments] = []
    sessions: list[SessionMoments] = []
    for _ in range(draws):
        drawn = draw(world, 0.0, rng)
        *_, last = evidences(drawn)
        pooled += last.moments
        sessions += last.sessions
    keys = [key for key in UserMoments.__slots__ if key not in ("metric", "variant", "slice", "value")]
    sums: dict[str, Any] = {key: round(sum(getattr(row, key) for row in pooled) / draws) for key in keys}
    counted: dict[str, Any] = {
        key: round(sum(getattr(row, key) for row in sessions) / draws) for key in ("sessions", "n", "nn")
    }
    moments = UserMoments(METRIC, "", **sums)
    return PastWindow(DAYS // 7, (moments,), SessionMoments("", **counted))
