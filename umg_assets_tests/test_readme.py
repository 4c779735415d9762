"""What README tells a stranger to type works as it stands there."""

import bz2
import json
import re
from pathlib import Path

import pytest

from umg_assets_tests.lake import Lake

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.sail_enough
def test_the_umg_toml_of_the_readme_reads_bzipped_tsv_and_nested_json_that_the_generator_does_not_write(lake: Lake):
    found = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert found is not None
    (lake.home / "umg.toml").write_text(found[1], encoding="utf-8")
    lines = [
        "event\tevent_id\taccount\tlabel\tisrc\tunix_time\tseconds\tmarket\tsurplus",
        "play\te1\talice\tEMI\tX1\t1772445600\t200\tat\tx",
        "pause\te2\talice\tEMI\tX1\t1772445700\t\tat\tx",
        "play\te3\tbob\tEMI\tX1\t1772445800\t12\tat\tx",
        "play\te4\tbob\tEMI\tX1\tyesterday\t12\tat\tx",
    ]
    lake.drop("export/20260302.tsv.bz2", bz2.compress("\n".join(lines).encode()))
    track = {
        "isrc": "EMI:X1",
        "meta": {"title": "Über", "artist": {"id": "a1", "name": "Änn"}},
        "ms": 205_000,
    }
    lake.drop("catalogue/all.jsonl", json.dumps(track) + "\n")
    lake.run()
    assert lake.values("plays", "play_id", "country", "played_ms", "is_complete") == [
        ("e1", "AT", 200_000, True),
        ("e3", "AT", 12_000, False),
    ]
    assert lake.values("quarantine", "record", "reason") == [(4, "unparsable_started_at")]
    tops = [row for row in lake.rows("top_tracks_by_country") if row["criterion"] == "plays"]
    assert [(row["country"], row["title"], row["artist_name"], row["plays"], row["listeners"]) for row in tops] == [
        ("AT", "Über", "Änn", 2, 2)
    ]
    entry = next(entry for entry in lake.history().entries if entry.source == "plays" and entry.state == "landed")
    assert (entry.records, entry.landed, entry.filtered, entry.quarantined) == (
        4,
        2,
        1,
        {"unparsable_started_at": 1},
    )
