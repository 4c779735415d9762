"""Generated experiments, from the app's events to a verdict, compared with what the generator knows."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from umg_assets.checks.experiments import HELD
from umg_assets.cli.forget import forgetting_of
from umg_assets.cli.main import app
from umg_assets.experiments.evidence_text import from_text
from umg_assets.experiments.readouts import Readouts
from umg_assets.generator.experiments import EFFECT, SyntheticExperiment, generate_experiments, variant_of
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.users import users_of
from umg_assets.statistics.moments import Evidence
from umg_assets_tests.lake import Lake
from umg_assets_tests.privacy.test_pseudonyms import holding

FIRST, LAST = date(2026, 3, 9), date(2026, 3, 22)
FOUR = (
    SyntheticExperiment("longer", users=240, effect=EFFECT),
    SyntheticExperiment("same", users=120),
    SyntheticExperiment("broken", users=200, lost=0.6),
    SyntheticExperiment("lucky", users=200, early_z=2.1),
)
MANY = tuple(SyntheticExperiment(f"tiny_{number}", users=24) for number in range(16))


def lake_of(home: Path, experiments: tuple[SyntheticExperiment, ...], engine: str) -> Lake:
    """A lakehouse with experiments of two weeks each, run once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", engine)
        lake = Lake(home)
        text = generate_experiments(
            lake.home / "landing", lake.home / "truth", FIRST, experiments=experiments, pre_days=7
        )
        lake.configure(f"plays_from_events = true\n{text}", sources="", first_day="2026-02-20")
        lake.run()
    return lake


pytestmark = pytest.mark.sail_enough


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory, engine: str, today: date) -> Lake:
    """A lakehouse with the experiments FOUR, run once. Only read it."""
    return lake_of(tmp_path_factory.mktemp("four") / "home", FOUR, engine)


def truth(lake: Lake) -> Mapping[str, Any]:
    """What the generator knows, by experiment."""
    return json.loads((lake.home / "truth" / "experiments.json").read_text())


def evidence(lake: Lake) -> dict[str, Evidence]:
    """The evidence through the last day, by experiment."""
    rows = [row for row in lake.rows("experiment_days") if row["through_date"] == LAST]
    by_experiment = {row["experiment"]: from_text(row["evidence"], settled=True) for row in rows}
    assert len(by_experiment) == len(rows)
    return by_experiment


def readout(lake: Lake, name: str) -> dict[str, Any]:
    """The published readout of an experiment."""
    return json.loads((lake.home / "exports" / "experiments" / name / "readout.json").read_text())


def assert_every_day_has_evidence(lake: Lake) -> None:
    """14 days of every experiment have evidence, and its readout is through the last of them."""
    experiments = truth(lake)
    assert len({row["experiment"] for row in lake.rows("experiment_days", "experiment")}) == len(experiments)
    assert len(lake.rows("experiment_days", "experiment")) == 14 * len(experiments)
    for name in experiments:
        assert readout(lake, name)["through"] == LAST.isoformat()


def assert_sums_are_the_truth(lake: Lake) -> None:
    """Users, sessions, plays and play time of every experiment and variant are the generator's."""
    by_experiment = evidence(lake)
    for name, known in truth(lake).items():
        sums = by_experiment[name]
        assert sums.trust.exposed == {variant: arm["users"] for variant, arm in known["variants"].items()}
        sessions = {arm.variant: arm.sessions for arm in sums.sessions}
        assert sessions == {variant: arm["sessions"] for variant, arm in known["variants"].items()}
        table = {(row.metric, row.variant): row for row in sums.moments if row.slice == "all"}
        for variant, arm in known["variants"].items():
            assert table["songs_per_session", variant].n == arm["plays"]
            assert table["listening_per_user", variant].n == arm["listening_ms"]
            assert table["listening_per_user", variant].d == arm["users"]


def assert_logged_variants_are_recomputed(lake: Lake) -> None:
    """Every exposed user's logged variant is the one that the engine recomputes."""
    by_experiment = evidence(lake)
    for name in truth(lake):
        trust = by_experiment[name].trust
        assert (trust.mismatched, trust.two_arms) == (0, 0)
        assert trust.checked == sum(trust.exposed.values())


def test_no_table_beyond_the_raw_ones_holds_an_id_of_the_generators_users(four: Lake):
    """Whose events and sessions are named for them."""
    assert holding(four, *(f"x_{experiment.name}_0" for experiment in FOUR)) == {"raw_app_events"}


def test_every_experiment_has_evidence_for_each_day_and_a_readout(four: Lake):
    assert_every_day_has_evidence(four)


