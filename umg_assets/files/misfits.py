"""What is wrong with a source's dialect, by what its files lost: the setting that would fit."""

from collections import Counter
from collections.abc import Collection, Sequence

from umg_assets.files.layout import TEXT_FORMATS, Layout
from umg_assets.files.rejects import BAD_ENCODING, BROKEN_QUOTE, FIELD_COUNT

_DELIMITERS = ("||", "::", "|~|", "~|~", "\t|\t", " | ", ";", ",", "\t", "|", "\x01", "^", "~", ":")


def fitting_delimiter(header: str, current: str, columns: Collection[str]) -> str | None:
    """The delimiter that gives a header more of the wanted columns than the current one; None if no other does.

    For a header that the current one does not divide at all: the one that divides it most.
    """
    wanted = set(columns)

    def columns_by(delimiter: str) -> tuple[int, int, int]:
        names = [name.strip("\"'") for name in header.split(delimiter)]
        # of `a||b`, the delimiter that leaves no name empty
        return len(wanted & set(names)), -names.count(""), len(names)

    best = max((delimiter for delimiter in _DELIMITERS if delimiter != current), key=columns_by)
    now, then = columns_by(current), columns_by(best)
    return best if then[0] > now[0] or (now[2] == 1 and then[2] > 1 and then[0] == now[0]) else None


def misfits(layout: Layout, records: int, rejects: Sequence[tuple[str, str]]) -> list[str]:
    """Sentences on settings of text files that more than half of the records of a file speak against.

    rejects: reason and text of each record that the parser rejected.
    """
    if layout.format not in TEXT_FORMATS:
        return []
    often = {reason for reason, count in Counter(reason for reason, _ in rejects).items() if count * 2 > records}
    sentences = []
    if FIELD_COUNT in often and not layout.dialect.header:
        sentences.append(_on_width(layout, next(text for reason, text in rejects if reason == FIELD_COUNT)))
    elif FIELD_COUNT in often:
        sentences.append(
            f"more than half of the records have another number of fields than the header, divided by "
            f"{layout.delimiter!r}: a value that holds it must be quoted"
        )
    if BROKEN_QUOTE in often and layout.dialect.quote:
        sentences.append('if quotes are part of the values, set quote = ""')
    if BAD_ENCODING in often:
        known = layout.dialect.encoding
        sentences.append(
            f'the text is not {known}: set encoding, e.g. "cp1250" (Central Europe), "cp1252", "iso8859-2"'
        )
    return sentences


def _on_width(layout: Layout, line: str) -> str:
    width = len(layout.dialect.column_names)
    for delimiter in _DELIMITERS:
        if delimiter != layout.delimiter and line.count(delimiter) == width - 1 and width > 1:
            return f"column_names has {width} names, and {delimiter!r} gives as many fields: set delimiter to it"
    fields = line.count(layout.delimiter) + 1
    return f"column_names has {width} names, and a record {fields} fields, divided by {layout.delimiter!r}"
