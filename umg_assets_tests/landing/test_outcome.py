"""What became of each source's files, and where more was set aside than umg.toml allows."""

from dataclasses import replace
from datetime import date

import pytest

from umg_assets.landing.outcome import SourceOutcome, outcomes
from umg_assets.landing.scan import Scan
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.settings.sources import Source
from umg_assets_tests.lake import SOURCES, Lake

SECOND = SOURCES[: SOURCES.index("[[sources.users]]")].replace("plays/*.csv*", "more/*.csv")
ENTRY = Entry("plays", "plays/a.csv", date(2026, 3, 2), 1, "landed", records=100, landed=100)
REFUSED = {"records": 1, "landed": 0, "quarantined": {"not_the_format": 1}}


@pytest.fixture
def home(tmp_path) -> Lake:
    """A home with two sources of plays."""
    lake = Lake(tmp_path / "home")
    lake.configure(sources=SECOND + SOURCES)
    return lake


def outcome_of(home: Lake, *entries: Entry, since: int = 0) -> SourceOutcome:
    """What became of the files of the second source of plays."""
    sources = home.settings.sources.plays
    claimed: dict = {("plays", entry.path): (1, sources[1]) for entry in entries}
    numbered = tuple(replace(entry, sequence=number) for number, entry in enumerate(entries, 1))
    [outcome] = [
        outcome
        for outcome in outcomes(home.settings, Scan(claimed=claimed), History(numbered), since)
        if outcome.label.startswith("plays[1]")
    ]
    return outcome


def bad(count: int, path: str = "plays/a.csv", read: int = 100) -> Entry:
    """An entry of which so many records are in quarantine."""
    return replace(ENTRY, path=path, records=read, landed=read - count, quarantined={"missing_user_id": count})


def test_a_source_counts_its_files_and_records_of_the_latest_landing_of_each(home: Lake):
    refused = replace(ENTRY, path="plays/b.csv", **REFUSED)
    outcome = outcome_of(home, bad(50), bad(4), refused)
    figures = (outcome.files, outcome.refused, outcome.records, outcome.landed, outcome.quarantined)
    assert figures == (2, 1, 100, 96, 4)
    assert outcome.reasons == {"missing_user_id": 4, "not_the_format": 1}


@pytest.mark.parametrize(
    ("entries", "since", "over"),
    [
        ([bad(5)], 0, []),
        ([bad(6)], 0, ["6 of 100 records delivered on 2026-03-02"]),
        ([bad(6)], 1, []),
        (
            [bad(6), replace(bad(7, "plays/b.csv"), delivery_date=date(2026, 3, 3))],
            0,
            ["6 of 100 records delivered on 2026-03-02", "7 of 100 records delivered on 2026-03-03"],
        ),
        ([bad(100)], 1, ["100 of 100 records"]),
        ([replace(ENTRY, **REFUSED)], 1, ["1 of 1 files"]),
        (
            [replace(ENTRY, path=f"{n}", **REFUSED) for n in range(19)] + [ENTRY],
            0,
            ["19 of 20 files delivered on 2026-03-02"],
        ),
        ([replace(ENTRY, landed=0, filtered=100)], 0, []),
    ],
)
def test_a_delivery_of_this_run_is_judged_and_a_source_of_which_nothing_has_ever_landed(
    home: Lake, entries: list[Entry], since: int, over: list[str]
):
    assert outcome_of(home, *entries, since=since).over == over


def test_files_that_are_gone_go_to_the_source_of_their_definition_else_to_none(home: Lake):
    settings = home.settings
    source: Source = settings.sources.users[0]
    known = replace(ENTRY, source="users", definition_hash=f"{source.definition_hash}-{settings.age_groups}")
    of_sources = outcomes(settings, Scan(), History((known, replace(ENTRY, definition_hash="old"))), 0)
    assert {outcome.label: outcome.files for outcome in of_sources if outcome.files} == {
        "users[0] users/*.csv": 1,
        "plays of no source in umg.toml": 1,
    }
