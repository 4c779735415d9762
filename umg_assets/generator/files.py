"""The bytes of the plays files, in the three layouts that the exporter used over the years."""

import bz2
import gzip
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from umg_assets.generator.dirty import BadPlay
from umg_assets.generator.faults import File
from umg_assets.generator.ids import scrambled
from umg_assets.generator.lines import hexadecimal, instants, matrix, number, padded, texts, with_inserted
from umg_assets.generator.plays import Plays
from umg_assets.generator.world import CSV, JSONL

CSV_HEADER = b"play_id,user_id,session_id,track_id,started_at,played_ms\n"
PARQUET_SCHEMA = pa.schema(
    [
        ("play_id", pa.string()),
        ("user_id", pa.string()),
        ("session_id", pa.string()),
        ("track_id", pa.string()),
        ("started_at", pa.timestamp("us", "UTC")),
        ("played_ms", pa.int64()),
        ("country", pa.string()),
    ]
)


def write_plays(landing: Path, file: File, rows: Plays, bad: list[BadPlay], markets: tuple[str, ...]) -> None:
    """Write a plays file, with its bad records among the good rows, and its second copy if it is delivered twice."""
    path = landing / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.layout == CSV:
        body = with_inserted(_csv_lines(rows), [(record.position, record.as_csv()) for record in bad])
        path.write_bytes(compressed(CSV_HEADER + body, path.suffix))
    elif file.layout == JSONL:
        path.write_bytes(with_inserted(_json_lines(rows, markets), [(r.position, r.as_json()) for r in bad]))
    else:
        _write_parquet(path, rows, bad, markets)
    if file.again:
        shutil.copyfile(path, landing / file.again)


def compressed(content: bytes, suffix: str) -> bytes:
    """The content compressed as .gz, .zst or .bz2; the bytes do not depend on the time of writing."""
    if suffix == ".gz":
        return gzip.compress(content, 1, mtime=0)
    if suffix == ".zst":
        return zstandard.ZstdCompressor(level=1).compress(content)
    return bz2.compress(content, 1)


def _ids(rows: Plays) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """play_id, the digits of user_id, session_id and the digits of track_id."""
    return hexadecimal(scrambled(rows.number)), padded(rows.user, 7), number(rows.session), padded(rows.track, 6)


def _csv_lines(rows: Plays) -> np.ndarray:
    play, user, session, track = _ids(rows)
    started, played = instants(rows.start), number(rows.played)
    parts = [play, b",u", user, b",", session, b",t", track, b",", started, b",", played, b"\n"]
    return matrix(len(rows), parts)


def _json_lines(rows: Plays, markets: tuple[str, ...]) -> np.ndarray:
    play, user, session, track = _ids(rows)
    country = texts([*(f'"{market}"' for market in markets), "null"], rows.country)
    parts = [b'{"id":"', play, b'","user":{"id":"u', user, b'","country":', country, b'},"session":"', session]
    parts += [b'","track":"t', track, b'","ts":', number(rows.start), b',"played_ms":', number(rows.played), b"}\n"]
    return matrix(len(rows), parts)


def _strings(fixed: np.ndarray) -> pa.Array:
    """A string column from a matrix of bytes without zeros."""
    count, width = fixed.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(fixed.tobytes())])


def _write_parquet(path: Path, rows: Plays, bad: list[BadPlay], markets: tuple[str, ...]) -> None:
    count = len(rows)
    columns = [
        _strings(hexadecimal(scrambled(rows.number))),
        _strings(matrix(count, [b"u", padded(rows.user, 7)])),
        pa.array(rows.session).cast(pa.string()),
        _strings(matrix(count, [b"t", padded(rows.track, 6)])),
        pa.array(rows.start * 1_000).cast(pa.timestamp("us", "UTC")),
        pa.array(rows.played),
        pa.array(markets, pa.string()).take(pa.array(rows.country, mask=rows.country < 0)),
    ]
    good = pa.Table.from_arrays(columns, schema=PARQUET_SCHEMA)
    pieces, at = [], 0
    for record in bad:
        pieces += [good.slice(at, record.position - at), _bad_row(record)]
        at = record.position
    table = pa.concat_tables([*pieces, good.slice(at)]).combine_chunks()
    repeating: Any = ["user_id", "session_id", "track_id", "country"]
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=1, use_dictionary=repeating)
    path.write_bytes(buffer.getbuffer())


def _bad_row(record: BadPlay) -> pa.Table:
    at = record.started_at
    values = {
        "play_id": record.play_id or None,
        "user_id": record.user_id or None,
        "session_id": "1",
        "track_id": record.track_id or None,
        "started_at": at * 1_000 if isinstance(at, int) else None,
        "played_ms": record.played_ms,
        "country": None,
    }
    return pa.Table.from_pylist([values], schema=PARQUET_SCHEMA)
