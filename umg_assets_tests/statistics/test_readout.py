"""The readout: verdicts on users whose truth is known, the looks it takes, and what it shows."""

import json
import math
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm, ttest_ind

from umg_assets.cli.experiment_readout import effect_rows
from umg_assets.experiments.page import render_page
from umg_assets.experiments.report import to_markdown, to_view
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics.moments import Evidence, SessionMoments, UserMoments
from umg_assets.statistics.power import Plan
from umg_assets.statistics.readout import Readout, make_readout
from umg_assets.statistics.verdict import figure
from umg_assets_tests.experiments.users import FIRST_DAY, evidence, experiment, moments, rank_sums, trust

GUARDED = experiment(guardrails={"skip_rate": 0.05}, secondary=("songs_per_session", "return_rate"))


def listened(
    longer: float = 0.0,
    more: float = 0.0,
    skipping: float = 0.0,
    users: int = 6_000,
    seed: int = 1,
    day: int = 14,
    fewer_songs: float = 0.0,
):
    """Evidence of users whose sessions are longer, and more, with fewer songs, more often skipped, in b."""
    rng = np.random.default_rng(seed)
    rows: list[UserMoments] = []
    for arm, name in enumerate(("control", "b")):
        visits = rng.poisson(4 * (1 + more * arm), users) + 1
        seconds = visits * rng.gamma(4, 75, users) * (1 + longer * arm)
        plays = visits * 4 + rng.poisson(2, users)
        skips = rng.binomial(plays, 0.3 * (1 + skipping * arm))
        rows += [
            moments("session_duration", name, seconds * 1000, visits),
            moments("skip_rate", name, skips, plays),
            moments("songs_per_session", name, plays * (1 - fewer_songs * arm), visits),
        ]
    return evidence(*rows, day=day)


def decided(seen: Evidence, definition: Experiment = GUARDED, **options) -> tuple[str, str]:
    """The verdict and its reasons as one text."""
    (verdict,) = make_readout(definition, seen, **options).verdicts
    return verdict.decision, " ".join(verdict.reasons)


def test_a_win_whose_guardrail_holds_is_shipped():
    decision, reasons = decided(listened(longer=0.1))
    assert decision == "ship"
    assert "shown to be better" in reasons
    assert "a loss of 5.0% or more is ruled out" in reasons


def test_a_win_whose_guardrail_is_not_shown_to_hold_is_not_shipped():
    decision, reasons = decided(listened(longer=0.1, skipping=0.08))
    assert decision == "do not ship"
    assert "is not ruled out" in reasons


def test_without_an_effect_it_is_not_shipped_and_says_whether_the_minimum_effect_is_ruled_out():
    decision, reasons = decided(listened())
    assert decision == "do not ship"
    assert "one of 10.0% or more is ruled out" in reasons
    decision, reasons = decided(listened(users=60))
    assert decision == "do not ship"
    assert "too few users to tell" in reasons


def test_a_loss_is_not_shipped_and_stops_before_the_end():
    decision, reasons = decided(listened(longer=-0.15, day=7))
    assert decision == "do not ship"
    assert "shown to be worse" in reasons


def test_more_and_shorter_sessions_are_mixed_though_the_ratio_alone_is_a_clear_loss():
    # listening + 4 % over sessions + 15 % reads as - 10 % play time a session
    decision, reasons = decided(listened(longer=1.04 / 1.15 - 1, more=0.1875))
    assert decision == "mixed"
    assert "so did what it is divided by: sessions per user +" in reasons


def test_before_the_end_nothing_is_decided_within_the_bounds():
    decision, reasons = decided(listened(day=7))
    assert decision == "keep running"
    assert "7 days of the plan are left" in reasons


def test_an_early_p_under_five_per_cent_within_the_bound_decides_nothing():
    seen = listened(longer=0.045, users=500, seed=3, day=3)
    readout = make_readout(GUARDED, seen)
    assert readout.rows[0].effect.p < 0.05
    assert readout.looks[0].bound > abs(readout.looks[0].z)
    assert readout.verdicts[0].decision == "keep running"


def test_a_held_readout_takes_no_look_and_reads_no_effect():
    seen = replace(listened(longer=0.1), trust=trust({"control": 6_000, "b": 5_400}))
    readout = make_readout(GUARDED, seen)
    assert readout.held
    assert readout.verdicts[0].decision == "on hold"
    assert not readout.looks
    assert "Likely:" in readout.verdicts[0].reasons[0]


