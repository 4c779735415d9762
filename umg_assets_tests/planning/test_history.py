"""The ledger as read: what follows from its entries is the same whether it holds them or only what they come to."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from umg_assets import tables
from umg_assets.planning.entry import Entry
from umg_assets.planning.health import conservation
from umg_assets.planning.history import History, delivery_days_of, with_repeats
from umg_assets_tests.planning.made_ledgers import DAYS, answers, ledgers


class Kept:
    """A store of entries in memory."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = [entry for entry in entries if entry.state not in ("accepted", "expired")]

    def entries(self, days: Collection[date]) -> Iterator[Entry]:
        """Deliveries, day by day."""
        for day in days:
            yield from (entry for entry in self._entries if entry.delivery_date == day)

    def days_of(self, places: Iterable[tuple[str, str]], folders: Iterable[tuple[str, str]]) -> set[date]:
        """Delivery days of places and folders."""
        asked, within = set(places), set(folders)
        return {
            entry.delivery_date
            for entry in self._entries
            if (entry.source, entry.path) in asked or (entry.source, entry.folder) in within
        }


def folded_at(entries: Sequence[Entry], sequences: Iterable[int]) -> History:
    """The history of entries, without those before each sequence, one after the other."""
    history = History(())
    for first, last in pairwise(sorted({0, *sequences, len(entries)})):
        history = history.followed_by(entries[first:last])
        if last in set(sequences):
            history = history.folded(Kept(entries[:last]))
    return history


@settings(max_examples=150, deadline=None)
@given(ledgers, st.lists(st.integers(1, 30), min_size=1, max_size=3))
def test_a_history_without_its_old_entries_answers_every_question_as_one_that_holds_them_all(
    entries: list[Entry], sequences: list[int]
):
    within = [min(sequence, len(entries)) for sequence in sequences if entries]
    whole, folded = History(()).followed_by(entries), folded_at(entries, within)
    assert answers(folded) == answers(whole)


@settings(max_examples=150, deadline=None)
@given(ledgers)
def test_sums_are_what_the_entries_say(entries: list[Entry]):
    history = History(()).followed_by(entries)
    for kind in tables.OCCURRENCES:
        rows: dict[date, int] = {}
        gone: dict[date, int] = {}
        for entry in history.standing(kind):
            expiries = [
                expiry.recorded_at.date()
                for expiry in history.expired
                if (expiry.source, expiry.delivery_date) == (tables.RAW[kind].name, entry.delivery_date)
                and expiry.path in ("", entry.path)
                and expiry.sequence > entry.sequence
            ]
            for text, count in entry.rows_by_play_date.items():
                day = date.fromisoformat(text)
                rows[day] = rows.get(day, 0) + count
                if expiries and day <= max(expiries):
                    gone[day] = gone.get(day, 0) + count
        assert (history.rows_by_day(kind), history.gone_rows(kind)) == (rows, gone)
        for day in DAYS:
            brought = {e.delivery_date for e in history.entries if e.source == kind and day in e.brought}
            assert delivery_days_of(history, [day], kind) == sorted(brought)
            pairs = [pair.split("/") for e in history.entries if e.source == kind for pair in e.repeats]
            linked = {other for pair in pairs if day.isoformat() in pair for other in pair}
            assert with_repeats(history, [day], kind) == sorted({day, *map(date.fromisoformat, linked)})
    for row in conservation(history):
        of_kind = [entry for entry in history.delivered() if entry.source == row["source"]]
        assert (row["files"], row["landed"]) == (len(of_kind), sum(entry.landed for entry in of_kind))
        assert row["quarantined"] == sum(sum(entry.quarantined.values()) for entry in of_kind)
    for seen in range(-1, history.sequence):
        unseen = {(e.delivery_date, e.path): e.path for e in history.entries if e.sequence > seen}
        assert history.unseen(seen, 2) == (sorted({d for d, _ in unseen}), len(unseen), [*unseen.values()][:2])
