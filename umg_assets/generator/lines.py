"""Text lines for millions of rows: columns are byte matrices placed side by side; zero bytes are dropped at the end."""

import numpy as np

_QUADS = (np.arange(10_000)[:, None] // np.array([1_000, 100, 10, 1]) % 10 + ord("0")).astype(np.uint8)
_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_HEX_QUADS = _HEX_DIGITS[np.arange(65_536)[:, None] >> np.array([12, 8, 4, 0]) & 15]

Part = bytes | np.ndarray


def padded(values: np.ndarray, width: int) -> np.ndarray:
    """Decimal digits with leading zeros, `width` of them; values must not be negative."""
    out = np.empty((len(values), -(-width // 4) * 4), np.uint8)
    rest = values
    for at in range(out.shape[1] - 4, -1, -4):
        rest, low = np.divmod(rest, 10_000) if at else (rest, rest)
        out[:, at : at + 4] = _QUADS[low]
    return out[:, out.shape[1] - width :]


def number(values: np.ndarray) -> np.ndarray:
    """Decimal digits without leading zeros; values must not be negative."""
    width = len(str(int(values.max()))) if len(values) else 1
    out = np.ascontiguousarray(padded(values, width))
    for place in range(width - 1):
        out[:, place] *= values >= 10 ** (width - 1 - place)
    return out


def hexadecimal(values: np.ndarray) -> np.ndarray:
    """Twelve hexadecimal digits of unsigned values under 2**48."""
    return np.concatenate(
        [_HEX_QUADS[(values >> np.uint64(shift)) & np.uint64(0xFFFF)] for shift in (32, 16, 0)], axis=1
    )


def texts(table: list[str], index: np.ndarray) -> np.ndarray:
    """The text at each index of `table`, padded with zero bytes."""
    encoded = np.array([text.encode() for text in table])
    return encoded.view(np.uint8).reshape(len(table), -1)[index]


def instants(at_ms: np.ndarray) -> np.ndarray:
    """ISO instants in UTC, such as 2026-07-27T18:28:34Z, with milliseconds only if they are not zero."""
    days, ms = np.divmod(at_ms, 86_400_000)
    seconds, millis = np.divmod(ms, 1_000)
    first = int(days.min()) if len(days) else 0
    last = int(days.max()) if len(days) else 0
    dates = [str(np.datetime64(day, "D")) for day in range(first, last + 1)]
    return matrix(len(at_ms), [texts(dates, days - first), b"T", _CLOCK[seconds], _MILLIS[millis], b"Z"])


def matrix(rows: int, parts: list[Part]) -> np.ndarray:
    """The parts side by side in `rows` rows; a bytes constant is repeated in every row."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    out = np.empty((rows, sum(widths)), np.uint8)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        out[:, at : at + width] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        at += width
    return out


def with_inserted(lines: np.ndarray, inserted: list[tuple[int, bytes]]) -> bytes:
    """The lines' bytes without zeros; each text is inserted before the line of its position (ascending)."""
    pieces, at = [], 0
    for position, text in inserted:
        stop = min(position, len(lines))
        pieces += [lines[at:stop][lines[at:stop] != 0].tobytes(), text]
        at = stop
    pieces.append(lines[at:][lines[at:] != 0].tobytes())
    return b"".join(pieces)


def _clock() -> np.ndarray:
    seconds = np.arange(86_400)
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    return matrix(86_400, [padded(hours, 2), b":", padded(minutes, 2), b":", padded(seconds % 60, 2)])


_CLOCK = _clock()
_MILLIS = matrix(1_000, [b".", padded(np.arange(1_000), 3)])
_MILLIS[0] = 0