def test_a_provisional_readout_takes_no_look():
    readout = make_readout(GUARDED, replace(listened(longer=0.1), settled=False))
    assert not readout.looks
    assert readout.verdicts[0].decision == "keep running"


def test_alpha_is_divided_over_success_metrics_and_treatments():
    two = experiment(primary=("session_duration", "songs_per_session"))
    looks = make_readout(two, listened()).looks
    assert [look.metric for look in looks] == ["session_duration", "songs_per_session"]
    assert [look.bound for look in looks] == pytest.approx([norm.isf(0.05 / 2 / 2)] * 2)
    assert [look.alpha_spent for look in looks] == [0.025, 0.025]


def test_a_guardrail_is_tested_one_sided_at_undivided_alpha():
    both = experiment(primary=("session_duration", "songs_per_session"), guardrails={"skip_rate": 0.05})
    (guardrail,) = [look for look in make_readout(both, listened()).looks if "guardrail" in look.metric]
    assert guardrail.bound == pytest.approx(norm.isf(0.05))


def test_a_success_metric_that_gains_while_another_loses_is_mixed():
    two = experiment(primary=("session_duration", "skip_rate"))
    decision, reasons = decided(listened(longer=0.1, skipping=0.2), two)
    assert decision == "mixed"
    assert reasons.startswith("One success metric gained while another lost")


def days(longer: float, definition: Experiment, plan: Plan | None = None) -> list[Readout]:
    """Fourteen daily readouts, with 120 more users on each day; each is given the looks before it."""
    looks, readouts = [], []
    for day in range(1, 15):
        readout = make_readout(definition, listened(longer=longer, users=120 * day, day=day), looks, plan)
        looks += readout.looks
        readouts.append(readout)
    return readouts


def test_looks_over_the_days_spend_no_more_than_alpha_and_the_last_day_spends_all():
    plan = Plan(2, {"session_duration": 9_000.0}, (), None, None, ())
    looks = [look for readout in days(0.0, experiment(), plan) for look in readout.looks]
    spent = [look.alpha_spent for look in looks]
    assert spent == sorted(spent)
    assert spent[-1] == 0.05
    assert looks[-1].decisive
    assert [look.decisive for look in looks[:-1]] == [False] * (len(looks) - 1)


def test_a_metric_that_crossed_its_bound_stays_decided_and_names_the_day():
    readouts = days(0.12, experiment())
    first = next(readout for readout in readouts if readout.verdicts[0].decision == "ship")
    assert first.through < readouts[-1].through
    assert f"first on {first.through}" in readouts[-1].verdicts[0].reasons[0]


def faded(definition: Experiment, day: int, **now) -> Readout:
    """A readout after a look on day 3 that crossed its bound by a lead that is gone."""
    plan = Plan(2, {"session_duration": 100.0}, (), None, None, ())
    early = make_readout(definition, listened(longer=0.4, users=900, day=3), (), plan)
    assert early.looks[0].crossed
    return make_readout(definition, listened(**now, day=day), early.looks, plan)


@pytest.mark.parametrize("day", [8, 14])
def test_a_win_that_later_days_do_not_bear_out_is_mixed_and_never_shown_to_be_better(day: int):
    readout = faded(experiment(), day, users=2_000)
    (verdict,) = readout.verdicts
    assert verdict.decision == "mixed"
    assert verdict.reasons[0].startswith("A bound was crossed, and the evidence since does not bear it out")
    assert "better beyond the bound on 2026-03-04" in verdict.reasons[1]
    assert "not by the evidence since" in verdict.reasons[1]
    assert not any("shown to be better" in reason for reason in verdict.reasons)
    assert readout.rows[0].lower < 0 < readout.rows[0].upper


def test_a_win_that_later_days_bear_out_is_shipped():
    assert faded(experiment(), 14, longer=0.1).verdicts[0].decision == "ship"


def test_a_faded_win_whose_guardrail_is_not_shown_to_hold_is_not_shipped_at_the_end():
    definition = experiment(guardrails={"skip_rate": 0.05})
    assert faded(definition, 14, skipping=0.1).verdicts[0].decision == "do not ship"


