"""What unpacks the blocks of an Avro file: every codec, and no block to more than is held in memory."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
from fastavro.read import BLOCK_READERS

from umg_assets.files.blocks import Zstandard, decompressed

_SNAPPY_TIMES = 64  # more than the format can pack
_BLOCK_BYTES = 256 << 20


def _snappy(decoder: Any) -> io.BytesIO:
    """A block as Spark writes it: snappy's raw format, then the CRC of what it holds."""
    packed = decoder.read(_long(decoder))
    packed, crc = packed[:-4], int.from_bytes(packed[-4:], "big")
    size = _unsigned(io.BytesIO(packed))
    if size > min(_BLOCK_BYTES, _SNAPPY_TIMES * len(packed)):
        raise ValueError(f"a block of {len(packed):,} bytes says that it unpacks to {size:,}")
    block = pa.Codec("snappy").decompress(packed, size, asbytes=True)
    if zlib.crc32(block) != crc:
        raise ValueError("a block does not fit its checksum")
    return io.BytesIO(block)


def _bounded(decompressor: Callable[[], Any]) -> Callable[[Any], io.BytesIO]:
    """What reads a block by a decompressor, and raises ValueError if it unpacks to too much."""

    def read(decoder: Any) -> io.BytesIO:
        block = io.BytesIO()
        for piece in decompressed(decompressor(), decoder.read(_long(decoder))):
            block.write(piece)
            if block.tell() > _BLOCK_BYTES:
                raise ValueError(f"expected blocks of at most {_BLOCK_BYTES:,} bytes, one unpacks to more")
        block.seek(0)
        return block

    return read


def _long(stream: Any) -> int:
    number = _unsigned(stream)
    return (number >> 1) ^ -(number & 1)


def _unsigned(stream: Any) -> int:
    number = shift = 0
    while (byte := stream.read(1)[0]) & 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
    return number | byte << shift


# for snappy and zstandard fastavro needs further packages, and it unpacks blocks of any size
READERS: dict[str, Any] = {
    "deflate": _bounded(partial(zlib.decompressobj, wbits=-15)),
    "bzip2": _bounded(bz2.BZ2Decompressor),
    "xz": _bounded(lzma.LZMADecompressor),
    "zstandard": _bounded(Zstandard),
    "snappy": _snappy,
}
BLOCK_READERS.update(READERS)
