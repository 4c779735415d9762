"""`umg reconcile`: counts again by another way, sharing no code with what it checks."""

import bz2
import csv
import gzip
import hashlib
import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import deltalake
import duckdb
import pyarrow.parquet as pq
import zstandard

from umg_assets import tables
from umg_assets.console import Format, out, show
from umg_assets.resources.landing import files_of
from umg_assets.resources.ledger import History, Ledger
from umg_assets.resources.parsing import Layout, parse_file
from umg_assets.resources.reading import TableMissingError, read_table
from umg_assets.settings import Settings

_ALL_AGREE = (
    "Records read = landed + quarantined + filtered, and as many rows stand in the raw tables and in quarantine, "
    "file by file."
)


def count_records(path: Path, form: str | None = None) -> int:
    """The records of a landing file, by Python's own readers, without a header and blank lines.

    form: csv, tsv, jsonl or parquet; default: by the name. A quoted newline belongs to its record. Where a quote is
    never closed, is closed within a field, or took whole records along, its line is one record and the lines after
    it are records again.
    """
    name = path.name.lower()
    form = form or next((form for form in ("parquet", "tsv", "csv") if f".{form}" in name), "jsonl")
    if form == "parquet":
        data = _plain(path)
        return pq.ParquetFile(io.BytesIO(data)).metadata.num_rows
    text = _plain(path).decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if form == "jsonl":
        return sum(1 for line in lines if line.strip())
    return max(0, sum(1 for _ in _records(lines, "\t" if form == "tsv" else ",")) - 1)


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".bz2":
        return bz2.decompress(data)
    if path.suffix == ".zst":
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
            return reader.read()
    return data


def _records(lines: list[str], delimiter: str) -> Iterator[int]:
    """The first line of each record, the header's included."""
    blank = " \t\x0b\x0c".replace(delimiter, "")
    at, width = 0, 0
    while at < len(lines):
        if not lines[at].strip(blank):
            at += 1
            continue
        fields, taken = _parsed(lines, at, delimiter)
        width = width or fields
        if taken > 1 and _took_records_along(lines[at : at + taken], fields, width, delimiter):
            taken = 1
        yield at
        at += taken


def _parsed(lines: list[str], at: int, delimiter: str) -> tuple[int, int]:
    """Fields and lines of the record that begins there; no field and one line where its quotes are broken."""
    if '"' not in lines[at]:
        return lines[at].count(delimiter) + 1, 1
    csv.field_size_limit(1 << 20)
    reader = csv.reader((f"{lines[line]}\n" for line in range(at, len(lines))), delimiter=delimiter, strict=True)
    try:
        return len(next(reader)), reader.line_num
    except csv.Error:
        return 0, 1


def _took_records_along(lines: list[str], fields: int, width: int, delimiter: str) -> bool:
    """Whether the lines of one quoted record look like records themselves, so that its quote is a stray one."""
    if width == 1:
        return False
    inner = lines[1:] if fields != width else lines[1:-1]
    whole = sum(_is_whole(line, width, delimiter) for line in inner)
    if fields != width:
        return whole > 0
    return whole * (width - 1) >= 3 and whole * 10 >= len(inner) * 9


def _is_whole(line: str, width: int, delimiter: str) -> bool:
    """Whether a line alone is a record of that many fields, with no quote but around and doubled inside a field."""
    if _parsed([line], 0, delimiter) != (width, 1):
        return False
    inside = sum(field.count('"') for field in next(csv.reader([line], delimiter=delimiter)))
    around = line.count('"') - 2 * inside
    return around >= 0 and around % 2 == 0


def recount_files(settings: Settings) -> bool:
    """Holds the ledger to the files in landing/ and to the tables, each counted again.

    Files: records by `count_records` against records read, and those against landed + quarantined + filtered. Tables:
    rows a file and delivery in the raw tables and in quarantine, read by delta-rs, against landed and quarantined.
    Prints the differences and the sums. Returns whether all agree. Raises TableMissingError before the first run.
    """
    history = Ledger(settings.home).read()
    entries = [entry for entry in history.latest().values() if entry.source in tables.RAW]
    if not entries:
        raise TableMissingError(f"nothing has landed yet: drop files into {settings.landing} and type `umg run`")
    forms = {
        (kind, path): source.format
        for kind in tables.KINDS
        for source in reversed(settings.sources.of(kind))
        for path in files_of(settings.landing, source.files)
    }
    differing, counted, gone, changed = [], 0, 0, 0
    for entry in entries:
        path = settings.landing / entry.path
        if not path.exists():
            gone += 1
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.content_hash:
            changed += 1
            continue
        found = 1 if entry.refused else count_records(path, forms.get((entry.source, path)))
        counted += found
        told = entry.landed + entry.filtered + sum(entry.quarantined.values())
        if found != entry.records:
            differing.append(_difference(entry.source, entry.path, "records in the file", found, entry.records))
        if told != entry.records:
            differing.append(_difference(entry.source, entry.path, "landed + set aside", told, entry.records))
    differing += _standing_otherwise(settings.home, history)
    if differing:
        show(differing, ("source", "path", "counted", "found", "ledger"), Format.TABLE, "What differs")
    out.print(
        f"{len(entries) - gone - changed:,} files counted again, {counted:,} records"
        + (f"; {gone} no longer lie in landing/" if gone else "")
        + (f"; {changed} changed since, `umg run` reads them" if changed else "")
        + ". "
        + (f"{len(differing)} counts differ." if differing else _ALL_AGREE)
    )
    return not differing