def ended(seen: Evidence, day: int) -> Evidence:
    """The evidence as that of a day whose look is skipped, because it adds no information, or not taken yet."""
    return replace(seen, through=FIRST_DAY + timedelta(days=day - 1), settled=day == 8, complete=day == 14)


@pytest.mark.parametrize("day", [8, 10, 14])
@pytest.mark.parametrize("metric", ["skip_rate", "songs_per_session"])
def test_a_guardrail_that_held_at_its_look_and_is_broken_since_holds_no_win(metric: str, day: int):
    definition = experiment(guardrails={metric: 0.05})
    early = make_readout(definition, listened(longer=0.12, users=8_000, day=7))
    assert early.verdicts[0].decision == "ship"
    broken = {"skipping": 0.12} if metric == "skip_rate" else {"fewer_songs": 0.12}
    seen = listened(longer=0.12, users=7_000 if day == 8 else 9_000, **broken)  # pyright: ignore[reportArgumentType]
    readout = make_readout(definition, ended(seen, day), early.looks)
    assert not readout.looks
    (verdict,) = readout.verdicts
    assert verdict.decision == "keep running"
    reasons = " ".join(verdict.reasons)
    assert "a loss of 5.0% is not ruled out (it may be 1" in reasons
    assert "the look on 2026-03-08 had ruled it out" in reasons
    assert "a win is shipped once every guardrail is shown to hold" in reasons


def test_a_guardrail_that_held_at_its_look_and_still_does_lets_a_win_ship():
    early = make_readout(GUARDED, listened(longer=0.12, users=8_000, day=7))
    assert decided(ended(listened(longer=0.12, users=8_000), 10), looks=early.looks)[0] == "ship"


def test_a_guardrail_that_only_evidence_after_its_last_look_would_show_to_hold_waits_for_a_look():
    early = make_readout(GUARDED, listened(longer=0.12, skipping=0.05, users=8_000, day=7))
    decision, reasons = decided(ended(listened(longer=0.12, users=9_000), 10), looks=early.looks)
    assert decision == "keep running"
    assert "5.0% is not ruled out, for the look on 2026-03-08 did not rule it out, and only looks decide" in reasons
    _, reasons = decided(ended(listened(longer=0.12, users=9_000), 10))
    assert "5.0% is not ruled out, for no look has been taken yet" in reasons


def test_a_win_with_a_secondary_metric_that_is_significantly_worse_is_mixed_and_names_it():
    watched = experiment(secondary=("skip_rate", "songs_per_session"))
    decision, reasons = decided(listened(longer=0.1, skipping=0.2), watched)
    assert decision == "mixed"
    assert reasons.startswith("A success metric won, but skip_rate got worse")
    assert "skip_rate (secondary) went from" in reasons
    assert "significantly worse (Holm p under 0.001)" in reasons
    assert "songs_per_session (secondary)" not in reasons


def test_a_loss_that_the_definition_accepts_is_named_and_shipped():
    trading = experiment(secondary=("skip_rate",), may_worsen=("skip_rate",))
    decision, reasons = decided(listened(longer=0.1, skipping=0.2), trading)
    assert decision == "ship"
    assert "significantly worse (Holm p under 0.001), which the definition accepts" in reasons


def test_a_secondary_metric_that_is_worse_is_named_beside_any_verdict():
    watched = experiment(secondary=("skip_rate",))
    for day, expected in ((7, "keep running"), (14, "do not ship")):
        decision, reasons = decided(listened(skipping=0.2, day=day), watched)
        assert decision == expected
        assert "skip_rate (secondary) went from" in reasons


def test_a_day_whose_figures_have_changed_is_restated_with_both_figures():
    before = make_readout(GUARDED, listened(day=7))
    again = make_readout(GUARDED, listened(day=7, seed=2), before.looks)
    assert {look.metric for look in again.restated} == {"session_duration", "skip_rate (guardrail)"}
    assert again.restated[0].z_before == before.looks[0].z
    assert again.restated[0].z_now == make_readout(GUARDED, listened(day=7, seed=2)).looks[0].z
    assert again.looks == before.looks
    assert not make_readout(GUARDED, listened(day=7), before.looks).restated


def restated(before: float, now: float, definition: Experiment = GUARDED, **changes) -> tuple[str, str, Readout]:
    """Verdict and reasons of day 14, before its figures changed and since, with the readout of since."""
    first = make_readout(definition, listened(longer=before))
    again = make_readout(definition, listened(longer=now, **changes), first.looks)
    assert again.looks == first.looks
    assert again.restated
    return first.verdicts[0].decision, again.verdicts[0].decision, again


