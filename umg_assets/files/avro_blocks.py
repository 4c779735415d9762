"""Avro files without some of their records: block by block, the bytes of every other record as they are."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import fastavro
import pyarrow as pa
import zstandard

from umg_assets.files.avro import open_avro, unreadable
from umg_assets.files.avro_times import text_of_time
from umg_assets.files.blocks import chunks_of
from umg_assets.files.limits import Limits
from umg_assets.files.wanted import CannotEraseError, Erased, Wanted


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


def _snappy(data: bytes) -> bytes:
    return pa.Codec("snappy").compress(data, asbytes=True) + zlib.crc32(data).to_bytes(4, "big")


_PACK: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _deflated,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "snappy": _snappy,
    "zstandard": lambda data: zstandard.ZstdCompressor().compress(data),
}


def _long(number: int) -> bytes:
    number = number << 1 if number >= 0 else (-number << 1) - 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _texts(value: Any) -> Iterator[bytes]:
    """The texts and numbers of a record that may be ids: no times."""
    if text_of_time(value) is not None:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key.encode()
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, bytes):
        yield value
    elif value is not None and not isinstance(value, bool):
        yield str(value).encode()


def rewrite_avro(path: Path, draft: Path, wanted: Wanted, limits: Limits) -> Erased:
    """Write an Avro file without the wanted records: same header, codec and blocks. Raises RefusedError."""
    with path.open("rb") as source, draft.open("wb") as target:
        reader, _ = open_avro(chunks_of(source, ""), (), limits.columns, marked=True)
        schema: Any = reader.writer_schema
        sync = reader._header["sync"]
        if any(wanted.names(text) for text in _texts(reader._header["meta"])):
            raise CannotEraseError("an id stands in its metadata, in no record: remove it by hand.")
        erased, header = Erased(0, []), None
        for block in _blocks(reader):
            if header is None:
                header = block.offset
                _copy_beginning(path, target, header)
            kept = []
            data = io.BytesIO(block.bytes_.getvalue())
            for _ in range(block.num_records):
                start = data.tell()
                record = fastavro.schemaless_reader(data, schema, None)
                erased.records += 1
                if wanted.takes(erased.records, _texts(record)):
                    erased.removed.append(erased.records)
                else:
                    kept.append(data.getbuffer()[start : data.tell()].tobytes())
            if kept:
                packed = _PACK[str(reader.codec)](b"".join(kept))
                target.write(_long(len(kept)) + _long(len(packed)) + packed + sync)
    return erased


def _blocks(reader: Any) -> Iterator[Any]:
    try:
        yield from reader
    except (ValueError, EOFError, LookupError) as error:
        raise unreadable(error, b"") from error


def _copy_beginning(path: Path, target: BinaryIO, size: int) -> None:
    with path.open("rb") as source:
        target.write(source.read(size))
