"""What a file holds, by its first bytes: packed content is unpacked, tables are read, all bytes are searched raw."""

import bz2
import gzip
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pyarrow as pa

from umg_assets.files.rejects import RefusedError
from umg_assets.forgetting import values
from umg_assets.forgetting.matching import BLOCK_BYTES, Content, Hit, LongerWords, Matcher, StreamSearch

DEPTH = 6
"""Archives within archives that are opened; deeper ones count as unreadable."""
SPOOLED_BYTES, DATABASE_BYTES = 16 << 20, 256 << 20
"""What is packed and itself needed whole: bytes kept in memory (more: in a nameless file), and those of a database."""


class _Open:
    """A file that stays open when Arrow closes it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def close(self) -> None:
        """Nothing."""


_UNPACKED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"]\0\0": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": lambda file: pa.CompressedInputStream(_Open(file), "zstd"),
    b"\x04\x22\x4d\x18": lambda file: pa.CompressedInputStream(_Open(file), "lz4"),
}
_CLOSED = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\xff\x06\0\0sNaPpY": "Snappy",
    b"PARE": "encrypted Parquet",
}
_ZIP, _PARQUET, _ORC, _AVRO, _SQLITE = (b"PK\x03\x04", b"PK\x05\x06"), b"PAR1", b"ORC", b"Obj\x01", b"SQLite format 3\0"
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_PAGES = (*_WAL, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
_PAGES_OF = ("-wal", "-journal")
"""How SQLite's log of writes and its journal begin, and what their names add to the database's."""
_WAL_HEAD_BYTES, _FRAME_HEAD_BYTES = 32, 24
"""The heads of the log and of each page in it: salts and checksums, in which a short id stands by chance.
https://www.sqlite.org/fileformat2.html#walformat"""
_HEAD_BYTES, _TAR_AT = 512, 257
_ERRORS = (
    *values.UNREADABLE_VALUES,
    RefusedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    AttributeError,
    KeyError,
)
_MAGICS = (*_UNPACKED, *_CLOSED, *_ZIP, _PARQUET, _ORC, _AVRO, _SQLITE)


def is_packed(head: bytes) -> bool:
    """Whether content is not only searched raw, by its first bytes."""
    return head.startswith(_MAGICS) or head[_TAR_AT:].startswith(b"ustar")


