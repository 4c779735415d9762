"""Made-up ledgers: entries of every state, and each question that somebody asks of a History."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from umg_assets import tables
from umg_assets.catalogue import Catalogue
from umg_assets.planning.composed_ids import deliveries_otherwise, settled, settled_at, unsettled
from umg_assets.planning.entry import DIMENSION_CHANGE, PSEUDONYMS, Entry, folder_of
from umg_assets.planning.frozen import untouched_days
from umg_assets.planning.health import health_of
from umg_assets.planning.history import History, chunks, delivery_days_of, with_repeats
from umg_assets.planning.required import frozen_keys, plan
from umg_assets.planning.watermark import Watermark

FIRST_DAY, TODAY = date(2026, 3, 1), date(2026, 3, 9)
DAYS = [FIRST_DAY + timedelta(days=offset) for offset in range(10)]
PATHS = ("plays/a.csv", "plays/b.csv", "c.csv")
FOLDERS = {folder_of(path) for path in PATHS}
CATALOGUE = Catalogue.build(FIRST_DAY, ("AT",), artist_days=3, favourite_days=2)

_days = st.sampled_from(DAYS)
_deliveries = st.builds(
    Entry,
    source=st.sampled_from(("plays", "plays", "events", "users")),
    path=st.sampled_from(PATHS),
    delivery_date=st.sampled_from(DAYS[:2]),
    state=st.sampled_from(("staged", "landed", "landed", "withdrawing", "withdrawn")),
    signature=st.sampled_from(("1-1", "2-2")),
    content_hash=st.sampled_from("xy"),
    definition_hash=st.sampled_from(("d", "e", "d~1.0", f"d{PSEUDONYMS}", f"d{PSEUDONYMS}~1.0")),
    records=st.integers(0, 5),
    landed=st.integers(0, 5),
    filtered=st.integers(0, 2),
    suppressed=st.integers(0, 1),
    quarantined=st.dictionaries(st.sampled_from(("bad_time", "internal_error")), st.just(1), max_size=1),
    rows_by_play_date=st.dictionaries(_days.map(date.isoformat), st.integers(1, 5), max_size=2),
    repeats=st.lists(st.tuples(_days, _days).map(lambda pair: f"{pair[0]}/{pair[1]}"), max_size=1),
    play_dates=st.lists(_days, max_size=2, unique=True),
    generation=st.integers(0, 3),
)
_changes = st.builds(
    Entry,
    source=st.just(DIMENSION_CHANGE),
    path=st.sampled_from(("users", "tracks", "plays")),
    delivery_date=st.sampled_from(DAYS[:2]),
    state=st.sampled_from(("staged", "landed")),
    play_dates=st.lists(_days, max_size=1),
    chart_months=st.lists(st.just(FIRST_DAY), max_size=1),
    window_dates=st.lists(_days, max_size=1),
    chart_dates=st.lists(_days, max_size=1),
)
_settled = st.sampled_from([settled(hashed, day) for hashed in (True, False) for day in DAYS[:2]])
_expiries = st.builds(
    Entry,
    source=st.sampled_from(("raw_plays", "raw_plays", "raw_app_events", "quarantine")),
    path=st.sampled_from(("", "", *PATHS)),
    delivery_date=st.sampled_from(DAYS[:2]),
    state=st.just("expired"),
)
_accepted = _deliveries.map(lambda entry: replace(entry, state="accepted"))


def numbered(entries: Sequence[Entry]) -> list[Entry]:
    """Entries as a ledger numbers them, an hour apart."""
    began = datetime(2026, 3, 1, tzinfo=UTC)
    return [
        replace(entry, sequence=number, recorded_at=began + timedelta(hours=number))
        for number, entry in enumerate(entries, 1)
    ]


ledgers = st.lists(
    st.one_of(_deliveries, _deliveries, _deliveries, _changes, _settled, _expiries, _accepted), max_size=20
).map(numbered)
"""A ledger's entries, in order."""


def answers(history: History) -> dict[str, Any]:
    """What a history answers to each question, by the question."""
    told = {
        "sums": [sums for _, sums in sorted(history.days.items())],
        "health": health_of(history),
        "noted": {key: dates for key, dates in history.noted.items() if dates},
        "frozen": frozen_keys(history, CATALOGUE, TODAY),
        "linked": [with_repeats(history, [day], kind) for day in DAYS for kind in tables.OCCURRENCES],
        "delivered on": [delivery_days_of(history, [day], kind) for day in DAYS for kind in tables.OCCURRENCES],
        "chunks": [chunks(history, DAYS, 3), chunks(history, DAYS, 3, unbroken=True)],
        "gone rows": [history.gone_rows(kind) for kind in tables.OCCURRENCES],
        "generation": history.generation,
        "ids": [(unsettled(history, hashed), settled_at(history, hashed)) for hashed in (True, False)],
        "otherwise": [
            [entry.sequence for entry in deliveries_otherwise(history, kind, hashed)]
            for kind in tables.OCCURRENCES
            for hashed in (True, False)
        ],
        "before expiries": [
            frozen_keys(history.before_expiries(sequence), CATALOGUE, TODAY) for sequence in range(history.sequence)
        ],
        "whole": of_entries(history),
    }
    for seen in {-1, history.sequence // 3, history.sequence // 2, history.sequence - 1, history.sequence}:
        built = {
            asset.name: dict.fromkeys(map(date.isoformat, DAYS), Watermark(seen, TODAY)) for asset in CATALOGUE.planned
        }
        told[f"after {seen}"] = (
            history.unseen(seen, 2),
            untouched_days(history, seen, CATALOGUE, TODAY),
            plan(history, built, CATALOGUE, TODAY),
        )
    for path in PATHS:
        told[f"about {path}"] = of_entries(history.about({("plays", path), ("users", path)}))
    for folder in FOLDERS:
        told[f"in {folder}"] = of_entries(history.about((), {("plays", folder)}))
    for day in DAYS[:2]:
        told[f"of {day}"] = of_entries(history.of_days([day]))
    return told


def of_entries(history: History) -> dict[str, Any]:
    """What follows from single entries."""
    return {
        "entries": history.entries,
        "accepted": history.accepted,
        "expired": history.expired,
        "latest": history.latest(),
        "delivered": history.delivered(),
        "not withdrawn": history.not_withdrawn(),
        "interrupted": history.interrupted(),
        "unfinished": history.unfinished(),
        "standing": [history.standing(kind) for kind in tables.KINDS],
        "in reach": history.back_in_reach(DAYS[1]),
        "try again": history.to_try_again("2.0"),
        "accepted at": [history.accepted_at("plays", path, content) for path in PATHS for content in "xy"],
        "gone": [[history.gone("raw_plays", entry), history.gone("quarantine", entry)] for entry in history.entries],
    }