def _standing_otherwise(home: Path, history: History) -> list[dict[str, str | int]]:
    """Deliveries of which not as many rows stand in a raw table, or in quarantine, as the ledger says."""
    expected: dict[tuple[str, str, str, date], int] = {}
    for kind in tables.KINDS:
        for entry in history.standing(kind):
            expected[tables.RAW[kind].name, kind, entry.path, entry.delivery_date] = entry.landed
    for entry in history.entries:
        if entry.source in tables.RAW:
            key = (tables.QUARANTINE.name, entry.source, entry.path, entry.delivery_date)
            expected[key] = sum(entry.quarantined.values())
    there: dict[tuple[str, str, str, date], int] = {}
    for kind, table in tables.RAW.items():
        for (path, day), rows in _rows_by(home, table, "source_file, delivery_date"):
            there[table.name, kind, path, day] = rows
    for (kind, path, day), rows in _rows_by(home, tables.QUARANTINE, "source, source_file, delivery_date"):
        there[tables.QUARANTINE.name, kind, path, day] = rows
    return [
        _difference(kind, path, f"rows in {table}, {day}", there.get(key, 0), expected.get(key, 0))
        for key in sorted(expected.keys() | there.keys())
        for table, kind, path, day in [key]
        if there.get(key, 0) != expected.get(key, 0)
    ]


def _rows_by(home: Path, table: tables.Table, columns: str) -> list[tuple[tuple, int]]:
    """Rows by columns, streamed, so that memory does not follow the table."""
    rows = deltalake.DeltaTable(home / "tables" / table.name).to_pyarrow_dataset()
    found = duckdb.connect().from_arrow(rows).aggregate(f"{columns}, count(*)", columns).fetchall()
    return [(row[:-1], row[-1]) for row in found]


def _difference(source: str, path: str, counted: str, found: int, ledger: int) -> dict[str, str | int]:
    return {"source": source, "path": path, "counted": counted, "found": found, "ledger": ledger}


def against_list(home: Path, file: Path, track: str, plays: str) -> bool:
    """Compares plays a track, over all days and markets, with a published list. Prints each difference.

    file: CSV or TSV with a header; track, plays: its columns. Tracks that only one side has are named too, but are
    no difference: lists are cut. Returns whether the counts of all tracks in both agree. Raises ValueError when
    the file cannot be read as such a list.
    """
    published = _published(file, track, plays)
    ours = Counter(read_table(home, tables.PLAYS, columns=["track_id"]).column("track_id").to_pylist())
    both = sorted(published.keys() & ours.keys())
    differing = [
        {"track": name, "published": published[name], "plays": ours[name]}
        for name in both
        if published[name] != ours[name]
    ]
    if differing:
        show(differing, ("track", "published", "plays"), Format.TABLE, "Tracks whose counts differ")
    for title, names in (
        (f"only in {file.name}", sorted(published.keys() - ours.keys())),
        ("only in plays", sorted(ours.keys() - published.keys())),
    ):
        if names:
            shown = ", ".join(repr(name) for name in names[:5]) + (" ..." if len(names) > 5 else "")
            out.print(f"{len(names):,} tracks {title}: {shown}", markup=False)
    out.print(f"{len(both):,} tracks in both: {len(both) - len(differing):,} agree, {len(differing):,} differ.")
    return not differing


def _published(file: Path, track: str, plays: str) -> dict[str, int]:
    if not file.exists():
        raise ValueError(f"{file}: no such file")
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder, "list.parquet")
        form = "tsv" if ".tsv" in file.name.lower() else "csv"
        parsed = parse_file(file, Layout(form, (track, plays)), staged)
        if parsed.refused:
            raise ValueError(
                f"{file}: {parsed.rejects.column('text')[0].as_py()} (--track and --plays name its columns)"
            )
        rows = pq.read_table(staged).to_pylist()
    counts: dict[str, int] = {}
    for row in rows:
        try:
            counts[row[track]] = counts.get(row[track], 0) + int(row[plays])
        except (TypeError, ValueError):
            raise ValueError(f"{file}: record {row['_record']}: {plays} = {row[plays]!r} is no count") from None
    return counts
