"""A last.fm TSV without a header, read with no more than examples/lastfm/umg.toml."""

import shutil
from pathlib import Path

import pytest

from umg_assets.cli.doctor import findings
from umg_assets.cli.reconcile import recount_files
from umg_assets_tests.lake import Lake

EXAMPLE = Path(__file__).parents[1] / "examples" / "lastfm"


@pytest.mark.sail_enough
def test_scrobbles_without_header_or_ids_give_the_chart_of_the_readme(lake: Lake, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(EXAMPLE, lake.home, dirs_exist_ok=True)
    lake.drop("lastfm/sk/2026-03-06.tsv", 'user_12\tyesterday\t\tDie Laternen\tt-1\t"Heroes" (Live)\nuser_12\n')
    lake.run()

    tops = [row for row in lake.rows("top_tracks_by_country") if row["criterion"] == "plays"]
    charts = sorted((row["country"], row["rank"], row["title"], row["artist_name"], row["plays"]) for row in tops)
    assert charts == [
        ("AT", 1, '"Heroes" (Live)', "Die Laternen", 3),
        ("AT", 2, '"Wien', "Karl & Käthe", 2),
        ("AT", 3, '12" Remix', "Die Laternen", 1),
        ("SK", 1, "Mesto", "Žlté okno", 2),
        ("SK", 2, '"Heroes" (Live)', "Die Laternen", 1),
    ]
    for _, rank, title, artist, plays in charts[:3]:
        assert f"{rank}  {title:<15}  {artist:<12}  {plays:>5}" in (EXAMPLE / "README.md").read_text(encoding="utf-8")
    raw = lake.values("raw_plays", "source_file", "country")
    assert {path.split("/")[1].upper() == country for path, country in raw} == {True}
    assert (len(raw), len(lake.rows("plays"))) == (10, 9)

    bad = lake.values("quarantine", "source", "record", "reason", "text")
    assert [row[:3] for row in bad if row[0] == "plays"] == [
        ("plays", 1, "unparsable_started_at"),
        ("plays", 2, "field_count"),
    ]
    assert '"file_path":"lastfm/sk/2026-03-06.tsv"' in bad[0][3]

    assert recount_files(lake.settings)
    assert "6 files counted again, 24 records" in capsys.readouterr().out
    tried = [finding for finding in findings(lake.home) if finding.subject == "sources.plays[0]"]
    assert "12 records, of which 1 field_count, 1 unparsable_started_at" in tried[0].text