def test_users_sessions_plays_and_play_time_are_those_that_happened(four: Lake):
    assert_sums_are_the_truth(four)


def test_the_logged_variants_are_those_that_both_engines_recompute(four: Lake):
    assert_logged_variants_are_recomputed(four)


@pytest.mark.exhaustive
def test_twenty_experiments_in_one_lakehouse_each_have_their_own_sums(tmp_path: Path, engine: str, today: date):
    lake = lake_of(tmp_path / "home", (*FOUR, *MANY), engine)
    assert len(truth(lake)) == 20
    assert_every_day_has_evidence(lake)
    assert_sums_are_the_truth(lake)
    assert_logged_variants_are_recomputed(lake)


def test_an_effect_of_two_fifths_is_shipped_and_a_broken_split_is_held(four: Lake):
    assert [verdict["decision"] for verdict in readout(four, "longer")["verdicts"]] == ["ship"]
    broken = readout(four, "broken")
    assert [verdict["decision"] for verdict in broken["verdicts"]] == ["on hold"]
    assert "sample ratio" in [finding["check"] for finding in broken["findings"] if finding["level"] == "hold"]


def test_a_held_experiment_fails_its_own_check_and_no_other(four: Lake):
    keys = {name: dg.AssetCheckKey(dg.AssetKey(f"experiment_{name}_readout"), HELD) for name in ("broken", "same")}
    records = four.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    statuses = {name: record.status.value for name, key in keys.items() if (record := records[key]) is not None}
    assert statuses == {"broken": "FAILED", "same": "SUCCEEDED"}


def test_a_variant_that_chance_favours_on_day_three_stays_within_its_bounds(four: Lake):
    assert truth(four)["lucky"]["naive_z_day_3"] > 1.96
    looks = [look for look in Readouts(four.home).looks("lucky") if look.metric == "session_duration"]
    assert looks
    assert all(look.bound > 1.96 for look in looks)
    assert not [look for look in looks if look.crossed]
    assert [verdict["decision"] for verdict in readout(four, "lucky")["verdicts"]] != ["ship"]


def test_evidence_holds_aggregates_and_no_user_key(four: Lake):
    keys = {row["user_key"] for row in four.rows("visits", "user_key")}
    text = "".join(row["evidence"] for row in four.rows("experiment_days", "evidence"))
    assert keys
    assert not [key for key in keys if key in text]


def test_a_second_run_finds_nothing_to_do(four: Lake, monkeypatch: pytest.MonkeyPatch, engine: str):
    monkeypatch.setenv("UMG_ENGINE", engine)
    before = four.versions()
    assert four.run().runs == 0
    assert four.versions() == before


def test_the_generator_writes_its_truth_beside_the_events(tmp_path: Path):
    text = generate_experiments(tmp_path / "landing", tmp_path / "truth", FIRST, experiments=MANY[:2], pre_days=3)
    assert text.count("[experiments.") == 2
    assert (tmp_path / "truth" / "experiments.json").exists()


@pytest.mark.exhaustive
def test_late_events_change_evidence_from_their_day_on_and_restate_looks_and_an_edit_holds_the_readout_at_once(
    lake: Lake, today: date
):
    experiments = (SyntheticExperiment("late", users=60, weeks=1),)
    generated = lake.home / "generated"
    text = generate_experiments(generated, None, FIRST, experiments=experiments, pre_days=7)
    lake.configure(f"plays_from_events = true\n{text}", sources="", first_day="2026-02-20")
    files = {file.relative_to(generated): file for file in generated.rglob("*.*")}
    late = next(path for path in files if "2026-03-12" in path.name)
    for path, file in files.items():
        if path != late:
            lake.drop(str(path), file.read_bytes())
    lake.run()
    experiment = lake.settings.experiments["late"]
    before, looks = lake.rows("experiment_days"), Readouts(lake.home).looks("late")
    assert [look.day for look in looks if look.metric == "session_duration"]
    lake.drop(str(late), files[late].read_bytes())
    report = lake.run()
    assert report.partitions["exposure_days"] == ["2026-03-12"]
    assert report.partitions["experiment_late_days"] == [f"2026-03-{day}" for day in range(10, 16)]
    after = lake.rows("experiment_days")
    changed = [old["through_date"].day for old, new in zip(before, after, strict=True) if old != new]
    assert changed
    assert min(changed) >= 12
    taken = Readouts(lake.home).take("late", experiment, today)
    assert Readouts(lake.home).looks("late") == looks, "looks that were taken stay as they were"
    assert {look.day for look in taken.readout.restated} <= {look.day for look in looks}
    assert taken.readout.restated
    assert taken.new == ()

    config = lake.home / "umg.toml"
    original = config.read_text()
    config.write_text(original.replace("minimum_effect", "power = 0.9\nminimum_effect", 1))
    edited = lake.run()
    assert set(edited.partitions) == {"experiment_late_days", "experiment_late_readout"}, "an edit makes both stale"
    assert len(edited.partitions["experiment_late_days"]) == 7
    assert [verdict["decision"] for verdict in readout(lake, "late")["verdicts"]] == ["on hold"]
    config.write_text(original)
    assert lake.run().runs, "the frozen definition is read again"
    assert [verdict["decision"] for verdict in readout(lake, "late")["verdicts"]] != ["on hold"]
    assert lake.run().runs == 0


