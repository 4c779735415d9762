"""What puts a readout on hold, and what only warns."""

from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from umg_assets.statistics.trust import Finding, examine, sample_ratio_p
from umg_assets_tests.experiments.users import evidence, experiment, moments, trust

HALF = {"control": 0.5, "b": 0.5}


def finding_of(check: str, findings: tuple[Finding, ...]) -> Finding:
    """The finding of a check."""
    return next(finding for finding in findings if finding.check == check)


@pytest.mark.parametrize(
    ("control", "b", "p"),
    [
        (821_588, 815_482, 1.8e-6),  # Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 3
        (600, 400, 2.54e-10),  # Wikipedia, Sample ratio mismatch
        (44_000, 45_000, 8.0e-4),  # srm.osc.garden's example
    ],
)
def test_the_sample_ratio_is_the_published_chi_square_without_continuity_correction(control: int, b: int, p: float):
    assert sample_ratio_p({"control": control, "b": b}, HALF) == pytest.approx(p, rel=0.03)


@pytest.mark.parametrize(("b", "level"), [(5_200, "fine"), (5_330, "fine"), (5_340, "hold")])
def test_the_sample_ratio_holds_below_one_in_a_thousand_and_not_above(b: int, level: str):
    assert finding_of("sample ratio", examined({"control": 5_000, "b": b})).level == level


def examined(exposed: dict[str, int], **changes) -> tuple[Finding, ...]:
    """The findings of all checks, on counts alone."""
    return examine(experiment(), evidence(moments("m", "control", [1.0, 2.0]), trust=trust(exposed, **changes)))


def test_a_broken_split_holds_and_names_the_day_on_which_it_broke():
    days = {date(2026, 3, day): {"control": 500, "b": 500 if day != 4 else 330} for day in range(2, 9)}
    totals = {name: sum(counts[name] for counts in days.values()) for name in ("control", "b")}
    finding = finding_of("sample ratio", examined({**totals, "b": totals["b"] - 180}, exposed_by_day=days))
    assert finding.level == "hold"
    assert "2026-03-04" in finding.causes[0]
    assert "2026-03-05" not in " ".join(finding.causes)


def test_a_fair_split_and_three_variants_with_weights_pass():
    assert finding_of("sample ratio", examined({"control": 5_020, "b": 4_980})).level == "fine"
    weighted = experiment(variants={"control": 2, "b": 1, "c": 1})
    fair = evidence(moments("m", "control", [1.0]), trust=trust({"control": 5_010, "b": 2_470, "c": 2_520}))
    assert finding_of("sample ratio", examine(weighted, fair)).level == "fine"
    equal = evidence(moments("m", "control", [1.0]), trust=trust({"control": 3_333, "b": 3_333, "c": 3_333}))
    assert finding_of("sample ratio", examine(weighted, equal)).level == "hold"


def test_users_in_two_variants_hold():
    assert finding_of("users in two variants", examined({"control": 50, "b": 50}, two_arms=3)).level == "hold"


def test_logged_variants_that_differ_from_the_hash_hold_over_one_in_a_thousand():
    for mismatched, level in ((1, "fine"), (2, "hold")):
        counts = {"control": 500, "b": 500}
        assert finding_of("logged variant", examined(counts, checked=1_000, mismatched=mismatched)).level == level


def test_a_changed_definition_holds_and_names_what_changed():
    first = experiment()
    later = experiment(alpha=0.1, owner="somebody else")
    seen = evidence(moments("m", "control", [1.0, 2.0]), frozen=first.frozen())
    assert finding_of("definition", examine(first, seen)).level == "fine"
    finding = finding_of("definition", examine(later, seen))
    assert finding.level == "hold"
    assert "alpha: was 0.05, is 0.1" in finding.text
    assert "owner" not in finding.text


@pytest.mark.parametrize("brief", [False, True])
def test_variants_that_differed_before_the_experiment_hold_it(brief: bool):
    rng = np.random.default_rng(1)
    before = rng.gamma(1, 100, (2, 2_000))
    now = [np.ones(2_000), np.ones(2_000)]

    def seen(shift: float) -> tuple[Finding, ...]:
        rows = [
            moments("session_duration", name, now[0], now[1], before[arm] + shift * arm, np.ones(2_000))
            for arm, name in enumerate(("control", "b"))
        ]
        return examine(experiment(), evidence(*rows), brief=brief)

    assert finding_of("before the experiment", seen(0.0)).level == "fine"
    assert finding_of("before the experiment", seen(25.0)).level == "hold"


def test_warnings_do_not_hold():
    days = {date(2026, 3, 2): {"control": 900, "b": 600}, date(2026, 3, 3): {"control": 600, "b": 900}}
    segments = {("country", "AT"): {"control": 900, "b": 600}, ("country", "DE"): {"control": 600, "b": 900}}
    events = {"play_end": {"control": 1_400, "b": 0}, "age_picks_click": {"control": 0, "b": 40}}
    findings = examined({"control": 1_500, "b": 1_500}, exposed_by_day=days, exposed_by_segment=segments, events=events)
    assert {finding.check for finding in findings if finding.level == "warning"} == {
        "sample ratio by day",
        "sample ratio by segment",
        "events",
    }
    assert "age_picks_click" not in finding_of("events", findings).text
    assert not [finding for finding in findings if finding.level == "hold"]


def test_an_effect_that_wears_off_after_day_zero_warns():
    rng = np.random.default_rng(3)

    def followed(effects: list[float]) -> Finding:
        rows = []
        for day, effect in enumerate(effects):
            for arm, name in enumerate(("control", "b")):
                seconds = rng.gamma(4, 25, 3_000) * (1 + effect * arm)
                rows.append(moments("session_duration", name, seconds, slice="day_since", value=str(day)))
        return finding_of(
            "novelty", examine(experiment(), evidence(moments("session_duration", "control", [1.0]), *rows))
        )

    wearing = followed([0.9, 0.30, 0.22, 0.15, 0.08, 0.02])
    assert wearing.level == "warning"
    assert "falls" in wearing.text
    assert followed([0.9, 0.1, 0.1, 0.1, 0.1, 0.1]).level == "fine"


def test_a_few_users_with_much_of_the_metric_warn():
    rows = [moments("session_duration", name, [1.0] * 99 + [200.0]) for name in ("control", "b")]
    seen = evidence(*rows, trust=trust({"control": 100, "b": 100}, top_users={"control": (1, 200.0), "b": (1, 20.0)}))
    finding = finding_of("top users", examine(experiment(), seen))
    assert finding.level == "warning"
    assert "control 67%" in finding.text


def test_brief_leaves_out_only_checks_that_warn():
    seen = evidence(moments("m", "control", [1.0, 2.0]), trust=trust({"control": 900, "b": 500}))
    brief, full = (examine(experiment(), seen, brief=is_brief) for is_brief in (True, False))
    assert [finding.check for finding in brief] == [finding.check for finding in full[: len(brief)]]
    assert [finding.level for finding in brief] == [finding.level for finding in full[: len(brief)]]
    assert all(left.check != right.check for left, right in pairwise(full))