class Reading:
    """A search of contents: what is found, and what cannot be read, by place.

    places: a person's hits by place, in the order of the search. folder: where content that must be whole is kept.
    """

    def __init__(self, matcher: Matcher, folder: Path) -> None:
        self.matcher, self.folder = matcher, folder
        self.places: dict[str, dict[Hit, None]] = {}
        self.unreadable: list[str] = []
        self._longer: dict[str, LongerWords] = {}
        """By database, for its log and journal: they come after it."""

    def note(self, place: str, hits: Iterable[Hit]) -> None:
        """Who stands at a place."""
        for hit in sorted(hits):
            self.places.setdefault(place, {})[hit] = None

    def content(self, file: BinaryIO, place: str, depth: int = 0, path: Path | None = None) -> int:
        """Searches an open file that can seek, and all that is packed in it. Gives its size in bytes.

        path: the file's, if it is one of its own.
        """
        head = file.read(_HEAD_BYTES)
        content, longer = Content.ANY, None
        if is_packed(head):
            file.seek(0)
            content, longer = self._unpacked(file, head, place, depth, path)
        elif head.startswith(_PAGES) or place.endswith(_PAGES_OF):
            content, longer = Content.PAGES, self._longer.get(place.rpartition("-")[0])
        file.seek(0)
        search = StreamSearch(self.matcher, content, longer)
        for block in _pages_of_wal(file, head) if head.startswith(_WAL) else _blocks(file):
            search.feed(block)
        self.note(place, search.end())
        return search.size

    def _unpacked(
        self, file: BinaryIO, head: bytes, place: str, depth: int, path: Path | None
    ) -> tuple[Content, LongerWords | None]:
        """Searches what packed content holds. Gives what its raw bytes are then."""

        def report(inner: str, hits: Iterable[Hit]) -> None:
            self.note(f"{place}!{inner}", hits)

        if depth >= DEPTH:
            self.unreadable.append(f"{place}: packed more than {DEPTH} times")
            return Content.BINARY, None
        try:
            if head.startswith(_PARQUET):
                values.search_parquet(file, self.matcher, report)
                self._footer(file, place)
            elif head.startswith(_SQLITE):
                self._longer[place] = self._database(file, place, depth, path)
                return Content.PAGES, self._longer[place]
            elif head.startswith(_AVRO):
                values.search_avro(file, self.matcher, report)
                return Content.BINARY, None
            elif head.startswith(_ORC):
                values.search_orc(file, self.matcher, report)
            elif head.startswith(_ZIP):
                self._zip(file, place, depth)
            elif closed := next((name for magic, name in _CLOSED.items() if head.startswith(magic)), None):
                self.unreadable.append(f"{place}: {closed} is not unpacked, only its bytes were searched")
                return Content.BINARY, None
            elif head[_TAR_AT:].startswith(b"ustar"):
                self._tar(file, place, depth)
                return Content.BINARY, None
            else:
                self._header(head, place)
                opener = next(opener for magic, opener in _UNPACKED.items() if head.startswith(magic))
                with opener(file) as stream:
                    self.stream(stream, f"{place}!", depth + 1)
        except _ERRORS as error:
            self.unreadable.append(f"{place}: {self._why(error)}")
            return (Content.PAGES if head.startswith(_SQLITE) else Content.BINARY), None
        return Content.PACKED, None

    def _why(self, error: Exception) -> str:
        """An error's text, unless a person stands in it."""
        text = " ".join(str(error).split())
        return type(error).__name__ if not text or self.matcher.hits(text.encode(errors="replace")) else text

    def stream(self, stream: IO[bytes], place: str, depth: int) -> None:
        """Searches unpacked bytes; they are kept, in memory or a nameless file, only if they are packed once more."""
        head = b""
        while len(head) < _HEAD_BYTES and (block := stream.read(_HEAD_BYTES - len(head))):
            head += block
        if not is_packed(head):
            search = StreamSearch(self.matcher)
            search.feed(head)
            try:
                while block := stream.read(BLOCK_BYTES):
                    search.feed(block)
            finally:
                self.note(place, search.end())
            return
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES, dir=str(self.folder)) as kept:
            kept.write(head)
            try:
                while block := stream.read(BLOCK_BYTES):
                    kept.write(block)
            finally:
                kept.seek(0)
                self.content(cast(BinaryIO, kept), place, depth)

    def _header(self, head: bytes, place: str) -> None:
        """The name and comment in a gzip file's header."""
        if head.startswith(b"\x1f\x8b") and head[3] & 0b11000:
            self.note(place, self.matcher.hits(b"\n".join(head[10:].split(b"\0")[:2])))

    def _footer(self, file: BinaryIO, place: str) -> None:
        """A Parquet file's footer: names, statistics, the writer's notes."""
        size = file.seek(0, 2)
        file.seek(size - 8)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - 8 - length))
        self.note(f"{place}!footer", self.matcher.hits(file.read(length), Content.BINARY))

    def _database(self, file: BinaryIO, place: str, depth: int, path: Path | None) -> LongerWords:
        def report(inner: str, hits: Iterable[Hit]) -> None:
            self.note(f"{place}!{inner}", hits)

        def blob(inner: str, value: bytes) -> None:
            if len(value) > 16 and value.startswith(_MAGICS):
                with tempfile.SpooledTemporaryFile(dir=str(self.folder)) as kept:
                    kept.write(value)
                    kept.seek(0)
                    self.content(cast(BinaryIO, kept), f"{place}!{inner}", depth + 1)

        if path is None and file.seek(0, 2) > DATABASE_BYTES:
            raise ValueError(f"a packed database of more than {DATABASE_BYTES:,} bytes: only its bytes were searched")
        file.seek(0)
        return values.search_sqlite(path or file.read(), self.matcher, report, blob)

    def _zip(self, file: BinaryIO, place: str, depth: int) -> None:
        with zipfile.ZipFile(file) as archive:
            self.note(f"{place}!comment", self.matcher.hits(archive.comment))
            for at, member in enumerate(archive.infolist()):
                name = member.filename.encode(errors="surrogateescape")
                names = (name, member.orig_filename.encode("cp437", "replace"), member.comment, member.extra)
                inner = self._member(member.filename, b"\n".join(names), at, place)
                if member.flag_bits & 1:
                    self.unreadable.append(f"{inner}: encrypted")
                    continue
                self._inner(lambda member=member: archive.open(member), inner, depth)

    def _tar(self, file: BinaryIO, place: str, depth: int) -> None:
        with tarfile.open(fileobj=file) as archive:
            for at, member in enumerate(archive):
                inner = self._member(member.name, member.name.encode(errors="surrogateescape"), at, place)
                if member.isfile():
                    self._inner(lambda member=member: archive.extractfile(member), inner, depth)

    def _member(self, name: str, names: bytes, at: int, place: str) -> str:
        """The place of an archive's member; its names are searched, and hidden where a person stands in them."""
        hits = self.matcher.hits(names)
        shown = f"{place}!{f'<member {at}>' if hits else name}"
        self.note(shown, {(f"name, {how}" if how != "plain" else "name", person) for how, person in hits})
        return shown

    def _inner(self, opened: Callable[[], Any], place: str, depth: int) -> None:
        try:
            with opened() as stream:
                self.stream(stream, place, depth + 1)
        except _ERRORS as error:
            self.unreadable.append(f"{place}: {self._why(error)}")


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _pages_of_wal(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    """The pages of SQLite's log of writes, zeros in place of the heads between them."""
    page_bytes = int.from_bytes(head[8:12], "big")
    if not 512 <= page_bytes <= 1 << 16:  # no log that SQLite wrote
        yield from _blocks(file)
        return
    yield bytes(len(file.read(_WAL_HEAD_BYTES)))
    frame_bytes = _FRAME_HEAD_BYTES + page_bytes
    while frames := bytearray(file.read(BLOCK_BYTES // frame_bytes * frame_bytes)):
        for at in range(0, len(frames), frame_bytes):
            head_bytes = min(_FRAME_HEAD_BYTES, len(frames) - at)
            frames[at : at + head_bytes] = bytes(head_bytes)
        yield bytes(frames)
