"""Writes a landing file without some of its records, in its own format, compression and encoding.

What is left is parsed again before the draft may take the file's place: it must hold exactly the other records.
"""

import itertools
import shutil
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets.files.archives import is_encrypted
from umg_assets.files.arrow_values import values_of
from umg_assets.files.avro_blocks import rewrite_avro
from umg_assets.files.blocks import BLOCK_BYTES, COMPRESSIONS, chunks_of, compressed
from umg_assets.files.cutting import cut_text
from umg_assets.files.layout import Layout, is_taken, is_zip
from umg_assets.files.limits import REJECT_CHARACTERS, USUAL, Limits
from umg_assets.files.parse import RECORD, Parsed, parse_file
from umg_assets.files.rejects import RefusedError
from umg_assets.files.rewriting import rewrite_orc, rewrite_parquet, rewrite_workbook
from umg_assets.files.wanted import CannotEraseError, Erased, Wanted

__all__ = ["CannotEraseError", "erase_records"]

_BATCH_ROWS = 64 << 10
_ERRORS = (
    CannotEraseError,
    RefusedError,
    pa.ArrowException,
    zipfile.BadZipFile,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)


def erase_records(
    path: Path,
    layout: Layout,
    draft: Path,
    numbers: Collection[int],
    names: Callable[[bytes], bool],
    folder: Path,
    common: Callable[[bytes], bool] | None = None,
    landed: Collection[int] = (),
    in_part: bool = False,
    limits: Limits = USUAL,
) -> Erased:
    """Write to `draft` the file at `path` without some records; says which, in ascending order, numbered by parse_file.

    Left out are the records of these numbers, and those of which `names` says that a text holds an id: of text formats
    it is given the whole record in UTF-8, of others each text and number, as UTF-8. If none is left out, no draft is
    written. common: as names, of ids that may well be other values; it counts in no record of `landed`, the numbers of
    records of which it is known whose they are. in_part: other layouts take more records of the file, so an id may
    stand outside those of this one. The compression is that of the path's suffix, whatever the draft's is.
    folder: a private one, for temporary files: the file decompressed, and what is written of it. limits: of what may
    land; a draft may unpack to as much as the file, though it be packed better.

    Raises CannotEraseError, and leaves no draft, if the parser refuses the file, if it lacks one of the numbers, if an
    id stands outside its records, if its format cannot be written again, or if the draft, parsed again, does not hold
    exactly the other records.
    """
    with tempfile.TemporaryDirectory(dir=folder) as private:
        own = Path(private)
        before = parse_file(path, layout, own / "before", limits=limits)
        if before.refused:
            raise CannotEraseError(f"{path}: it is no file that can be read. {before.rejects['text'][0].as_py()}")
        if beyond := sorted(number for number in numbers if not 1 <= number <= before.records):
            raise CannotEraseError(f"{path}: expected numbers of its {before.records} records, got {beyond[0]}.")
        try:
            wanted = Wanted(frozenset(numbers), names, common, frozenset(landed), in_part)
            erased = _erase(path, path.name, layout, draft, wanted, own, limits)
            if erased.records != before.records:
                raise CannotEraseError(f"{erased.records} records were found, and {before.records} were parsed.")
            if erased.removed:
                as_much = replace(limits, unpacked_bytes=limits.unpacked(path.stat().st_size))
                after = parse_file(draft, layout, own / "after", name=path.name, limits=as_much)
                _check(before, after, erased.removed, own)
                removed = set(erased.removed)
                kept = Counter(row["reason"] for row in before.rejects.to_pylist() if row["record"] in removed)
                rejected = Counter(before.reasons) - Counter(after.reasons)
                erased = replace(erased, rejected=dict(rejected), beyond=dict(rejected - kept))
        except BaseException as error:
            draft.unlink(missing_ok=True)
            if isinstance(error, _ERRORS):
                raise CannotEraseError(f"{path}: {error}") from error
            raise
    return erased


def _erase(path: Path, name: str, layout: Layout, draft: Path, wanted: Wanted, folder: Path, limits: Limits) -> Erased:
    """Write the draft of a file, or of a member of an archive, of that name; without a record to leave out: none."""
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory(dir=folder) as private:
        own = Path(private)
        plain, written = path, own / "written"
        if suffix in COMPRESSIONS:
            plain = own / "plain"
            with path.open("rb") as source, plain.open("wb") as target:
                target.writelines(chunks_of(source, suffix))
        erased = _write(plain, name, layout, written, wanted, own, limits)
        if erased.removed:
            with written.open("rb") as source, draft.open("wb") as target:
                target.writelines(compressed(chunks_of(source, ""), suffix))
    return erased


