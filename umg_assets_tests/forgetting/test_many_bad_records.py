"""People in bad records beyond those kept: the ledger is lowered by the reasons that these records had."""

import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets.files import rejects
from umg_assets.landing import evaluation, staging
from umg_assets.recount import records
from umg_assets_tests.forgetting.test_forget import GONE, WITH_A_FILTER, _play, forget
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.exhaustive

KEPT = 10


@pytest.mark.parametrize("also", ["", "kept", "filtered", "suppressed"])
def test_a_bad_record_beyond_those_kept_lowers_the_count_of_its_reason(
    new_lake, monkeypatch: pytest.MonkeyPatch, also: str
):
    for module in (rejects, staging, evaluation, records):
        monkeypatch.setattr(module, "REJECTS_KEPT", KEPT)
    lake: Lake = new_lake(f"many-{also}")
    lake.configure(sources=WITH_A_FILTER)
    if also == "suppressed":  # another one, in one of the first bad records
        lake.drop_users("2026-03-01", [("ben-1", "AT", "25-34", "")])
        lake.run()
        forget(lake, "eve-1")
    plays = [_play(number, "ben-1", 2, country="AT" if number < 5 else "XX") for number in range(8)]
    plays += [_play(8, GONE, 2, country="XX")] if also == "filtered" else []
    bad = [f"p,ben-1,{number}" for number in range(30)]
    bad[1] = {"kept": f"p,{GONE},1", "suppressed": "p,eve-1,1"}.get(also, bad[1])
    bad[22] = f"p,{GONE},22"
    file = lake.drop_plays("2026-03-02", plays)
    file.write_text(file.read_text() + "\n".join([*bad, ""]))
    lake.run()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    (entry,) = (entry for entry in lake.history().delivered() if entry.source == "plays")
    gone = 2 if also in ("kept", "suppressed") else 1
    assert (entry.quarantined, entry.filtered, entry.suppressed) == ({"field_count": 30 - gone}, 3, 0)
    assert (entry.records, entry.accounted) == (len(plays) + 30 - gone - (also == "filtered"),) * 2
    assert GONE not in file.read_text()
    assert reconcile(lake.settings)
