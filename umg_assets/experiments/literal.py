"""The brief's literal test, over sessions: shown beside the readout and marked "not for decisions"."""

import math
from dataclasses import dataclass

from scipy.stats import ttest_ind_from_stats

from umg_assets.experiments.definition import Experiment
from umg_assets.experiments.moments import Evidence, SessionMoments
from umg_assets.experiments.nonparametric import mann_whitney

LITERAL_REASON = (
    "A user has many sessions, and one user's sessions are alike: counted as if each came from somebody else, they "
    "make chance look like an effect. Over users who return, this test calls a difference where there is none several "
    "times as often as its p-value says; docs/experiments.md has the measured shares."
)


@dataclass(frozen=True)
class LiteralTest:
    """The brief's literal test over sessions, not for decisions: Welch's t, and Mann-Whitney where ranks are given.

    Means are of the sessions, in the first primary metric's unit.
    """

    treatment: str
    sessions: tuple[int, int]
    control_mean: float
    treatment_mean: float
    t_p: float
    rank_p: float
    reason: str = LITERAL_REASON


def literal_tests(experiment: Experiment, evidence: Evidence) -> tuple[LiteralTest, ...]:
    table = {row.variant: row for row in evidence.sessions}
    if (control := table.get(experiment.control)) is None:
        return ()
    scale = experiment.metric(experiment.primary[0]).scale
    ranks = {one.treatment: mann_whitney(one).p for one in evidence.ranks if one.unit == "session"}
    return tuple(
        _literal_test(control, treated, ranks.get(name, math.nan), scale)
        for name in experiment.treatments
        if (treated := table.get(name)) is not None and min(control.sessions, treated.sessions) > 1
    )


def _literal_test(control: SessionMoments, treated: SessionMoments, rank_p: float, scale: float) -> LiteralTest:
    means, deviations = [], []
    for side in (control, treated):
        count = side.sessions
        means.append(scale * side.n / count)
        deviations.append(scale * math.sqrt((count * side.nn - side.n * side.n) / (count * (count - 1))))
    counts = control.sessions, treated.sessions
    test = ttest_ind_from_stats(
        means[0], deviations[0], counts[0], means[1], deviations[1], counts[1], equal_var=False
    )  # fmt: skip
    return LiteralTest(treated.variant, counts, means[0], means[1], float(test.pvalue), rank_p)