@pytest.mark.parametrize("sign", [1, -1])
def test_late_data_give_the_last_day_no_second_chance_to_decide(sign: int):
    first, again, readout = restated(0.0, 0.1 * sign)
    assert (first, again) == ("do not ship", "do not ship")
    assert abs(readout.rows[0].effect.z) > readout.looks[0].bound > abs(readout.looks[0].z)
    reason = readout.verdicts[0].reasons[0]
    assert "not decided, for the look on 2026-03-15 was within its bound" in reason
    assert "shown to be" not in reason


def test_late_data_give_a_guardrail_no_second_chance_to_hold():
    first = make_readout(GUARDED, listened(longer=0.1, skipping=0.08))
    (verdict,) = make_readout(GUARDED, listened(longer=0.1), first.looks).verdicts
    assert verdict.decision == "do not ship"
    assert "not ruled out, for the look on 2026-03-15 did not rule it out" in " ".join(verdict.reasons)


def test_a_win_is_lost_if_its_own_days_figures_no_longer_bear_it_out():
    first, again, readout = restated(0.1, 0.0)
    assert (first, again) == ("ship", "mixed")
    assert "better beyond the bound on 2026-03-15" in readout.verdicts[0].reasons[1]
    assert "but not by the evidence since" in readout.verdicts[0].reasons[1]


def test_a_win_that_faded_at_its_last_look_does_not_come_back_with_late_data():
    last = faded(experiment(), 14, users=2_000)
    looks = (*last.earlier, *last.looks)
    (verdict,) = make_readout(experiment(), listened(longer=0.1), looks).verdicts
    assert verdict.decision == "mixed"
    assert "better beyond the bound on 2026-03-04" in verdict.reasons[1]
    assert "but not at the look on 2026-03-15" in verdict.reasons[1]


def test_a_look_whose_figures_are_gone_stays_taken_and_is_restated_as_such():
    first = make_readout(experiment(), listened(longer=0.1))
    gone = [moments("session_duration", name, np.zeros(50), np.ones(50)) for name in ("control", "b")]
    again = make_readout(experiment(), evidence(*gone), first.looks)
    assert again.looks == first.looks
    assert str(again.restated[0]).endswith("standard errors, and cannot be estimated now")
    assert again.verdicts[0].decision == "mixed"


def test_a_metric_without_an_estimate_stays_out_of_the_family_and_names_the_problem():
    seen = listened()
    rows = [moments("return_rate", name, np.zeros(50), np.zeros(50)) for name in ("control", "b")]
    readout = make_readout(GUARDED, replace(seen, moments=(*seen.moments, *rows)))
    by_name = {row.effect.metric: row for row in readout.rows}
    assert "nothing to divide by" in by_name["return_rate"].effect.problem
    assert math.isnan(by_name["return_rate"].holm)
    assert by_name["songs_per_session"].holm == by_name["songs_per_session"].effect.p


def test_the_chance_to_be_better_is_the_normal_posterior_of_the_stated_prior():
    row = make_readout(experiment(), listened(longer=0.01)).rows[0]
    effect, prior = math.log1p(row.effect.relative), math.log1p(0.1) ** 2
    weight = prior / (prior + row.effect.standard_error**2)
    assert row.chance == pytest.approx(norm.cdf(weight * effect / math.sqrt(weight * row.effect.standard_error**2)))


def test_the_literal_test_over_sessions_agrees_with_scipy_and_has_its_reason():
    rng = np.random.default_rng(5)
    control, treated = rng.gamma(2, 200, 400), rng.gamma(2, 210, 380)
    sessions = tuple(
        SessionMoments(name, len(seconds), float(1000 * seconds.sum()), float(10**6 * (seconds**2).sum()))
        for name, seconds in (("control", control), ("b", treated))
    )
    seen = replace(listened(), sessions=sessions, ranks=(rank_sums(control, treated, "session"),))
    (literal,) = make_readout(GUARDED, seen).literal
    assert literal.t_p == pytest.approx(ttest_ind(control, treated, equal_var=False)[1])
    assert literal.rank_p == pytest.approx(mannwhitneyu(control, treated, method="asymptotic").pvalue)
    assert literal.control_mean == pytest.approx(control.mean())
    assert "one user's sessions are alike" in literal.reason


