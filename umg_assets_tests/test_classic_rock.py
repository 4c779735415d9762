"""37,673 real plays of US radio stations, read with no more than examples/classic_rock/umg.toml."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from umg_assets.cli.reconcile import against_list, recount_files
from umg_assets_tests.lake import Lake

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY.parent / "shared" / "data" / "classic_rock"
EXAMPLE = REPOSITORY / "examples" / "classic_rock" / "umg.toml"
PUBLISHED = DATA / "published_song_list.csv"


@pytest.fixture
def rock(lake: Lake) -> Lake:
    """A lakehouse with the example's umg.toml, and plays.csv in landing/, before its first run."""
    if not DATA.is_dir():
        if os.environ.get("UMG_REQUIRE_SPARK") == "1":
            pytest.fail(f"{DATA} is not there: CI needs the real plays beside the clone")
        pytest.skip(f"{DATA} is not there: the real plays lie outside the repository")
    (lake.home / "umg.toml").write_text(EXAMPLE.read_text())
    lake.drop("plays.csv", (DATA / "plays.csv").read_bytes())
    return lake


def test_real_plays_give_the_published_count_for_every_song_and_the_top_50_in_order(
    rock: Lake, capsys: pytest.CaptureFixture[str]
):
    rock.run()

    with (DATA / "plays.csv").open(newline="", encoding="utf-8") as file:
        played = Counter(row["combined"] for row in csv.DictReader(file))
    top = sorted(played.items(), key=lambda item: (-item[1], item[0].encode()))[:50]
    chart = sorted(
        (row["rank"], row["track_id"], row["plays"])
        for row in rock.rows("top_tracks_by_country")
        if row["criterion"] == "plays"
    )
    assert chart == [(rank, track, plays) for rank, (track, plays) in enumerate(top, 1)]
    assert {row["criterion"] for row in rock.rows("top_tracks_by_country")} == {"plays", "listeners"}
    assert Counter(row["track_id"] for row in rock.rows("plays", "track_id")) == played
    assert sum(played.values()) == 37_673

    assert against_list(rock.home, PUBLISHED, "COMBINED", "PlayCount")
    assert "2,226 tracks in both: 2,226 agree, 0 differ." in capsys.readouterr().out
    assert recount_files(rock.settings)
    assert "2 files counted again, 75,346 records" in capsys.readouterr().out

    changed = rock.home / "list.csv"
    changed.write_text(
        PUBLISHED.read_text(encoding="utf-8").replace("Dream On by Aerosmith,1,1,142", "Dream On by Aerosmith,1,1,143")
    )
    assert not against_list(rock.home, changed, "COMBINED", "PlayCount")
    text = capsys.readouterr().out
    assert "Dream On by Aerosmith" in text
    assert "2,225 agree, 1 differ" in text
