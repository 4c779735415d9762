"""The grammar of delimited text: where its fields and records end, for one delimiter, quote and escape."""

import re

# a longer quoted field counts as an unterminated quote; the limit also bounds how much is read twice
QUOTED_RECORD_BYTES = 1 << 20
_FIELDS_BEYOND = 64


class Grammar:
    """The regular expressions for one delimiter, quote ("" for none) and escape (None for none).

    Unquoted fields end with the line, unless the line end is escaped; quoted ones may hold line ends.
    """

    def __init__(self, delimiter: str, quote: str = '"', escape: str | None = None):
        self.delimiter = delimiter.encode()
        self.quote = quote.encode() or None
        self.escape = escape.encode() if escape else None
        # in a TSV a line of tabs is a record of empty fields, so delimiters do not count as blank
        self.blank = b" \t\x0b\x0c\r\n"
        if not self.delimiter.strip(self.blank):
            self.blank = self.blank.translate(None, self.delimiter)
        d, q = re.escape(self.delimiter), re.escape(self.quote or b"")
        e = re.escape(self.escape or b"")
        pair = rb"|%s(?:%s|\r\n|[\s\S])" % (e, d) if e else b""
        line_pair = rb"|%s(?:%s|[^\r\n])" % (e, d) if e else b""
        first, rest = re.escape(self.delimiter[:1]), re.escape(self.delimiter[1:])
        begun = b"|%s(?!%s)" % (first, rest) if rest else b""  # the beginning of a delimiter alone is text
        self.unquoted = re.compile(_field(b"%s%s\\r\\n" % (first, e), begun + pair))
        self.quoted = re.compile(_within_quotes(q, e, b"", pair)) if q else None
        self._strict, self._one_line = (
            _field(b"%s%s%s\\r\\n" % (first, e, q), begun + pair),
            _field(b"%s%s%s\\r\\n" % (first, e, q), begun + line_pair),
        )
        if q:
            self._strict = b"(?:%s|%s)" % (_within_quotes(q, e, b"", pair), self._strict)
            self._one_line = b"(?:%s|%s)" % (_within_quotes(q, e, b"\\r\\n", line_pair), self._one_line)
        self._d = d
        meant = rb"%s(\r\n|%s|[%s%s\r\n])" % (e, d, q, e) if e else b"(?!)()"
        self._meant = re.compile(meant)
        self._meant_in_quotes = re.compile(b"(%s)%s|%s" % (q, q, meant)) if q else None

    def is_special(self, text: bytes) -> bool:
        """Whether a text has a quote or an escape, so that its fields are more than what stands between delimiters."""
        return (self.quote is not None and self.quote in text) or self.has_escape(text)

    def has_escape(self, text: bytes) -> bool:
        """Whether a text has the escape."""
        return self.escape is not None and self.escape in text

    def without_blank_lines(self, text: bytes) -> bytes:
        """The text from its first line that is not blank on; empty if all lines are blank."""
        start = re.match(rb"(?:[%s]*+(?:\r\n|\r|\n))*+" % self.blank.strip(b"\r\n"), text)
        assert start is not None
        rest = text[start.end() :]
        return rest if rest.strip(self.blank) else b""

    def record_of(self, fields: int) -> re.Pattern[bytes]:
        """For fullmatch: a record of `fields` fields, with quotes only around a field and doubled inside one."""
        return re.compile(b"%s(?:%s%s){%d}" % (self._strict, self._d, self._strict, fields - 1))

    def lines_of(self, fields: int) -> re.Pattern[bytes]:
        """For fullmatch: any number of such records, without line ends inside fields."""
        one_line = (self._one_line, self._d, self._one_line)
        return re.compile(b"(?:%s(?:%s%s){%d}(?:\r?\n|\\Z))*+" % (*one_line, fields - 1))

    def scan(self, text: bytes, start: int, at_most: int) -> tuple[list[bytes] | None, int, bool]:
        """One record from `start`: its fields as they are meant, the position of its end, whether it is still open.

        It is open in an unclosed quote or at an escaped line end. Fields are None if text follows a closing quote, a
        quote is open, an escape escapes nothing, or there are many more than `at_most` fields.
        """
        fields: list[bytes] = []
        at, stop = start, min(len(text), start + QUOTED_RECORD_BYTES)
        while len(fields) < at_most + _FIELDS_BEYOND:
            if self.quoted is not None and text[at : at + 1] == self.quote:
                field = self.quoted.match(text, at, stop)
                if field is None:
                    return None, stop, True
                fields.append(self._meaning(field[0]))
                # the next block may begin with the second half of a doubled quote, or show that the record ends here
                if field.end() == stop:
                    return fields, stop, True
            else:
                field = self.unquoted.match(text, at, stop) if self.escape else self.unquoted.match(text, at)
                assert field is not None
                fields.append(self._meant.sub(rb"\1", field[0]) if self.escape else field[0])
                if self.escape and field.end() == stop and (stop < len(text) or field[0].endswith((b"\n", b"\r"))):
                    return (fields if stop == len(text) else None), stop, True
            at = field.end()
            if not text.startswith(self.delimiter, at):
                rest = text[at : at + len(self.delimiter)]
                if rest and at + len(rest) == len(text) and self.delimiter.startswith(rest):
                    return None, len(text), True
                return (fields if rest[:1] in (b"", b"\n", b"\r") else None), at, False
            at += len(self.delimiter)
        return None, at, False

    def _meaning(self, quoted: bytes) -> bytes:
        """A quoted field without its quotes, doubled quotes and escapes."""
        assert self.quote is not None
        assert self._meant_in_quotes is not None
        if self.escape is None:
            return quoted[1:-1].replace(self.quote * 2, self.quote)
        return self._meant_in_quotes.sub(lambda match: match[1] or match[2], quoted[1:-1])


def _field(ends: bytes, pair: bytes) -> bytes:
    """A field of any characters but `ends`, or what else belongs to it (`|PATTERN`, or nothing): pairs of an escape and
    what it escapes, the beginning of a delimiter alone."""
    return rb"(?:[^%s]++%s)*+" % (ends, pair) if pair else rb"[^%s]*+" % ends


def _within_quotes(quote: bytes, escape: bytes, never: bytes, pair: bytes) -> bytes:
    if not pair:
        inner = rb"[^%s%s]*+" % (quote, never)
        return b"%s%s(?:%s%s%s)*+%s" % (quote, inner, quote, quote, inner, quote)
    return rb"%s(?:[^%s%s%s]|%s%s%s)*+%s" % (quote, quote, escape, never, quote, quote, pair, quote)
