"""Published lists: plays per track that somebody else publishes, compared with the table plays."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from umg_assets import tables
from umg_assets.files.layout import Layout
from umg_assets.files.parse import parse_file
from umg_assets.files.rejects import sentence_of
from umg_assets.resources.reading import read_table


@dataclass
class ListCount:
    """A list compared with plays. tracks: how many both have; differing: track -> (published count, plays).

    only_published, only_played: tracks that only the list, only plays has.
    """

    tracks: int = 0
    differing: dict[str, tuple[int, int]] = field(default_factory=dict)
    only_published: list[str] = field(default_factory=list)
    only_played: list[str] = field(default_factory=list)


def compare_list(home: Path, file: Path, track: str, plays: str) -> ListCount:
    """Compares plays per track, over all days and markets, with a published list.

    file: CSV or TSV with a header; track, plays: its columns. A track that only one side has is no difference, because
    lists are cut off. Raises ValueError when the file cannot be read as such a list.
    """
    published = _published(file, track, plays)
    played = Counter(read_table(home, tables.PLAYS, columns=["track_id"]).column("track_id").to_pylist())
    both = sorted(published.keys() & played.keys())
    return ListCount(
        len(both),
        {name: (published[name], played[name]) for name in both if published[name] != played[name]},
        sorted(published.keys() - played.keys()),
        sorted(played.keys() - published.keys()),
    )


def _published(file: Path, track: str, plays: str) -> dict[str, int]:
    if not file.exists():
        raise ValueError(f"{file}: no such file")
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder, "list.parquet")
        form = "tsv" if ".tsv" in file.name.lower() else "csv"
        parsed = parse_file(file, Layout(form, (track, plays)), staged)
        if parsed.refused:
            why = sentence_of(parsed.rejects.column("text")[0].as_py())
            raise ValueError(f"{file}: {why} (--track and --plays name its columns)")
        rows = pq.read_table(staged).to_pylist()
    counts: dict[str, int] = {}
    for row in rows:
        try:
            counts[row[track]] = counts.get(row[track], 0) + int(row[plays])
        except (TypeError, ValueError):
            raise ValueError(f"{file}: record {row['_record']}: {plays} = {row[plays]!r} is no count") from None
    return counts
