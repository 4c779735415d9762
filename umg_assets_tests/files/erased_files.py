"""For the tests of erasing: what landing files hold, and what must be left of them."""

import bz2
import codecs
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import zstandard

from umg_assets.files.dialect import Dialect
from umg_assets.files.erasing import erase_records
from umg_assets.files.layout import Layout
from umg_assets_tests.files.parsed_files import Outcome, parse

HERS, HIS = "ewa-77-q", "jan-31-q"
WHO = [HERS, "p1", "p2", "p3", HERS, HERS, "p4", HIS, "p5", "p6"] * 3 + [HERS]
"""Whose records the samples hold: hers are first, last, twice in a row, and the eighth record is his."""
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda plain: gzip.compress(plain[:50], mtime=0) + gzip.compress(plain[50:], mtime=0),
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def plain_bytes(content: bytes, suffix: str) -> bytes:
    """What a file holds, decompressed; of an archive or a workbook, all members."""
    if suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    content = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(suffix, bytes)(content)
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(Path(member.filename).suffix, archive.read(member)) for member in archive.infolist()]
    return b"".join(plain_bytes(inner, suffix) for suffix, inner in members)


def shifted(number: int, removed: Collection[int]) -> int:
    return number - sum(out < number for out in removed)


def erase(
    folder: Path, name: str, content: bytes, layout: Layout, numbers: Collection[int] = (), who: str = HERS
) -> tuple[list[int], bytes]:
    """Erases, and checks that the draft has all other rows and rejects; the numbers left out, and the draft, plain."""
    before = parse(folder, name, content, layout)
    held = {row["_record"] for row in before.rows or [] if who in str(row)}
    held |= {record for record, _, text in before.rejects if who in text}
    draft, suffix = folder / "new" / "draft", Path(name).suffix
    draft.parent.mkdir(exist_ok=True)
    removed = erase_records(folder / name, layout, draft, numbers, lambda text: who.encode() in text, folder).removed
    assert removed == sorted(held | set(numbers))
    if not removed:
        assert not draft.exists()
        return removed, plain_bytes(content, suffix)
    written = draft.read_bytes()
    after = parse(draft.parent, name, written, layout)
    assert repr(without(before, removed)) == repr((after.rows, after.rejects))  # NaN differs from itself
    draft.unlink()
    assert {path.name for path in folder.iterdir()} == {name, "new", "staging"}
    return removed, plain_bytes(written, suffix)


def without(outcome: Outcome, removed: Collection[int]) -> tuple[list[dict[str, Any]], list[tuple[int, str, str]]]:
    rows = [row for row in outcome.rows or [] if row["_record"] not in removed]
    rejects = [reject for reject in outcome.rejects if reject[0] not in removed]
    return (
        [{**row, "_record": shifted(row["_record"], removed)} for row in rows],
        [(shifted(record, removed), reason, text) for record, reason, text in rejects],
    )


ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": codecs.BOM_UTF8,
    "cp1250": b"",
    "utf-16": codecs.BOM_UTF16_BE,
    "utf-16-le": b"",
    "utf-32": codecs.BOM_UTF32_LE,
    "gb18030": "\ufeff".encode("gb18030"),
}


def encoded(text: str, encoding: str) -> bytes:
    return text.encode({"utf-8-sig": "utf-8", "utf-16": "utf-16-be", "utf-32": "utf-32-le"}.get(encoding, encoding))


def delimited(dialect: Dialect, delimiter: str, end: str) -> tuple[str, list[str], str]:
    """(what stands above, the records with what belongs to them, what stands below)."""
    quote, d = dialect.quote, delimiter
    records = []
    for i, who in enumerate(WHO):
        text = "zażółć" if dialect.encoding != "latin-1" else "caf\xe9"
        if i % 5 == 0 and quote:
            text = f"{quote}a {d} {text}{end}in {quote * 2}two{quote * 2} lines{quote}"
        elif i % 5 == 1 and dialect.escape:
            text = f"a{dialect.escape}{d}b"
        records.append(f"{who}{d}{text}{d}{i}{end}")
    records[3] = f"{HIS}{d}too few{end}"
    if quote:
        records[11] = f"x{d}{quote}broken{quote}quote{d}1{end}"
    above = "".join(f"# exported{end}" for _ in range(dialect.skip_lines))
    above += f"id{d}text{d}n{end}{end}" if dialect.header else ""
    return above, records, f"{end} {end}"


JSON_OBJECTS = [{"id": who, "text": f'zażółć "{i}" [{{', "in": [{"n": i}]} for i, who in enumerate(WHO)]
OBJECTS = [json.dumps(record, ensure_ascii=i % 2 == 0) for i, record in enumerate(JSON_OBJECTS)]
