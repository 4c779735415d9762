"""The examples of listening histories: made-up files of the real shape land and are ranked by their umg.toml alone."""

import io
import zipfile
from pathlib import Path

import pytest

from umg_assets.cli.reconcile import recount_files
from umg_assets_tests.lake import Lake

EXAMPLES = Path(__file__).parents[1] / "examples"


def charted(lake: Lake) -> list[tuple[str, str, str, int]]:
    """Market, month, title and plays, of the charts by plays."""
    rows = lake.rows("top_tracks_by_country", "country", "month", "title", "plays", "criterion")
    return sorted(
        (row["country"], f"{row['month']:%Y-%m}", row["title"], row["plays"])
        for row in rows
        if row["criterion"] == "plays"
    )


def test_a_spotify_history_lands_with_the_start_of_each_play_and_one_more_file_from_a_zip_archive(
    lake: Lake, capsys: pytest.CaptureFixture[str]
):
    folder = EXAMPLES / "spotify"
    text = (folder / "umg.toml").read_text(encoding="utf-8")
    top, plays, tracks = text.split("[[sources.")
    of_archive = plays.replace('files = "*.json"', 'files = "*.zip"\nmembers = "endsong_*.json"')
    (lake.home / "umg.toml").write_text(f"{top}[[sources.{plays}\n[[sources.{of_archive}\n[[sources.{tracks}")
    for file in folder.glob("Streaming_History_Audio_*.json"):
        lake.drop(file.name, file.read_bytes())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.write(folder / "endsong_0.json", "MyData/endsong_0.json")
        members.writestr("MyData/ReadMeFirst.pdf", b"%PDF-1.7")
    lake.drop("my_spotify_data.zip", archive.getvalue())

    lake.run()

    assert charted(lake) == [
        ("AT", "2025-10", "Glass Rivers", 1),
        ("AT", "2025-10", "Paper Moons", 1),
        ("AT", "2025-11", "Glass Rivers", 1),  # it ended on 1 December
        ("AT", "2025-12", "Glass Rivers", 1),
        ("AT", "2025-12", "Ostwind", 1),
        ("AT", "2025-12", "Paper Moons", 1),
        ("AT", "2026-01", "Paper Moons", 1),
        ("AT", "2026-01", "Tin Roof", 2),
        ("DE", "2025-12", "Glass Rivers", 1),  # in both files
    ]
    assert not lake.rows("quarantine")
    assert recount_files(lake.settings)
    assert "5 files counted again, 22 records" in capsys.readouterr().out


def test_listenbrainz_listens_land_with_tracks_by_recording_or_by_artist_and_title(lake: Lake):
    folder = EXAMPLES / "listenbrainz"
    (lake.home / "umg.toml").write_text((folder / "umg.toml").read_text(encoding="utf-8"))
    lake.drop("listens.jsonl", (folder / "listens.jsonl").read_bytes())

    lake.run()

    assert charted(lake) == [
        ("AT", "2026-01", "Glass Rivers", 3),
        ("AT", "2026-01", "Ostwind", 2),
        ("AT", "2026-01", "Paper Moons", 1),
    ]
    assert not lake.rows("quarantine")
    assert recount_files(lake.settings)
