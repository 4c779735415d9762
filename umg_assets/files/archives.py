"""Zip archives whose members are landing files, and files that are read from their end and so are needed whole."""

import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from typing import IO, BinaryIO, cast

from umg_assets.files.blocks import COMPRESSIONS, Unpacked, chunks_of
from umg_assets.files.layout import is_taken
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.rejects import NOT_THE_FORMAT, UNREADABLE_FILE, RefusedError, foreign_content, is_of_content

_ENCRYPTED = 1
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
    ValueError,
    struct.error,
    OSError,
)
"""What reading a corrupt archive raises; an OSError may be the system's: see is_of_content."""


@contextmanager
def whole_file(file: BinaryIO, name: str, folder: Path, unpacked: Unpacked | None = None) -> Iterator[BinaryIO]:
    """The decompressed file with random access: itself, or a temporary copy in `folder`. Raises RefusedError."""
    compression = Path(name).suffix.lower()
    if compression not in COMPRESSIONS and not isinstance(file, zipfile.ZipExtFile):
        yield file
        return
    with tempfile.TemporaryFile(dir=folder) as whole:
        for chunk in chunks_of(file, compression, unpacked):
            whole.write(chunk)
        whole.seek(0)
        yield cast(BinaryIO, whole)


def open_bounded(file: BinaryIO, what: str, limits: Limits = USUAL) -> zipfile.ZipFile:
    """A zip archive or a workbook, opened. what: as which the refusal names it.

    Raises RefusedError if it is something else, is corrupt, or would unpack to far more than its size.
    """
    head = file.read(64)
    file.seek(0)
    if head and not head.startswith(_MAGIC):
        content = foreign_content(head) or "something else"
        raise RefusedError(NOT_THE_FORMAT, f"Expected {what}; this is {content}.", head)
    try:
        archive = zipfile.ZipFile(file)
        most, unpacked = limits.unpacked(file.seek(0, 2)), sum(member.file_size for member in archive.infolist())
    except ZIP_ERRORS as error:
        if not is_of_content(error):
            raise
        raise RefusedError(UNREADABLE_FILE, f"Expected {what}; it is corrupt or cut off ({error}).", head) from error
    if unpacked > most:
        sentence = f"Expected {what} that unpacks to at most {most:,} bytes, the limit for its size; this has"
        sentence = f"{sentence} {unpacked:,}: pack it as several files, or raise the limit."
        raise RefusedError(UNREADABLE_FILE, sentence, head)
    return archive


def is_encrypted(member: zipfile.ZipInfo) -> bool:
    """Whether a member needs a password."""
    return bool(member.flag_bits & _ENCRYPTED)


def members_of(file: BinaryIO, pattern: str | None, limits: Limits = USUAL) -> Iterator[tuple[str, BinaryIO]]:
    """The members (name, content) of a zip archive that the glob takes, in the archive's order: at least one.

    Raises RefusedError if there is none, or one is encrypted.
    """
    with open_bounded(file, "a zip archive", limits) as archive:
        members = [member for member in archive.infolist() if is_taken(member.filename, pattern)]
        if not members:
            names = ", ".join(archive.namelist()[:20]) or "nothing"
            raise RefusedError(NOT_THE_FORMAT, f"Expected members that {pattern or '*'} takes; there is {names}.")
        if encrypted := [member.filename for member in members if is_encrypted(member)]:
            sentence = f"Expected a zip archive without a password; {encrypted[0]} has one: pack it anew without."
            raise RefusedError(UNREADABLE_FILE, sentence)
        for member in members:
            with refused_with_member(member.filename):
                content: IO[bytes] = archive.open(member)
            with content:
                yield member.filename, cast(BinaryIO, content)


@contextmanager
def refused_with_member(name: str) -> Iterator[None]:
    """Raises RefusedError, with the member's name, for what is refused or turns out to be corrupt inside."""
    try:
        yield
    except RefusedError as refused:
        sentence = f"{name} in the archive: {refused.sentence} (`members` is a glob that takes only some members.)"
        raise RefusedError(refused.reason, sentence, refused.head) from refused
    except ZIP_ERRORS as error:
        if not is_of_content(error):
            raise
        raise RefusedError(UNREADABLE_FILE, f"{name} in the archive: it is corrupt ({error}).") from error
