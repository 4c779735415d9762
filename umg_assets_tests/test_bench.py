"""The bench runs, and its figures are of sides that built the same charts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.made_ledger import make_ledger
from umg_assets.resources.ledger import Ledger

ROOT = Path(__file__).parents[1]


@pytest.mark.exhaustive
def test_the_bench_measures_the_lakehouse_and_a_script_that_builds_the_same_charts(tmp_path: Path):
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench", "--plays", "2000", "--days", "6", "--only", "a,d", "--json", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "UMG_ENGINE": "sail"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    lakehouse, script = figures["lines"]
    assert script["note"].startswith("same ")
    assert min(lakehouse["measured"].values()) > 0
    assert min(script["measured"].values()) > 0
    assert set(figures["ratios"]) == {"lakehouse on Sail / DuckDB script"}


def test_a_made_up_ledger_is_read_as_files_that_have_landed(tmp_path: Path):
    make_ledger(tmp_path, days=3, a_day=250)
    history = Ledger(tmp_path).read()
    assert [entry.sequence for entry in history.entries] == list(range(1, 1501))
    assert (len(history.latest()), history.unfinished()) == (750, [])
    assert sum(history.rows_by_day("plays").values()) == 3 * (250 * 49_950 + 25 * 40)
