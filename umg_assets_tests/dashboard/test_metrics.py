"""/metrics: Prometheus's text format, from the sums of the ledger and what is noted, with nothing personal."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from umg_assets import clock
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.resources.status import note, note_sums
from umg_assets_tests.dashboard.serving import Server, served
from umg_assets_tests.lake import Lake

NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+)")


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake of which only the ledger's sums and what runs note are there: no set is published."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    lake = Lake(tmp_path / "home")
    landed = Entry(
        "plays",
        "plays/2026-03-02-of-somebody.csv",
        date(2026, 3, 2),
        sequence=1,
        state="landed",
        records=12,
        landed=10,
        quarantined={"missing_track_id": 2},
        rows_by_play_date={"2026-03-02": 10},
        recorded_at=datetime(2026, 3, 3, 6, tzinfo=UTC),
    )
    note_sums(lake.home, History((landed,)))
    checks = [("plays", 'odd "name" \\ of\na check', True), ("plays", "usual_volume", False)]
    note(lake.home, held=2, failed_runs=1, stale=7, run_seconds=33, failed_checks=checks)
    return lake


@pytest.fixture
def server(lake: Lake) -> Iterator[Server]:
    with served(lake.settings) as server:
        yield server


def samples(text: str) -> dict[tuple[str, str], int]:
    """The samples by name and labels; asserts on the way that each line is of the format, each name declared once."""
    found, declared = {}, []
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            declared.append(line.split(" ")[2])
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {declared[-1]} gauge"
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == declared[-1], "samples of a name stand together, after what it says"
            assert (sample[1], sample[2] or "") not in found
            found[sample[1], sample[2] or ""] = int(sample[3])
    assert len(declared) == len(set(declared))
    return found


def test_counts_ages_and_what_is_red_are_there_before_a_set_is_published(server: Server):
    answer = server.ask("/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = samples(answer.text)
    expected = {
        ("umg_records", 'source="plays",outcome="landed"'): 10,
        ("umg_records", 'source="plays",outcome="quarantined"'): 2,
        ("umg_files", 'source="plays"'): 1,
        ("umg_newest_delivery_age_seconds", 'source="plays"'): 30 * 3600,
        ("umg_newest_play_age_seconds", 'source="plays"'): 31 * 3600,
        ("umg_last_landing_age_seconds", 'source="plays"'): 24 * 3600,
        ("umg_held_files", ""): 2,
        ("umg_failed_runs", ""): 1,
        ("umg_stale_partitions", ""): 7,
        ("umg_last_run_seconds", ""): 33,
        ("umg_red_checks", 'severity="error"'): 1,
        ("umg_red_checks", 'severity="warn"'): 1,
        ("umg_red_check", 'asset="plays",check="usual_volume"'): 1,
        ("umg_red_check", r'asset="plays",check="odd \"name\" \\ of\na check"'): 1,
    }
    assert expected.items() <= found.items()
    assert "somebody" not in answer.text


def test_of_a_home_without_anything_the_release_is_all_that_is_known(tmp_path: Path):
    with served(Lake(tmp_path / "home").settings) as server:
        assert [name for name, _ in samples(server.ask("/metrics").text)] == ["umg_info"]


def test_they_are_guarded_as_pages_are(server: Server):
    assert server.send("/metrics", "GET", [("Host", "evil.example")]).status == 421
    assert server.ask("/metrics", "POST").status == 405


def test_a_run_notes_how_long_it_took_and_what_is_still_stale(sail_lake: Lake):
    from umg_assets.resources.status import read_status

    sail_lake.drop_plays("2026-03-02", [("p", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")])
    sail_lake.run()
    facts = read_status(sail_lake.home).facts
    assert facts["stale"].count == 0
    assert facts["run_seconds"].count >= 1
