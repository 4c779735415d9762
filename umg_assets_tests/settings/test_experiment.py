"""Experiment definitions: what is refused, and with which message; what freezes; who is in which variant."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from umg_assets.settings.experiment import check_experiments
from umg_assets.settings.model import SettingsError, read_settings
from umg_assets.statistics.assignment import assign, bucket, traffic_salt, user_bucket, variant_buckets
from umg_assets_tests.experiments.users import experiment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": {"control": 1}}, "expected at least two"),
        ({"primary": "session_duratoin"}, "did you mean 'session_duration'"),
        ({"guardrails": {"skips": 0.1}}, "guardrails: expected a metric"),
        ({"secondary": ("session_duration",)}, "expected each metric once"),
        ({"may_worsen": ("skip_rate",)}, "may_worsen: expected metrics of secondary"),
        ({"traffic_from": 0.5, "traffic": 0.5}, "expected a layer beside it"),
        ({"layer": "home", "traffic_from": 0.5, "traffic": 0.6}, "traffic_from + traffic <= 1"),
        ({"salt": "a:b:c"}, "salt"),
        ({"alpha": 0.7}, "alpha"),
        ({"weeks": 0}, "weeks"),
        ({"spending": "linear"}, "spending"),
    ],
)
def test_an_impossible_definition_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ValidationError) as refused:
        experiment(**changes)
    assert message in str(refused.value)


def test_a_mistake_in_a_definition_is_refused_with_its_line(tmp_path: Path):
    lines = [
        "[experiments.favourites]",
        'hypothesis = "b listens longer, for its tracks fit"',
        'owner = "home"',
        'salt = "favourites_1"',
        "variants = { control = 1, b = 1 }",
        "first_day = 2026-03-02",
        "aplha = 0.05",
    ]
    (tmp_path / "umg.toml").write_text("\n".join(lines))
    with pytest.raises(
        SettingsError, match=r"umg.toml:7: experiments.favourites.aplha: no such setting; did you mean alpha\?"
    ):
        read_settings(tmp_path)
    lines[-1] = '[experiments.favourites.metrics.long]\nnumerator = "sesions"'
    (tmp_path / "umg.toml").write_text("\n".join(lines))
    with pytest.raises(
        SettingsError, match=r"umg.toml:8: experiments.favourites.metrics.long.numerator: .*'sessions'\?"
    ):
        read_settings(tmp_path)
    lines[-1] = ""
    (tmp_path / "umg.toml").write_text("\n".join(lines))
    assert read_settings(tmp_path).experiments["favourites"].control == "control"


def test_experiments_that_share_a_salt_or_users_of_a_layer_are_refused():
    first = experiment(layer="home", traffic=0.5)
    with pytest.raises(ValueError, match=r"b\.salt: 'test_salt' is a's"):
        check_experiments({"a": first, "b": experiment()})
    beside = {"salt": "other_salt", "layer": "home", "traffic": 0.5}
    with pytest.raises(ValueError, match=r"b\.traffic_from: shares users of layer 'home' with a"):
        check_experiments({"a": first, "b": experiment(**beside)})
    check_experiments({"a": first, "b": experiment(**beside, traffic_from=0.5)})
    check_experiments({"a": first, "b": experiment(**beside, first_day="2026-05-04")})
    with pytest.raises(ValueError, match="small letters"):
        check_experiments({"Age-Group": experiment()})


def test_everything_but_the_owner_freezes():
    first = experiment()
    assert first.definition_hash == experiment(owner="somebody else").definition_hash
    for changes in (
        {"alpha": 0.1},
        {"weeks": 3},
        {"hypothesis": "b listens less, because of its tracks"},
        {"salt": "salt_2"},
    ):
        later = experiment(**changes)
        assert later.definition_hash != first.definition_hash
        (changed,) = later.changes_since(first.frozen())
        assert changed.startswith(f"{next(iter(changes))}: was ")


def test_a_setting_that_came_later_freezes_only_where_it_is_set():
    watched = experiment(secondary=("skip_rate",))
    assert "may_worsen" not in watched.frozen()
    trading = experiment(secondary=("skip_rate",), may_worsen=("skip_rate",))
    assert trading.changes_since(watched.frozen()) == ('may_worsen: was null, is ["skip_rate"]',)


def test_an_experiment_ends_with_its_planned_weeks_or_the_week_in_which_every_variant_has_enough_sessions():
    planned = experiment(weeks=3, target_sessions=1_000)
    enough, few = {"control": 1_000, "b": 1_200}, {"control": 1_000, "b": 999}
    ends = [
        (planned.first_day.replace(day=day), sessions)
        for day, sessions in ((8, enough), (9, enough), (15, few), (22, few))
    ]
    assert [planned.is_complete(day, sessions) for day, sessions in ends] == [True, False, False, True]
    assert not experiment(weeks=3).is_complete(planned.first_day.replace(day=8), enough)


# docs/experiments.md publishes these for other languages.
VECTORS = (
    ("age_group_favourites_2026", "1", 612),
    ("age_group_favourites_2026", "u-42", 3723),
    ("age_group_favourites_2026", "Zoë", 8848),
    ("s2026", "1", 4751),
    ("s2026", "u-42", 85),
    ("s2026", "Zoë", 5191),
)


@pytest.mark.parametrize(("salt", "user_id", "expected"), VECTORS)
def test_buckets_are_the_published_vectors_and_the_docs_name_them(salt: str, user_id: str, expected: int):
    assert bucket(salt, user_id) == expected
    docs = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert f"| `{salt}` | `{user_id}` | {expected} |" in docs


def test_weights_become_ranges_of_whole_buckets_without_a_gap():
    thirds = experiment(variants={"control": 1, "b": 1, "c": 1})
    ranges = list(variant_buckets(thirds).values())
    assert [(buckets.start, buckets.stop) for buckets in ranges] == [(0, 3333), (3333, 6667), (6667, 10000)]
    assert sum(thirds.shares.values()) == pytest.approx(1)
    assert experiment(variants={"control": 9, "b": 1}).shares == {"control": 0.9, "b": 0.1}


def test_taking_part_is_independent_of_the_variant_and_experiments_of_a_layer_share_no_user():
    users = [f"user-{at}" for at in range(20_000)]
    first = experiment(layer="home", traffic=0.4, holdout=0.05)
    second = experiment(salt="other_salt", layer="home", traffic=0.4, traffic_from=0.4, holdout=0.05)
    assigned = [(assign(first, user), assign(second, user)) for user in users]
    assert not [pair for pair in assigned if pair[0] and pair[1]]
    variants = [variant for variant, _ in assigned if variant]
    assert len(variants) / len(users) == pytest.approx(0.4 * 0.95, abs=0.015)
    assert variants.count("b") / len(variants) == pytest.approx(0.5, abs=0.025)
    held = {user for user in users if bucket("all/holdout", user) < 500}
    assert not [user for user, pair in zip(users, assigned, strict=True) if user in held and any(pair)]


def test_the_traffic_salt_differs_from_the_variants_salt_and_is_the_layers_in_a_layer():
    assert traffic_salt(experiment()) == "test_salt/traffic"
    assert traffic_salt(experiment(layer="home")) == "layer/home"


def test_user_buckets_come_from_the_first_digits_of_the_key():
    assert user_bucket("000003e9" + "f" * 56) == 1