def test_a_definition_edited_after_the_first_exposure_holds_the_readout_and_a_decision_is_kept(
    four: Lake, tmp_path: Path, engine: str, today: date, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UMG_ENGINE", engine)
    lake = four.copied(tmp_path / "copy")
    (lake.home / "umg.toml").write_text((four.home / "umg.toml").read_text())
    text = (lake.home / "umg.toml").read_text()
    assert 'owner = "the generator"' in text
    start = text.index("[experiments.longer]")
    (lake.home / "umg.toml").write_text(text[:start] + text[start:].replace("weeks = 2", "weeks = 3", 1))
    experiment, readouts = lake.settings.experiments["longer"], Readouts(lake.home)
    held = readouts.take("longer", experiment, today).readout
    assert [verdict.decision for verdict in held.verdicts] == ["on hold"]
    assert "weeks: was 2, is 3" in " ".join(finding.text for finding in held.findings)
    readouts.decide("longer", experiment, "stop", "ann", "the definition was edited", today)
    (decision,) = readouts.publish("longer", experiment, today).decisions
    assert (decision["verdict"], decision["decided_by"], decision["readout_verdict"]) == ("stop", "ann", "b: on hold")
    assert readout(lake, "longer")["decisions"][0]["reason"] == "the definition was edited"
    page = (readouts.folder("longer") / "readout.html").read_text()
    assert "the definition was edited" in page
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("http-equiv", "")


def test_the_commands_assign_plan_decide_and_read(four: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lake = four.copied(tmp_path / "copy")
    (lake.home / "umg.toml").write_text((four.home / "umg.toml").read_text())
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("UMG_HOME", str(lake.home))

    def output_of(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["--home", str(lake.home), "experiment", *arguments])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    assert variant_of("longer-made-up", "u1") in output_of("assign", "longer", "u1")
    output_of("plan", "longer", "--keep")
    plan = Readouts(lake.home).plan("longer")
    assert plan is not None
    assert plan.windows[0].users > 0
    assert plan.information["session_duration"] > 0
    output_of("decide", "longer", "--verdict", "ship", "--by", "ann", "--why", "it won")
    assert json.loads(output_of("readout", "longer", "--format", "json"))
    assert [decision["decided_by"] for decision in readout(lake, "longer")["decisions"]] == ["ann"]


def test_the_error_for_an_unknown_experiment_names_those_in_umg_toml(four: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UMG_HOME", str(four.home))
    result = CliRunner().invoke(app, ["--home", str(four.home), "experiment", "readout", "longr"])
    assert result.exit_code != 0
    assert "longer" in f"{result.output} {result.exception}"


@pytest.mark.exhaustive
def test_people_who_are_forgotten_leave_the_evidence_and_the_looks_that_change_are_restated(four: Lake, tmp_path: Path):
    lake = four.copied(tmp_path / "home")
    exposures = [row for row in lake.rows("exposure_days") if row["experiment"] == "longer" and row["is_eligible"]]
    exposed = {row["user_key"] for row in exposures if row["other_variant"] is None}
    forgotten = sorted(exposed)[:12]
    users = {key: user_id for users in users_of(lake.home) for key, user_id in users.items()}
    before = evidence(lake)
    Requests(lake.home).add([users[key] for key in forgotten])
    receipt = forgetting_of(lake.settings, lake.instance, lambda _: None).forget()
    assert receipt is not None
    assert receipt.good, receipt.text
    after = evidence(lake)
    gone = sum(before["longer"].trust.exposed.values()) - sum(after["longer"].trust.exposed.values())
    assert 0 < gone <= len(forgotten), "which ones are drawn anew with each key: some may be in two arms"
    assert after["broken"].trust.exposed == before["broken"].trust.exposed
    assert readout(lake, "longer")["restated"]
