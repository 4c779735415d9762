"""Text of other encodings as UTF-8, a piece at a time; bytes that the encoding does not have stay recognisable."""

import codecs
import itertools
import re
from collections.abc import Iterator, Sequence

from umg_assets.files.rejects import escape

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)
_LONGEST_MARK = 4
# Of these two bytes neither is ASCII and UTF-8 never holds the first, so no record with one passes for good text
_UNDECODED = re.compile(rb"[\xc0\xc1\xf5\xf6][\x80-\xbf]")
_LEADS = b"\xc0\xc1\xf5\xf6"
_HANDLER = "umg_undecoded"
_PIECE_BYTES = 16 << 10


def _mark_undecoded(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    pairs = [(_LEADS[byte >> 6], 0x80 | byte & 0x3F) for byte in error.object[error.start : error.end]]
    return "".join(chr(0xDC00 | byte) for pair in pairs for byte in pair), error.end


codecs.register_error(_HANDLER, _mark_undecoded)


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning of a file tells; None without one."""
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)


def as_utf8(chunks: Iterator[bytes], encoding: str) -> tuple[Iterator[bytes], bool]:
    """The chunks of a file as UTF-8, and whether they were of another encoding.

    A byte order mark in the file goes over the encoding. A byte that the encoding does not have becomes two that are no
    UTF-8, so that its record is refused; `escape_recoded` shows the byte. Chunks of UTF-8 pass as they are.
    """
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _LONGEST_MARK:
            break
    encoding = marked_encoding(head) or encoding
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        return itertools.chain([head], chunks), False
    return _recoded(itertools.chain([head], chunks), codecs.getincrementaldecoder(encoding)(_HANDLER)), True


def _recoded(chunks: Iterator[bytes], decoder: codecs.IncrementalDecoder) -> Iterator[bytes]:
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogateescape")
    yield decoder.decode(b"", True).encode("utf-8", "surrogateescape")


def places_in_file(chunks: Iterator[bytes], encoding: str, places: Sequence[int]) -> list[int]:
    """Where places in the text that `as_utf8` gives, in their order, lie in the file.

    chunks: the file's, of the encoding that `as_utf8` reads it in. A byte order mark lies before the first place.
    """
    ruler = _Ruler(codecs.getincrementaldecoder(encoding)(_HANDLER), list(reversed(places)))
    first = True
    for chunk in chunks:
        if first and (mark := next((mark for mark, _ in _MARKS if chunk.startswith(mark)), b"")):
            ruler.pass_by(mark)
            chunk = chunk[len(mark) :]
        first = False
        ruler.note()
        for at in range(0, len(chunk), _PIECE_BYTES):
            ruler.measure(chunk[at : at + _PIECE_BYTES])
    return ruler.found + [ruler.at] * len(ruler.left)


class _Ruler:
    """Decodes a file, and notes its position where the text in UTF-8 reaches each place of `left`, from its end on."""

    def __init__(self, decoder: codecs.IncrementalDecoder, left: list[int]) -> None:
        self._decoder, self.left = decoder, left
        self.found: list[int] = []
        self.at = self._length = 0

    def pass_by(self, piece: bytes) -> None:
        """Decode a piece."""
        self._length += len(self._decoder.decode(piece).encode("utf-8", "surrogateescape"))
        self.at += len(piece)

    def note(self) -> None:
        """Note the position for each place that has been reached."""
        while self.left and self.left[-1] <= self._length:
            self.found.append(self.at)
            self.left.pop()

    def measure(self, piece: bytes) -> None:
        """Decode a piece, halved as often as is needed to see at which of its bytes a place lies."""
        before = self._decoder.getstate(), self._length, self.at
        self.pass_by(piece)
        if not self.left or self.left[-1] > self._length:
            return
        if len(piece) > 1:
            state, self._length, self.at = before
            self._decoder.setstate(state)
            half = len(piece) // 2
            self.measure(piece[:half])
            self.measure(piece[half:])
        self.note()


def escape_recoded(raw: bytes) -> str:
    """As `escape`, of a piece of what `as_utf8` gives: bytes that could not be decoded as they are in the file."""
    pieces, at = [], 0
    for match in _UNDECODED.finditer(raw):
        byte = _LEADS.index(match[0][0]) << 6 | match[0][1] & 0x3F
        pieces += [escape(raw[at : match.start()]), f"\\x{byte:02x}"]
        at = match.end()
    return "".join([*pieces, escape(raw[at:])])