def _write(plain: Path, name: str, layout: Layout, draft: Path, wanted: Wanted, folder: Path, limits: Limits) -> Erased:
    if is_zip(name, layout):
        return _write_members(plain, layout, draft, wanted, folder, limits)
    match layout.format:
        case "parquet":
            return rewrite_parquet(plain, draft, wanted, limits)
        case "orc":
            return rewrite_orc(plain, draft, wanted, limits)
        case "avro":
            return rewrite_avro(plain, draft, wanted, limits)
        case "xlsx":
            macros = ".xlsm" in PurePosixPath(name.lower()).suffixes
            return rewrite_workbook(plain, draft, wanted, limits, macros)
    return cut_text(plain, layout, draft, wanted, limits)


def _write_members(plain: Path, layout: Layout, draft: Path, wanted: Wanted, folder: Path, limits: Limits) -> Erased:
    """Write a zip archive of which the members that the layout takes lack the wanted records; others are copied."""
    all_of_them = Erased(0, [])
    unpacked, written = folder / "member", folder / "member.written"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(draft, "w") as target, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an archive may have a name twice
        target.comment = source.comment
        for member in source.infolist():
            if is_encrypted(member):
                raise CannotEraseError(f"{member.filename} in the archive has a password.")
            with source.open(member) as content, unpacked.open("wb") as file:
                shutil.copyfileobj(content, file, BLOCK_BYTES)
            packed = unpacked
            if is_taken(member.filename, layout.members):
                inner = wanted.after(all_of_them.records)
                of_member = layout.of_member(member.filename)
                erased = _erase(unpacked, member.filename, of_member, written, inner, folder, limits)
                all_of_them.removed.extend(number + all_of_them.records for number in erased.removed)
                all_of_them.records += erased.records
                packed = written if erased.removed else unpacked
            elif not wanted.in_part and _holds_id(unpacked, wanted):
                raise CannotEraseError(f"an id stands in {member.filename}, which is not read: remove it by hand.")
            _pack(target, member, packed)
    return all_of_them


def _holds_id(path: Path, wanted: Wanted) -> bool:
    with path.open("rb") as file:
        return wanted.is_in(chunks_of(file, ""))


def _pack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, content: Path) -> None:
    """Add a member like another, but for its content."""
    new = zipfile.ZipInfo(member.filename, member.date_time)
    new.compress_type, new.comment = member.compress_type, member.comment
    new.external_attr, new.create_system = member.external_attr, member.create_system
    new.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(new, "w") as target:
        shutil.copyfileobj(source, target, BLOCK_BYTES)


def _check(before: Parsed, after: Parsed, removed: list[int], folder: Path) -> None:
    """Raise CannotEraseError unless the file after has the rows and rejects of that before, without those removed."""
    if after.refused:
        raise CannotEraseError(f"the draft cannot be read. {after.rejects['text'][0].as_py()}")
    if after.records != before.records - len(removed):
        raise CannotEraseError(
            f"the draft has {after.records} records; expected {before.records} without {len(removed)}."
        )
    out = np.array(removed)
    gone = set(removed)
    rejects = [row for row in before.rejects.to_pylist() if row["record"] not in gone]
    for row in rejects:
        row["record"] -= int(np.searchsorted(out, row["record"]))
    if _shown(after.rejects.slice(0, len(rejects)).to_pylist()) != _shown(rejects):
        raise CannotEraseError(
            f"the draft has {after.rejects.num_rows} bad records; expected the other {len(rejects)}."
        )
    expected, got = _rows(folder / "before", out), _rows(folder / "after", out[:0])
    for one, other in itertools.zip_longest(expected, got):
        if one is None or other is None or not _are_alike(one, other):
            raise CannotEraseError("the draft has other rows than the file.")


def _shown(rejects: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """What is the same of a bad record, whether many stand before it or few: of many, texts are cut."""
    return [(row["record"], row["reason"], row["text"][:REJECT_CHARACTERS]) for row in rejects]


def _rows(staged: Path, out: np.ndarray) -> Iterator[pa.Table]:
    """The staged rows but those of these records, numbered without them, in tables of equal size."""
    held: list[pa.Table] = []
    with pq.ParquetFile(staged) as file:
        for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
            rows = pa.table(batch)
            numbers = rows[RECORD].to_numpy()
            at = rows.schema.get_field_index(RECORD)
            renumbered = pa.array(numbers - np.searchsorted(out, numbers), pa.int64())
            rows = rows.set_column(at, RECORD, renumbered).filter(pa.array(~np.isin(numbers, out)))
            held.append(rows)
            while sum(one.num_rows for one in held) >= _BATCH_ROWS:
                whole = pa.concat_tables(held)
                yield whole.slice(0, _BATCH_ROWS)
                held = [whole.slice(_BATCH_ROWS)]
    if any(one.num_rows for one in held):
        yield pa.concat_tables(held)


def _are_alike(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same values, where NaN equals NaN."""
    if one.schema != other.schema or one.num_rows != other.num_rows:
        return False
    return all(a.equals(b) or _written(a) == _written(b) for a, b in zip(one.columns, other.columns, strict=True))


def _written(column: pa.ChunkedArray) -> Any:
    return repr(values_of(column))
