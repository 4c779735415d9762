"""`umg demo`: what a newcomer sees first."""

import json
import re
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from umg_assets.calendar import utc_today
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


def test_a_demo_of_twelve_days_shows_the_month_that_is_there_and_ends_with_0(umg: Umg, tmp_path: Path):
    code, printed, error = umg("demo", "--plays", "3000", "--days", "12", home=tmp_path / "home")
    assert code == 0, error
    months = {str(utc_today() - timedelta(days=days))[:7] for days in range(1, 13)}
    assert re.findall(r"^Top tracks, AT (\S+), by plays", printed, re.MULTILINE)[0] in months
    assert "no chart" not in printed
