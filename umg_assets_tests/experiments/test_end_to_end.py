"""Made-up experiments in one lakehouse, from the app's events to a verdict, held to what the generator knows."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from umg_assets.checks.experiments import HELD
from umg_assets.cli import app
from umg_assets.experiments.evidence_text import from_text
from umg_assets.experiments.moments import Evidence
from umg_assets.generator.experiments import EFFECT, MadeExperiment, generate_experiments, variant_of
from umg_assets.resources.readouts import Readouts
from umg_assets_tests.lake import Lake

FIRST, LAST = date(2026, 3, 9), date(2026, 3, 22)
FOUR = (
    MadeExperiment("longer", users=240, effect=EFFECT),
    MadeExperiment("same", users=120),
    MadeExperiment("broken", users=200, lost=0.6),
    MadeExperiment("lucky", users=200, early_z=2.1),
)
MANY = tuple(MadeExperiment(f"tiny_{number}", users=24) for number in range(16))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Lake:
    """Every experiment on Sail, 20 of them; four on Spark. Run once; only read it."""
    patch = pytest.MonkeyPatch()
    patch.setenv("UMG_ENGINE", engine)
    lake = Lake(tmp_path_factory.mktemp("experiments") / "home")
    wanted = (*FOUR, *MANY) if engine == "sail" else FOUR
    text = generate_experiments(lake.home / "landing", lake.home / "truth", FIRST, made=wanted, pre_days=7)
    lake.configure(f"plays_from_events = true\n{text}", sources="", first_day="2026-02-20")
    lake.run()
    patch.undo()
    return lake


def truth(lake: Lake) -> Mapping[str, Any]:
    """What the generator knows, by experiment."""
    return json.loads((lake.home / "truth" / "experiments.json").read_text())


def evidence(lake: Lake, name: str, through: date = LAST) -> Evidence:
    """What table experiment_days keeps of a day."""
    rows = [row for row in lake.rows("experiment_days") if (row["experiment"], row["through_date"]) == (name, through)]
    assert len(rows) == 1
    return from_text(rows[0]["evidence"], settled=True)


def readout(lake: Lake, name: str) -> dict[str, Any]:
    """What was written of an experiment."""
    return json.loads((lake.home / "exports" / "experiments" / name / "readout.json").read_text())


def test_every_experiment_has_its_evidence_for_each_day_and_its_readout(made: Lake):
    told = truth(made)
    assert len({row["experiment"] for row in made.rows("experiment_days", "experiment")}) == len(told)
    assert len(made.rows("experiment_days", "experiment")) == 14 * len(told)
    for name in told:
        assert readout(made, name)["through"] == LAST.isoformat()


def test_users_sessions_plays_and_play_time_are_those_that_happened(made: Lake):
    for name, told in truth(made).items():
        found = evidence(made, name)
        assert found.trust.exposed == {variant: arm["users"] for variant, arm in told["variants"].items()}
        sessions = {arm.variant: arm.sessions for arm in found.sessions}
        assert sessions == {variant: arm["sessions"] for variant, arm in told["variants"].items()}
        table = {(row.metric, row.variant): row for row in found.moments if row.slice == "all"}
        for variant, arm in told["variants"].items():
            assert table["songs_per_session", variant].n == arm["plays"]
            assert table["listening_per_user", variant].n == arm["listening_ms"]
            assert table["listening_per_user", variant].d == arm["users"]


def test_the_logged_variants_are_those_that_both_engines_recompute(made: Lake):
    for name in truth(made):
        trust = evidence(made, name).trust
        assert (trust.mismatched, trust.two_arms) == (0, 0)
        assert trust.checked == sum(trust.exposed.values())


def test_an_effect_of_two_fifths_is_shipped_and_a_broken_split_is_held(made: Lake):
    assert [one["decision"] for one in readout(made, "longer")["verdicts"]] == ["ship"]
    broken = readout(made, "broken")
    assert [one["decision"] for one in broken["verdicts"]] == ["on hold"]
    assert "sample ratio" in [one["check"] for one in broken["findings"] if one["level"] == "hold"]


def test_what_holds_one_experiment_turns_its_own_check_red_and_no_other(made: Lake):
    keys = {name: dg.AssetCheckKey(dg.AssetKey(f"experiment_{name}_readout"), HELD) for name in ("broken", "same")}
    found = made.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    ended = {name: record.status.value for name, key in keys.items() if (record := found[key]) is not None}
    assert ended == {"broken": "FAILED", "same": "SUCCEEDED"}


def test_where_chance_favours_a_variant_on_day_three_the_bound_holds(made: Lake):
    assert truth(made)["lucky"]["naive_z_day_3"] > 1.96
    looks = [look for look in Readouts(made.home).looks("lucky") if look.metric == "session_duration"]
    assert looks
    assert all(look.bound > 1.96 for look in looks)
    assert not [look for look in looks if look.crossed]
    assert [one["decision"] for one in readout(made, "lucky")["verdicts"]] != ["ship"]


def test_only_aggregates_are_kept_of_an_experiment(made: Lake):
    keys = {row["user_key"] for row in made.rows("visits", "user_key")}
    kept = "".join(row["evidence"] for row in made.rows("experiment_days", "evidence"))
    assert not [key for key in keys if key in kept]


def test_a_second_run_finds_nothing_to_do(made: Lake, monkeypatch: pytest.MonkeyPatch, engine: str):
    monkeypatch.setenv("UMG_ENGINE", engine)
    before = made.versions()
    assert made.run().runs == 0
    assert made.versions() == before


def test_the_truth_lies_beside_the_events(tmp_path: Path):
    text = generate_experiments(tmp_path / "landing", tmp_path / "truth", FIRST, made=MANY[:2], pre_days=3)
    assert text.count("[experiments.") == 2
    assert (tmp_path / "truth" / "experiments.json").exists()


@pytest.mark.sail_enough
def test_late_events_change_the_days_from_theirs_on_and_looks_taken_are_restated_an_edit_holds_at_once(lake: Lake):
    made = (MadeExperiment("late", users=60, weeks=1),)
    text = generate_experiments(lake.home / "made", None, FIRST, made=made, pre_days=7)
    lake.configure(f"plays_from_events = true\n{text}", sources="", first_day="2026-02-20")
    files = {file.relative_to(lake.home / "made"): file for file in (lake.home / "made").rglob("*.*")}
    held = next(path for path in files if "2026-03-12" in path.name)
    for path, file in files.items():
        if path != held:
            lake.drop(str(path), file.read_bytes())
    lake.run()
    experiment = lake.settings.experiments["late"]
    before, looks = lake.rows("experiment_days"), Readouts(lake.home).looks("late")
    assert [look.day for look in looks if look.metric == "session_duration"]
    lake.drop(str(held), files[held].read_bytes())
    report = lake.run()
    assert report.partitions["exposure_days"] == ["2026-03-12"]
    assert report.partitions["experiment_late_days"] == [f"2026-03-{day}" for day in range(10, 16)]
    after = lake.rows("experiment_days")
    changed = [one["through_date"].day for one, other in zip(before, after, strict=True) if one != other]
    assert changed
    assert min(changed) >= 12
    taken = Readouts(lake.home).take("late", experiment, date(2026, 4, 1))
    assert Readouts(lake.home).looks("late") == looks, "what was looked at stays as it was"
    assert {one.day for one in taken.readout.restated} <= {look.day for look in looks}
    assert taken.readout.restated
    assert taken.new == ()

    config = lake.home / "umg.toml"
    own = config.read_text()
    config.write_text(own.replace("minimum_effect", "power = 0.9\nminimum_effect", 1))
    edited = lake.run()
    assert set(edited.partitions) == {"experiment_late_days", "experiment_late_readout"}, "an edit makes both stale"
    assert len(edited.partitions["experiment_late_days"]) == 7
    assert [one["decision"] for one in readout(lake, "late")["verdicts"]] == ["on hold"]
    config.write_text(own)
    assert lake.run().runs, "as it was frozen, it is read again"
    assert [one["decision"] for one in readout(lake, "late")["verdicts"]] != ["on hold"]
    assert lake.run().runs == 0


@pytest.mark.sail_enough
def test_a_definition_edited_after_the_first_exposure_holds_the_readout_and_a_decision_is_kept(
    made: Lake, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UMG_ENGINE", engine)
    lake = made.copied(tmp_path / "copy")
    (lake.home / "umg.toml").write_text((made.home / "umg.toml").read_text())
    text = (lake.home / "umg.toml").read_text()
    assert 'owner = "the generator"' in text
    own = text.index("[experiments.longer]")
    (lake.home / "umg.toml").write_text(text[:own] + text[own:].replace("weeks = 2", "weeks = 3", 1))
    experiment, readouts = lake.settings.experiments["longer"], Readouts(lake.home)
    found = readouts.take("longer", experiment, date(2026, 4, 1)).readout
    assert [one.decision for one in found.verdicts] == ["on hold"]
    assert "weeks: was 2, is 3" in " ".join(one.text for one in found.findings)
    readouts.decide("longer", experiment, "stop", "ann", "the definition was edited", date(2026, 4, 1))
    (noted,) = readouts.publish("longer", experiment, date(2026, 4, 1)).decisions
    assert (noted["verdict"], noted["decided_by"], noted["readout_verdict"]) == ("stop", "ann", "b: on hold")
    assert readout(lake, "longer")["decisions"][0]["reason"] == "the definition was edited"
    page = (readouts.folder("longer") / "readout.html").read_text()
    assert "the definition was edited" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://matplotlib.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "")


@pytest.mark.sail_enough
def test_the_commands_plan_read_assign_and_decide(made: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lake = made.copied(tmp_path / "copy")
    (lake.home / "umg.toml").write_text((made.home / "umg.toml").read_text())
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("UMG_HOME", str(lake.home))

    def say(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--home", str(lake.home), "experiment", *arguments])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    assert variant_of("longer-made-up", "u1") in say("assign", "longer", "u1")
    say("plan", "longer", "--keep")
    kept = Readouts(lake.home).plan("longer")
    assert kept is not None
    assert kept.windows[0].users > 0
    assert kept.information["session_duration"] > 0
    say("decide", "longer", "--verdict", "ship", "--by", "ann", "--why", "it won")
    assert json.loads(say("readout", "longer", "--format", "json"))
    assert [one["decided_by"] for one in readout(lake, "longer")["decisions"]] == ["ann"]


def test_an_experiment_that_umg_toml_does_not_have_is_an_error_that_names_those_it_has(
    made: Lake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UMG_HOME", str(made.home))
    done = CliRunner().invoke(app, ["--home", str(made.home), "experiment", "readout", "longr"])
    assert done.exit_code != 0
    assert "longer" in f"{done.output} {done.exception}"