def test_progress_counts_days_sessions_and_the_effect_detectable_now():
    sessions = (SessionMoments("control", 5_000, 1, 1), SessionMoments("b", 4_000, 1, 1))
    progress = make_readout(GUARDED, replace(listened(day=7), sessions=sessions)).progress
    assert progress is not None
    assert (progress.days, progress.of_days, progress.days_left, progress.sessions) == (7, 14, 7, 4_000)
    assert progress.detectable == pytest.approx(0.03, abs=0.015)


def test_segments_are_shown_and_decide_nothing():
    seen = listened()
    part = [replace(row, slice="country", value="AT") for row in listened(longer=0.3, seed=3).moments]
    readout = make_readout(GUARDED, replace(seen, moments=(*seen.moments, *part)))
    (segment,) = readout.segments
    assert (segment.slice, segment.value) == ("country", "AT")
    assert segment.relative > 0.2
    assert readout.verdicts == make_readout(GUARDED, seen).verdicts


def test_json_holds_the_readout_with_null_for_nan():
    plain = json.loads(make_readout(GUARDED, listened(), name="favourites").to_json())
    assert plain["verdicts"][0]["decision"] == "do not ship"
    assert plain["through"] == (FIRST_DAY + timedelta(days=13)).isoformat()
    assert plain["rows"][0]["holm"] is None
    assert plain["looks"][0]["bound"] > 1.9


def test_the_brief_readout_decides_as_the_full_one():
    for seen in (listened(), listened(longer=0.1), listened(longer=0.1, skipping=0.08), listened(day=5)):
        brief, full = make_readout(GUARDED, seen, full=False), make_readout(GUARDED, seen)
        assert brief.verdicts == full.verdicts
        assert brief.looks == full.looks


@pytest.mark.parametrize(
    ("value", "text"), [(1_234_567.8, "1,234,568"), (310.26, "310.3"), (0.012345, "0.01235"), (0, "0")]
)
def test_a_figure_has_no_exponent(value: float, text: str):
    assert figure(value) == text


def clicks(control: float, treated: float, day: int = 14, users: int = 4_000) -> Evidence:
    """Evidence of clicks over impressions, one metric."""
    rng = np.random.default_rng(day)
    rows = [
        moments("click_through", name, rng.binomial(10, rate, users), np.full(users, 10))
        for name, rate in (("control", control), ("b", treated))
    ]
    return evidence(*rows, day=day)


def test_nothing_in_control_is_decided_by_the_difference_at_the_end_and_no_text_has_nan():
    definition = experiment(primary="click_through", guardrails={"click_through": 0.05})
    early, last = (make_readout(definition, clicks(0.0, 0.02, day)) for day in (7, 14))
    assert not early.looks
    assert "the control is 0 or below" in early.skipped[0]
    assert early.verdicts[0].decision == "keep running"
    assert [look.decisive for look in last.looks] == [True]
    assert "points, between +" in last.verdicts[0].reasons[0]
    assert "cannot be tested" in last.verdicts[0].reasons[1]
    assert make_readout(experiment(primary="click_through"), clicks(0.0, 0.02)).verdicts[0].decision == "ship"
    for readout in (
        early,
        last,
        make_readout(definition, clicks(0.02, 0.0)),
        make_readout(definition, clicks(0.0, 0.0)),
    ):
        text = render_page(to_view(definition, readout)) + "".join(to_markdown(definition, readout).values())
        assert not re.search(r"\bnan\b", text, re.IGNORECASE)
        assert not re.search(r"\bnan\b", " ".join(str(row) for row in effect_rows(definition, readout)))


def test_the_bounds_interval_of_a_small_sample_is_as_wide_as_t_makes_it():
    (row,) = make_readout(experiment(), listened(users=9)).rows
    assert row.bound == pytest.approx(norm.isf(0.025))
    assert (row.lower, row.upper) == pytest.approx((row.effect.relative_lower, row.effect.relative_upper))
    assert row.effect.df < 20


def test_a_definition_without_sides_has_the_hash_it_had_before_there_were_any():
    assert "one_sided" not in experiment().frozen()
    assert experiment(one_sided=True).changes_since(experiment().frozen()) == ("one_sided: was null, is true",)
