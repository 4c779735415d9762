"""The brief's literal test, over sessions: shown next to the readout and marked "not for decisions"."""

import math
from dataclasses import dataclass

from scipy.stats import ttest_ind_from_stats

from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import Evidence, SessionMoments
from umg_assets.statistics.nonparametric import mann_whitney

LITERAL_REASON = (
    "A user has many sessions, and one user's sessions are alike: counted as if each came from somebody else, they "
    "make chance look like an effect. Over users who return, this test calls a difference where there is none several "
    "times as often as its p-value says; docs/experiments.md has the measured shares."
)


@dataclass(frozen=True)
class LiteralTest:
    """The brief's literal test, of one treatment against control. Not for decisions.

    treatment: the variant's name.
    sessions: number of sessions of control and treatment.
    control_mean, treatment_mean: mean play time of a session, in the first primary metric's unit.
    t_p: two-sided p of Welch's t-test over sessions.
    rank_p: two-sided p of the Mann-Whitney test over sessions; NaN if the evidence has no ranks of sessions.
    reason: why the test must not decide, in sentences for the reader.
    """

    treatment: str
    sessions: tuple[int, int]
    control_mean: float
    treatment_mean: float
    t_p: float
    rank_p: float
    reason: str = LITERAL_REASON


def literal_tests(experiment: Experiment, evidence: Evidence) -> tuple[LiteralTest, ...]:
    """The test of every treatment that has at least two sessions, as has control; none without control's sessions."""
    table = {row.variant: row for row in evidence.sessions}
    if (control := table.get(experiment.control)) is None:
        return ()
    scale = experiment.metric(experiment.primary[0]).scale
    rank_p = {ranks.treatment: mann_whitney(ranks).p for ranks in evidence.ranks if ranks.unit == "session"}
    return tuple(
        _literal_test(control, treated, rank_p.get(name, math.nan), scale)
        for name in experiment.treatments
        if (treated := table.get(name)) is not None and min(control.sessions, treated.sessions) > 1
    )


def _literal_test(control: SessionMoments, treated: SessionMoments, rank_p: float, scale: float) -> LiteralTest:
    means, deviations = [], []
    for side in (control, treated):
        means.append(scale * side.n / side.sessions)
        deviations.append(scale * math.sqrt(side.variance))
    counts = control.sessions, treated.sessions
    test = ttest_ind_from_stats(
        means[0], deviations[0], counts[0], means[1], deviations[1], counts[1], equal_var=False
    )  # fmt: skip
    return LiteralTest(treated.variant, counts, means[0], means[1], float(test.pvalue), rank_p)
