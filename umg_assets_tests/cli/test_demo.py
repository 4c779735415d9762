"""`umg demo`: what a newcomer sees first."""

import json
from pathlib import Path

import dagster as dg
import pytest

from umg_assets.resources.instance import open_instance
from umg_assets_tests.cli.conftest import Umg

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]


def test_a_demo_of_few_days_ends_well_and_has_an_experiment_with_a_page(umg: Umg, tmp_path: Path):
    home = tmp_path / "home"
    code, printed, error = umg("demo", "--plays", "300", "--days", "20", home=home)
    assert code in (0, 3), error  # 3: planted faults are a large share of so few plays
    text = " ".join(printed.split())
    assert "Records lost: 0." in text
    assert "umg experiment readout age_picks" in text
    page = home / "exports" / "experiments" / "age_picks" / "readout.html"
    assert f"its page: {page}" in printed
    verdict = json.loads((page.parent / "readout.json").read_text())["verdicts"][0]["decision"]
    assert verdict in page.read_text()
    with open_instance(home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("experiment_age_picks_readout"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["page"].value == str(page)
