"""Readouts for tests of the page: each kind of verdict, and texts that somebody wrote to break it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from umg_assets.experiments.page import View
from umg_assets.experiments.report import to_view
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import Evidence, SessionMoments
from umg_assets.statistics.power import Plan
from umg_assets.statistics.readout import Readout, make_readout
from umg_assets_tests.experiments.users import FIRST_DAY, evidence, experiment, moments, trust

LONG = "share_of_evening_listening_sessions_begun_from_a_playlist_card"
"""A metric's name of 62 letters."""
DECISION = {
    "decided_at": datetime(2026, 3, 17, 9),
    "verdict": "ship",
    "decided_by": "ann",
    "reason": "it won",
    "through_date": FIRST_DAY + timedelta(days=13),
    "readout_verdict": "b: ship",
}
HOSTILE = (
    "<script>document.title = 'owned'</script>",
    '"><img src=x onerror="document.title = 1"></svg></style>',
    "\u202eesrever\u202d שלום مرحبا",
    "=cmd|'/c calc'!A1",
    "x" * 300,
    "{{ 7 * 7 }} {% raw %}",
)
"""Texts that are to be shown as texts: markup, right to left, a formula, no blank in 300 letters, a template."""


def of_users(
    definition: Experiment, gains: Sequence[float], *, day: int = 14, users: int = 1_500, **changes: Any
) -> Evidence:
    """Evidence of every metric of a definition; treatments raise the first one by gains (0.1: 10 %), others by none."""
    rng = np.random.default_rng(day)
    rows, sessions = [], []
    for name, gain in zip(definition.variants, (0.0, *gains), strict=True):
        visits = rng.poisson(4, users) + 1
        for at, metric in enumerate(definition.metric_names):
            seconds = rng.gamma(8, 40, users) * (1 + (0 if at else gain)) * visits
            rows.append(moments(metric, name, seconds * 1000, visits))
        numbers = (float(visits.sum()), float(seconds.sum()), float((seconds**2).sum()))
        sessions.append(SessionMoments(name, int(numbers[0]), numbers[1], numbers[2]))
    by_day = {FIRST_DAY + timedelta(days=at): dict.fromkeys(definition.variants, users // day) for at in range(day)}
    exposed = dict.fromkeys(definition.variants, users)
    counts = trust(exposed, exposed_by_day=by_day)
    return evidence(*rows, day=day, **{"trust": counts, "sessions": tuple(sessions), **changes})


def read(definition: Experiment, gains: Sequence[float], *, days: Sequence[int] = (14,), **changes: Any) -> Readout:
    """The readout of the last of some days, each looked at."""
    looks, readout = [], None
    for day in days:
        readout = make_readout(definition, of_users(definition, gains, day=day, **changes), looks, name="picks")
        looks += readout.looks
    assert readout is not None
    return readout


def named(**changes: Any) -> Experiment:
    """An experiment whose metrics have long names, and one guardrail."""
    metrics = {name: {"numerator": "listened_ms", "denominator": "visits", "unit": "s", "scale": 0.001}
               for name in (LONG, LONG.upper())}  # fmt: skip
    return experiment(
        **{"metrics": metrics, "secondary": tuple(metrics), "guardrails": {"listening_per_user": 0.1}, **changes}
    )


def views() -> dict[str, View]:
    """By what they show: ship, do not ship, mixed, keep running, on hold, no exposure, and three variants."""
    plan = Plan(2, {}, (), None, None, ("two weeks find 5 %", "with 80 % power"))
    normal, three = named(), named(variants={"control": 1, "b": 1, "c": 1})
    worse = named(primary="session_duration", minimum_effect=0.05)
    by_day = {FIRST_DAY + timedelta(days=at): {"control": 100, "b": 80} for at in range(14)}
    uneven = trust({"control": 1_400, "b": 1_120}, exposed_by_day=by_day)
    return {
        "ship": to_view(normal, read(normal, (0.12,), days=(5, 9, 14)), plan, [DECISION]),
        "do not ship": to_view(worse, read(worse, (-0.1,), days=(5, 9, 14))),
        "keep running": to_view(normal, read(normal, (0.005,), days=(3, 6)), plan),
        "on hold": to_view(normal, read(normal, (0.1,), trust=uneven), plan, [DECISION]),
        "no exposure": to_view(normal, read(normal, (0.12,), by_assignment=True, trust=trust({}))),
        "three variants": to_view(three, read(three, (0.12, -0.1), days=(4, 8, 14))),
    }


def hostile_view() -> View:
    """A view in which people wrote HOSTILE wherever they may write."""
    markup, broken, turned, formula, endless, template = HOSTILE
    definition = experiment(
        hypothesis=f"{markup} {turned} {endless}",
        owner=broken,
        variants={"control": 1, markup: 1, endless: 1},
        primary=(broken, endless),
        secondary=(turned,),
        metrics={name: {"numerator": "listened_ms", "denominator": "visits"} for name in (broken, endless, turned)},
    )
    decision = {**DECISION, "decided_by": turned, "verdict": markup, "reason": f"{endless} {template} {formula}"}
    return to_view(definition, read(definition, (0.12, 0), days=(7, 14)), None, [decision])
