"""Moments and evidence from arrays with one value per user: what an engine would aggregate."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy.stats import rankdata

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import VARIABLES, Evidence, RankSums, Trust, UserMoments

FIRST_DAY = date(2026, 3, 2)


def experiment(**changes: Any) -> Experiment:
    """Two variants, two weeks, play time a session, unless changed."""
    plain: dict[str, Any] = {
        "hypothesis": "b listens longer, because its tracks fit better",
        "owner": "home team",
        "salt": "test_salt",
        "variants": {"control": 1, "b": 1},
        "first_day": FIRST_DAY,
        "minimum_effect": 0.1,
    }
    return Experiment(**{**plain, **changes})


def moments(metric: str, variant: str, *columns: Any, **changes: Any) -> UserMoments:
    """From arrays of numerators, denominators (default 1) and covariates (default 0), one value per user."""
    given = [np.asarray(column, dtype=float) for column in columns]
    users = len(given[0])
    full = given + [np.ones(users), np.zeros(users), np.zeros(users)][len(given) - 1 :]
    values: dict[str, np.ndarray] = dict(zip(VARIABLES, full, strict=True))
    sums: dict[str, Any] = {name: float(value.sum()) for name, value in values.items()}
    for at, a in enumerate(VARIABLES):
        for b in VARIABLES[at:]:
            sums[a + b] = float((values[a] * values[b]).sum())
    for a, b in ("nn", "nd", "dd"):
        sums[f"{a}{b}d"] = float((values[a] * values[b] * values["d"]).sum())
    return UserMoments(metric, variant, users, **{**sums, **changes})


def evidence(*rows: UserMoments, day: int = 14, **changes: Any) -> Evidence:
    """Settled, complete on day 14, exposed users as in the moments of the first metric."""
    first = [row for row in rows if row.slice == "all" and row.metric == rows[0].metric]
    plain: dict[str, Any] = {
        "through": FIRST_DAY + timedelta(days=day - 1),
        "settled": True,
        "complete": day == 14,
        "trust": Trust(exposed={row.variant: row.users for row in first}),
        "moments": rows,
    }
    return Evidence(**{**plain, **changes})


def rank_sums(control: np.ndarray, treatment: np.ndarray, unit: str = "user") -> RankSums:
    """Rank sums of both sides, ranked together."""
    values = np.concatenate([control, treatment])
    _, counts = np.unique(values, return_counts=True)
    twice = round(2 * rankdata(values)[len(control) :].sum())
    return RankSums("m", "b", len(control), len(treatment), twice, int((counts**3 - counts).sum()), unit)


def trust(exposed: Mapping[str, int], **changes: Any) -> Trust:
    """The counts of Trust."""
    return Trust(exposed=exposed, **changes)
