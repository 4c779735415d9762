"""The bytes of a file, decompressed, in blocks."""

import bz2
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import zstandard

from umg_assets.files.rejects import UNREADABLE_FILE, RefusedError

BLOCK_BYTES = 4 << 20
_READ_BYTES = 128 << 10
_FRAME_BYTES = 1 << 10  # of Zstandard: at most some 32 MiB


class Unpacked:
    """How many bytes have been unpacked from a file, all its members together, and how many may be."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0

    def add(self, size: int) -> None:
        """Raises RefusedError once there are more."""
        self._size += size
        if self._size > self._most:
            sentence = f"Expected a file that unpacks to at most {self._most:,} bytes, the limit for its size; this has"
            raise RefusedError(UNREADABLE_FILE, f"{sentence} more: pack it as several files, or raise the limit.")


class Zstandard:
    """A decompressor of one frame, with the interface of zlib's: it takes little at once, because little holds much."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self.unconsumed_tail = self.unused_data = b""

    @property
    def eof(self) -> bool:
        return self._frame.eof

    def decompress(self, data: bytes, _: int) -> bytes:
        plain = self._frame.decompress(data[:_FRAME_BYTES])
        rest = data[_FRAME_BYTES:]
        self.unconsumed_tail, self.unused_data = (b"", self._frame.unused_data + rest) if self.eof else (rest, b"")
        return plain


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".bz2": bz2.BZ2Decompressor,
    ".zst": Zstandard,
}
COMPRESSIONS = tuple(_DECOMPRESSORS)


def _plain(file: BinaryIO, suffix: str) -> Iterator[bytes]:
    """The decompressed bytes of all members of a file. Raises RefusedError if it is corrupt or cut off."""
    member: Any = None
    read_any = False
    while data := file.read(_READ_BYTES):
        while data:
            if member is None:
                # tape and block writers pad gzip files with zeros after the last member; gunzip skips them too
                data = data.lstrip(b"\0") if suffix == ".gz" and read_any else data
                if not data:
                    break
                member = _DECOMPRESSORS[suffix]()
            try:
                yield from decompressed(member, data)
            except (zlib.error, OSError, ValueError, EOFError, zstandard.ZstdError) as error:
                sentence = f"Expected {suffix} data; it is corrupt or of another kind ({error})."
                raise RefusedError(UNREADABLE_FILE, sentence) from error
            data, member = (member.unused_data, None) if member.eof else (b"", member)
            read_any = True
    if member is not None or not read_any:
        raise RefusedError(UNREADABLE_FILE, f"Expected {suffix} data; it is cut off before its end.")


def decompressed(member: Any, data: bytes) -> Iterator[bytes]:
    """What a decompressor makes of more data, in pieces of some MiB."""
    while not member.eof:
        plain = member.decompress(data, BLOCK_BYTES)
        for at in range(0, len(plain), BLOCK_BYTES):
            yield plain[at : at + BLOCK_BYTES]
        data = getattr(member, "unconsumed_tail", b"")
        if not data and len(plain) < BLOCK_BYTES:
            break


def chunks_of(file: BinaryIO, suffix: str, unpacked: Unpacked | None = None) -> Iterator[bytes]:
    """The bytes of an open file, decompressed if `suffix` is one of COMPRESSIONS, and then counted by `unpacked`.

    Raises RefusedError.
    """
    if suffix not in _DECOMPRESSORS:
        return iter(lambda: file.read(BLOCK_BYTES), b"")
    plain = _plain(file, suffix)
    return plain if unpacked is None else _counted(plain, unpacked)


def _counted(chunks: Iterator[bytes], unpacked: Unpacked) -> Iterator[bytes]:
    for chunk in chunks:
        unpacked.add(len(chunk))
        yield chunk


_COMPRESSORS: dict[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.compressobj(wbits=31),
    ".bz2": bz2.BZ2Compressor,
    ".zst": lambda: zstandard.ZstdCompressor().compressobj(),
}


def compressed(chunks: Iterator[bytes], suffix: str) -> Iterator[bytes]:
    """The chunks as a file of that suffix has them: what `chunks_of` reads."""
    if suffix not in _COMPRESSORS:
        yield from chunks
        return
    compressor = _COMPRESSORS[suffix]()
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def blocks_of(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """(block, whether it is the last) of a text, without its UTF-8 byte order mark: at least one block.

    A block has about BLOCK_BYTES.
    """
    held: list[bytes] = []
    size, first = 0, True
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            block = b"".join(held)
            yield block.removeprefix(b"\xef\xbb\xbf") if first else block, False
            held, size, first = [], 0, False
    block = b"".join(held)
    yield block.removeprefix(b"\xef\xbb\xbf") if first else block, True


def has_long_line(text: bytes, at_most: int) -> bool:
    """Whether more than so many bytes follow each other without an LF: text that is no longer costs nothing."""
    at = 0
    while len(text) - at > at_most:
        end = text.rfind(b"\n", at, at + at_most + 1)
        if end < 0:
            return True
        at = end + 1
    return False


def long_lines_apart(text: bytes, at_most: int, blank: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """(position, lines, False) of a text, and (position, line, True) of each line longer than `at_most`.

    Such a line comes without its end, with which the next lines begin. blank: what a line may hold and be none.
    """
    begun = at = 0
    for line in text.splitlines(keepends=True) if has_long_line(text, at_most) else ():
        record = line.rstrip(b"\r\n")
        if len(record) > at_most and record.strip(blank):
            yield begun, text[begun:at], False
            yield at, record, True
            begun = at + len(record)
        at += len(line)
    yield begun, text[begun:], False


def is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
