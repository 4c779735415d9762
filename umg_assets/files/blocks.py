"""The bytes of a file, decompressed, in blocks."""

import bz2
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import zstandard

from umg_assets.files.rejects import UNREADABLE_FILE, RefusedError

BLOCK_BYTES = 4 << 20
_READ_BYTES = 128 << 10

_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".bz2": bz2.BZ2Decompressor,
    ".zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
COMPRESSIONS = tuple(_DECOMPRESSORS)


def _plain(file: BinaryIO, suffix: str) -> Iterator[bytes]:
    """The decompressed bytes of all members of a file. Raises RefusedError if it is corrupt or cut off."""
    member: Any = None
    read_any = False
    while data := file.read(_READ_BYTES):
        read_any = True
        while data:
            if member is None:
                # tape and block writers pad gzip files with zeros after the last member; gunzip skips them too
                data = data.lstrip(b"\0") if suffix == ".gz" else data
                if not data:
                    break
                member = _DECOMPRESSORS[suffix]()
            try:
                plain = member.decompress(data)
            except (zlib.error, OSError, ValueError, EOFError, zstandard.ZstdError) as error:
                sentence = f"Expected {suffix} data; it is corrupt or of another kind ({error})."
                raise RefusedError(UNREADABLE_FILE, sentence) from error
            if plain:
                yield plain
            data, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None or not read_any:
        raise RefusedError(UNREADABLE_FILE, f"Expected {suffix} data; it is cut off before its end.")


def chunks_of(file: BinaryIO, suffix: str) -> Iterator[bytes]:
    """The bytes of an open file, decompressed if `suffix` is one of COMPRESSIONS. Raises RefusedError."""
    if suffix in _DECOMPRESSORS:
        return _plain(file, suffix)
    return iter(lambda: file.read(BLOCK_BYTES), b"")


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


def is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
