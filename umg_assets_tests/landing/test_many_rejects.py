"""Files with more bad records than are kept: all are counted, the first are in quarantine, and the recount agrees."""

import deltalake
import pytest

from umg_assets import tables
from umg_assets.cli.reports import quarantine
from umg_assets.files import rejects
from umg_assets.landing import evaluation, staging
from umg_assets.recount import records
from umg_assets.recount.records import count_files
from umg_assets.resources.engine import session
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets_tests.lake import Lake, folder_of
from umg_assets_tests.landing.test_land import land, play

KEPT = 10


def test_bad_records_beyond_those_kept_are_counted_and_the_recount_agrees(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    for module in (rejects, staging, evaluation, records):
        monkeypatch.setattr(module, "REJECTS_KEPT", KEPT)
    lakehouse = Lakehouse(sail_lake.home, lambda: session("sail"))
    good = [play(f"p{number}", "03-02") for number in range(3)]
    untimely = [("u", "u1", "s1", "t1", "noon", 1)] * 30
    path = sail_lake.drop_plays("2026-03-02", [*good, *untimely])
    path.write_text(path.read_text() + "short,line\n" * 20)
    sail_lake.drop_plays("2026-03-03", [*good, *untimely[:5]])
    land(sail_lake, lakehouse)
    entries = {str(entry.delivery_date): entry for entry in sail_lake.history().latest().values()}
    assert [*entries["2026-03-02"].quarantined.items()] == [("field_count", 20), ("unparsable_started_at", 30)]
    assert entries["2026-03-02"].records == entries["2026-03-02"].accounted == 53
    kept = [row["record"] for row in sail_lake.rows("quarantine") if str(row["delivery_date"]) == "2026-03-02"]
    assert sorted(kept) == list(range(4, 4 + KEPT))
    assert count_files(sail_lake.settings, sail_lake.history()).differing == []

    table = deltalake.DeltaTable(folder_of(lakehouse, tables.QUARANTINE))
    table.delete("record = 5")
    wrong = count_files(sail_lake.settings, sail_lake.history()).differing
    assert [(count.path, count.counted) for count in wrong] == [
        ("plays/2026-03-02.csv", KEPT - 1),
        ("plays/2026-03-03.csv", 4),
    ]


def test_the_first_records_of_the_quarantine_are_shown_without_a_read_of_later_deliveries(sail_lake: Lake):
    lakehouse = Lakehouse(sail_lake.home, lambda: session("sail"))
    for day in range(2, 5):
        sail_lake.drop_plays(f"2026-03-{day:02}", [("bad",)] * day)
    land(sail_lake, lakehouse)
    everything = quarantine(sail_lake.home, None, None, None)
    first = quarantine(sail_lake.home, None, None, None, 3)
    assert (len(everything.rows), first.rows) == (9, everything.rows[:3])
    assert first.counts == everything.counts == [{"source": "plays", "reason": "missing_user_id", "records": 9}]
