"""The examples of README work as they are printed there."""

import json
import re
from pathlib import Path

import pytest

from umg_assets_tests.lake import Lake

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.sail_enough
def test_the_umg_toml_of_the_readme_reads_a_semicolon_file_of_excel_and_nested_json(lake: Lake):
    example = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert example is not None
    (lake.home / "umg.toml").write_text(example[1], encoding="utf-8")
    lines = [
        "sep=;",
        "event;event_id;account;label;isrc;unix_time;seconds;market;überschuss",
        "play;e1;alice;EMI;X1;1772445600;200,5;at;x",
        "pause;e2;alice;EMI;X1;1772445700;;at;x",
        'play;e3;bob;EMI;X1;1772445800;12;at;"a;ž"',
        "play;e4;bob;EMI;X1;yesterday;12;at;x",
    ]
    lake.drop("export/20260302.csv", "\r\n".join(lines).encode("cp1250"))
    track = {
        "isrc": "EMI:X1",
        "meta": {"title": "Über", "artist": {"id": "a1", "name": "Änn"}},
        "ms": 205_000,
    }
    lake.drop("catalogue/all.jsonl", json.dumps(track) + "\n")
    lake.run()
    assert lake.values("plays", "play_id", "country", "played_ms", "is_complete") == [
        ("e1", "AT", 200_500, True),
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
