"""Bad files of many kinds, drawn from a seed: for every format, framing and compression that umg reads.

A kind is a function that draws one file. `bad_files` goes through the kinds in turn; those marked `once`, which take
long to read, come once. What such a file brings is not foretold: all of it has to be accounted for.
"""

import io
import itertools
import os
import random
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umg_assets_tests.containers import COLUMNS, PACKED, WRITERS, csv_text, json_objects, packed
from umg_assets_tests.lake import PLAY_COLUMNS

DAY = "2026-03-02"
KINDS: list["Kind"] = []
SPACES = [chr(code) for code in range(0x3001) if chr(code).isspace()] + ["\ufeff", "\u200b", "\u2060", "\u180e", "\0"]
"""Unicode's white space and line separators, and what looks like them."""
ODD_LETTERS = [
    "\n",
    "\r",
    "\t",
    '"',
    "'",
    "%",
    "%41",
    "[",
    "]",
    "\u2028",
    "\u2029",
    "\x85",
    "\x1c",
    "\u202e",
    "\\",
    "é",
]


@dataclass(frozen=True)
class BadFile:
    """A file to drop. name: below landing/; content: its bytes, or what makes it there, if it is no plain file."""

    kind: str
    name: str
    content: bytes | Callable[[Path], object]

    @property
    def is_plain(self) -> bool:
        """Whether it is a file, and not a pipe, a socket, a link or a folder."""
        return isinstance(self.content, bytes)

    def drop(self, landing: Path) -> None:
        """Makes it."""
        path = landing / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)


Written = tuple[str, bytes]
Drawn = tuple[str, bytes | Callable[[Path], object]]
"""The end of a file's name, below the folder of a source (`any/.csv`), and its content."""


@dataclass(frozen=True)
class Kind:
    """A kind of bad file. draw: one of it; once: it comes once only."""

    name: str
    draw: Callable[[random.Random], Drawn]
    once: bool


def kind(draw: Callable[[random.Random], Drawn]) -> Callable[[random.Random], Drawn]:
    """Makes a function a kind."""
    KINDS.append(Kind(draw.__name__, draw, once=False))
    return draw


def once(draw: Callable[[random.Random], Drawn]) -> Callable[[random.Random], Drawn]:
    """Makes a function a kind that comes once, because it is large."""
    KINDS.append(Kind(draw.__name__, draw, once=True))
    return draw


def bad_files(seed: int, number: int) -> Iterator[BadFile]:
    """So many bad files, each with a name of its own."""
    pick = random.Random(seed)
    singles = [each for each in KINDS if each.once]
    others = itertools.cycle([each for each in KINDS if not each.once])
    for at, each in enumerate([*singles, *itertools.islice(others, number - len(singles))]):
        end, content = each.draw(pick)
        folder, _, end = end.rpartition("/")
        yield BadFile(each.name, f"{folder}/{DAY}-{at:04}-{each.name}{end}", content)


def plays(pick: random.Random, some: int | None = None, **changed: Any) -> list[dict[str, Any]]:
    """Good plays of day and users of their own, but for what is changed."""
    return [
        {
            **dict(zip(COLUMNS, (f"bad-{pick.getrandbits(48):x}", f"u{pick.randrange(50)}", "s1", "t1"), strict=False)),
            **{"started_at": f"{DAY}T{pick.randrange(24):02}:00:00Z", "played_ms": "1000", "country": "AT"},
            **changed,
        }
        for _ in range(some or pick.randrange(2, 9))
    ]


def _written(pick: random.Random) -> Written:
    """A good file of any format, framing and compression."""
    end = pick.choice(list(WRITERS))
    content = WRITERS[end](plays(pick))
    if pick.random() < 0.3 and not end.endswith((".zip", ".xlsx")):
        suffix = pick.choice(PACKED)
        return end + suffix, packed(content, suffix)
    return end, content


def _text_file(pick: random.Random, text: str | bytes, end: str = "any/.csv") -> Written:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if pick.random() < 0.1:
        suffix = pick.choice(PACKED)
        return end + suffix, packed(content, suffix)
    return end, content


def _lines(pick: random.Random, *bad: str | bytes, end: bytes = b"\n") -> Written:
    """CSV or JSON lines, some of them bad ones."""
    is_csv = pick.random() < 0.5
    text = csv_text(plays(pick)) if is_csv else "\n".join(json_objects(plays(pick))) + "\n"
    lines: list[bytes] = [line.encode() for line in text.splitlines()]
    for line in bad:
        lines.insert(pick.randrange(len(lines) + 1), line.encode() if isinstance(line, str) else line)
    return _text_file(
        pick, end.join([*lines, b""]), "any/.csv" if is_csv else pick.choice(["any/.json", "lines/.jsonl"])
    )


def _of_values(pick: random.Random, column: str, values: list[str]) -> Written:
    """A file of any format, of which a column has odd values."""
    rows = [play for value in values for play in plays(pick, 1, **{column: value})]
    end = pick.choice(list(WRITERS))
    return end, WRITERS[end](rows)


@kind
def cut_off(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    return end, content[: pick.randrange(len(content))]


@kind
def flipped_bits(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    flipped = bytearray(content)
    for _ in range(pick.choice([1, 1, 1, 3, 10])):
        flipped[pick.randrange(len(flipped))] ^= 1 << pick.randrange(8)
    return end, bytes(flipped)


@kind
def bytes_left_out(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    at = pick.randrange(len(content))
    return end, content[:at] + content[at + pick.randrange(1, 50) :]


@kind
def zeroed(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    at, size = pick.randrange(len(content)), pick.randrange(1, 200)
    return end, content[:at] + bytes(len(content[at : at + size])) + content[at + size :]


@kind
def with_bytes_before(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    return end, pick.choice([b"\0", b"\n", b"xx", b"\xef\xbb\xbf", b"\xff\xfe", b"#!/bin/sh\n"]) + content


@kind
def with_bytes_behind(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    return end, content + pick.choice([bytes(10), b"garbage", b"\n\n\n", b"\x1a", content[:40]])


@kind
def twice_in_one_file(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    return end, content + content


@kind
def another_suffix(pick: random.Random) -> Drawn:
    _, content = _written(pick)
    return pick.choice([*WRITERS, "any/.csv.gz", "any/.json.zst", "any/.csv.bz2", "any/.txt", "any/"]), content


@kind
def empty(pick: random.Random) -> Drawn:
    end, _ = _written(pick)
    return end, b""


@kind
def random_bytes(pick: random.Random) -> Drawn:
    end, _ = _written(pick)
    return end, pick.randbytes(pick.randrange(1, 5000))


@kind
def foreign_documents(pick: random.Random) -> Drawn:
    end, _ = _written(pick)
    return end, pick.choice([b"<html>502</html>", b"%PDF-1.7\n", b"<?xml version='1.0'?><a/>", b"PAR1PAR1", b"Obj\x01"])


@kind
def lines_of_white_space(pick: random.Random) -> Drawn:
    return _lines(pick, *pick.sample(SPACES, 8))


@kind
def files_of_white_space(pick: random.Random) -> Drawn:
    return _text_file(
        pick, pick.choice(SPACES) * pick.randrange(1, 9), pick.choice(["any/.csv", "any/.json", "lines/.a"])
    )


@kind
def mixed_line_ends(pick: random.Random) -> Drawn:
    return _lines(
        pick, "a\rb", "\r\n", "a\x85b", "a\u2028b", "a\x0bb\x0cc\x1cd", end=pick.choice([b"\r", b"\r\n", b"\n"])
    )


@kind
def nul_bytes(pick: random.Random) -> Drawn:
    return _lines(pick, b"\0", b"a\0b,c", b'{"play_id":"a\0"}', bytes(300))


@kind
def marks_in_the_middle(pick: random.Random) -> Drawn:
    end, content = _lines(pick, "\ufeff", "\ufeffa,b", '\ufeff{"play_id":"x"}')
    return end, content if end.endswith(PACKED) else b"\xef\xbb\xbf" * pick.randrange(3) + content


@kind
def other_unicode_encodings(pick: random.Random) -> Drawn:
    end, content = _lines(pick, "ü")
    if end.endswith(PACKED):
        return end, content
    text = content.decode()
    return end, text.encode(pick.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "cp037"]))


@kind
def mixed_encodings(pick: random.Random) -> Drawn:
    return _lines(
        pick, "žluť".encode("cp1250"), "žluť".encode(), "žluť".encode("utf-16-le"), b"\xc0\x80", b"\xed\xa0\x80"
    )


@kind
def text_in_a_declared_encoding(pick: random.Random) -> Drawn:
    _, content = _lines(pick, b"\x81\x83", b"\xff", "žluť".encode("cp1250"), "a\u2028".encode())
    return "cp1250/.csv", content


@kind
def wrong_numbers_of_fields(pick: random.Random) -> Drawn:
    return _lines(pick, ",", "," * pick.randrange(1, 300), "a", ",,,,,,", "a,b,c,d,e,f,g,h")


@kind
def broken_quotes(pick: random.Random) -> Drawn:
    return _lines(pick, '"', 'a"b,c', '"a"b,c,d', '""","', '"a\n', "'\"'", '"a"",b,c,d,e,f,g')


@kind
def an_open_quote(pick: random.Random) -> Drawn:
    text = csv_text(plays(pick)) + '"' + "\n".join("x,y" for _ in range(pick.randrange(400)))
    return _text_file(pick, text, pick.choice(["any/.csv", "any/.tsv", "escaped/.csv"]))


@kind
def escapes_at_odd_places(pick: random.Random) -> Drawn:
    text = csv_text(plays(pick)) + pick.choice(["\\", "\\\n", "a\\,b,\\", '"\\"', "\\\\\\\n,,,,,,\n"])
    return _text_file(pick, text, "escaped/.csv")


@kind
def odd_headers(pick: random.Random) -> Drawn:
    header = ",".join(PLAY_COLUMNS)
    odd = [f"{header},play_id", f"play_id,{header}", header.upper(), header.replace(",", ";"), f" {header} ", "play_id"]
    odd += [f"sep=;\n{header}", f"sep=,\n{header}", f"\n\n{header}", f"# comment\n{header}", ",,,,,,", f'"{header}"']
    rest = csv_text(plays(pick)).partition("\n")[2]
    return _text_file(pick, f"{pick.choice(odd)}\n{rest if pick.random() < 0.8 else ''}")


@kind
def without_a_header(pick: random.Random) -> Drawn:
    text = csv_text(plays(pick)).partition("\n")[2].replace(",", pick.choice([";", ",", "::"]))
    return _text_file(pick, text, pick.choice(["headless/.csv", "any/.csv"]))


@kind
def ten_thousand_columns(pick: random.Random) -> Drawn:
    wide = [{**play, **{f"c{at}": at for at in range(10_000)}} for play in plays(pick, 2)]
    return _text_file(pick, csv_text(wide, tuple(wide[0])) if pick.random() < 0.5 else "\n".join(json_objects(wide)))


@kind
def impossible_times(pick: random.Random) -> Drawn:
    years = ["0000", "0001", "1582", "1969", "9999", "10000", "+292278", "-292278", "292279", "99999999"]
    values = [f"{year}-03-02T10:00:00Z" for year in years] + ["", "now", "epoch", "inf", "24:00", f"{DAY}T24:00:00Z"]
    return _of_values(
        pick, "started_at", [*values, "9" * 40, "1e400", "NaN", f"{DAY}T10:00:00+99:00", f"{DAY} 10:00 \0"]
    )


@kind
def impossible_durations(pick: random.Random) -> Drawn:
    values = [
        "inf",
        "-inf",
        "nan",
        "1e400",
        "9" * 19,
        "9" * 400,
        "-1",
        "-9223372036854775808",
        "0x10",
        "1_000",
        "٣",
        "1.5",
    ]
    return _of_values(pick, "played_ms", values)


@kind
def odd_letters_in_values(pick: random.Random) -> Drawn:
    values = ["".join(pick.choices(ODD_LETTERS, k=4)) for _ in range(6)]
    return _of_values(pick, pick.choice(COLUMNS), values)


@kind
def ids_of_a_megabyte(pick: random.Random) -> Drawn:
    column = pick.choice(["play_id", "user_id", "track_id"])
    end = pick.choice(["any/.csv", "any/.json", "any/.parquet", "items/.json"])
    return end, WRITERS[end](plays(pick, 2, **{column: pick.choice("xé") * (1 << 20) + pick.randbytes(4).hex()}))


@kind
def odd_json_values(pick: random.Random) -> Drawn:
    odd = [
        "NaN",
        "Infinity",
        "-0",
        "1e999",
        "1E+99999999999999999999999",
        "9" * 6000,
        "-",
        "01",
        ".5",
        "1.",
        "tru",
        "'x'",
    ]
    odd += [
        '"\\ud800"',
        '"\\u0000"',
        '"\\x"',
        '"\t"',
        "[]",
        "{}",
        "[[]]",
        '{"a":{"a":1}}',
        "null",
        "",
        "1//c",
        "/*c*/1",
    ]
    lines = json_objects(plays(pick))
    lines += [f'{{"play_id":{pick.choice(odd)},"user_id":"u","track_id":{pick.choice(odd)}}}' for _ in range(6)]
    pick.shuffle(lines)
    array, spread = ",".join(lines), ",\n".join(lines)
    framed = pick.choice(["\n".join(lines), f"[{array}]", f"[\n{spread}\n]", "".join(lines)])
    return _text_file(pick, framed, pick.choice(["any/.json", "lines/.jsonl", "schema/.json"]))


@kind
def repeated_keys(pick: random.Random) -> Drawn:
    lines = [line[:-1] + ',"play_id":"again","user_id":null}' for line in json_objects(plays(pick))]
    return _text_file(pick, "\n".join(lines), pick.choice(["any/.json", "lines/.jsonl", "schema/.json"]))


@kind
def no_objects(pick: random.Random) -> Drawn:
    lines = [
        *json_objects(plays(pick)),
        *pick.choices(["1", '"a"', "null", "[]", "[1]", "true", "{", "}", "]", "["], k=5),
    ]
    pick.shuffle(lines)
    return _text_file(
        pick, pick.choice([",\n", "\n", " ", "\x1e"]).join(lines), pick.choice(["any/.json", "lines/.jsonl"])
    )


@kind
def deep_nesting(pick: random.Random) -> Drawn:
    depth = pick.choice([190, 300, 1500, 40_000])
    opening, closing = pick.choice([("[", "]"), ('{"a":', "}")])
    deep = f'{{"play_id":{opening * depth}1{closing * (depth if pick.random() < 0.7 else 0)}}}'
    lines = json_objects(plays(pick))
    lines.insert(pick.randrange(len(lines)), pick.choice([deep, opening * depth]))
    return _text_file(
        pick, pick.choice(["\n", ","]).join(lines), pick.choice(["any/.json", "lines/.jsonl", "items/.json"])
    )


@kind
def no_array_at_the_path(pick: random.Random) -> Drawn:
    array = f"[{','.join(json_objects(plays(pick)))}]"
    odd = [
        '{"items":null}',
        '{"items":{}}',
        '{"item":[]}',
        "[]",
        f'[{{"items":{array}}},{{"x":1}}]',
        f'{{"items":{array}',
    ]
    odd += [f'{{"items":{array},"items":{array}}}', f'{{"x":"\u2028","items":{array}}}x', f'{{"items":{array}}}\n' * 3]
    return _text_file(pick, pick.choice(odd), "items/.json")


@kind
def odd_archives(pick: random.Random) -> Drawn:
    buffer, text = io.BytesIO(), csv_text(plays(pick))
    names = [
        "a.csv",
        "../../a.csv",
        "/a.csv",
        "a.zip",
        "a/",
        "\u202ea\n.csv",
        "a.csv.gz",
        "a.parquet",
        ".a.csv",
        "__MACOSX/a",
    ]
    with zipfile.ZipFile(
        buffer, "w", pick.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    ) as archive:
        for name in pick.sample(names, pick.randrange(4)):
            archive.writestr(name, text)
    content = bytearray(buffer.getvalue())
    if pick.random() < 0.3 and (at := content.find(b"PK\x01\x02")) >= 0:
        content[at + 8] |= 1  # says that a password is needed
    return "any/.zip", bytes(content)


@kind
def members_of_compressed_files(pick: random.Random) -> Drawn:
    text, suffix = csv_text(plays(pick)).encode(), pick.choice(PACKED)
    once_packed = packed(text, suffix)
    odd = [
        once_packed * 2,
        packed(once_packed, suffix),
        once_packed + b"\0" * 512,
        once_packed + b"x",
        packed(b"", suffix),
    ]
    return f"any/.csv{suffix}", pick.choice(odd)


@kind
def columns_of_other_types(pick: random.Random) -> Drawn:
    odd: list[Any] = [None, [1, 2], {"a": 1}, 1.5, True, 2**62]
    rows = plays(pick, 3, **{pick.choice(COLUMNS): pick.choice(odd)})
    end = pick.choice(["any/.parquet", "any/.avro", "any/.orc", "any/.json", "schema/.json"])
    return end, WRITERS[end](rows)


@kind
def odd_names(pick: random.Random) -> Drawn:
    end, content = _written(pick)
    folder, _, suffix = end.rpartition("/")
    odd = "".join(pick.choices([*ODD_LETTERS, " ", "*", "?", "$(id)", "`", "\u200f", "\x1b[2J", "😀"], k=3))
    return f"{folder}/{odd}{suffix}", content


@kind
def dates_that_cannot_be(pick: random.Random) -> Drawn:
    return "dated/" + pick.choice(["0000-00-00", "9999-12-31", "2026-02-30", ""]) + ".csv", b"a"


def listen_at(path: Path) -> None:
    """Makes a socket; its address is relative, because it may have 107 bytes only."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)


def _device(path: Path) -> None:
    if os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero has no end
    else:
        os.mkfifo(path)


@kind
def no_files(pick: random.Random) -> Drawn:
    made: list[Callable[[Path], object]] = [
        os.mkfifo,
        listen_at,
        _device,
        Path.mkdir,
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to("../../keys/user_key"),
        lambda path: path.symlink_to("/dev/zero"),
    ]
    return pick.choice(["any/.csv", "lines/\u2028.jsonl", "any/\n.csv", "other/.csv"]), pick.choice(made)


@once
def a_line_of_50_mb(pick: random.Random) -> Drawn:
    return "any/.csv", csv_text(plays(pick)).encode() + b"x" * (50 << 20) + b"\n" + b",,,,,,\n"


@once
def a_quoted_field_of_50_mb(pick: random.Random) -> Drawn:
    return "any/.csv", csv_text(plays(pick)).encode() + b'"' + (b"x" * 1000 + b"\n") * (50 << 10) + b'",,,,,,\n'


@once
def a_header_of_50_mb(pick: random.Random) -> Drawn:
    return "any/.csv", b"x" * (50 << 20)


@once
def a_json_line_of_50_mb(pick: random.Random) -> Drawn:
    lines = json_objects(plays(pick))
    return "any/.json", "\n".join([*lines, '{"play_id":"' + "x" * (50 << 20) + '"}', *lines]).encode()


@once
def a_json_array_of_50_mb_in_one_string(pick: random.Random) -> Drawn:
    lines = json_objects(plays(pick))
    return "any/.json", ("[" + ",".join([*lines, '{"play_id":"' + "x" * (50 << 20) + '"}', *lines]) + "]").encode()


@once
def a_gzip_bomb(pick: random.Random) -> Drawn:
    return "any/.csv.gz", packed(bytes(64 << 20), ".gz") * 32


@once
def a_zstandard_bomb(pick: random.Random) -> Drawn:
    return "any/.json.zst", packed(b'{"play_id":"' + b"x" * (64 << 20), ".zst") * 32


@once
def a_bzip2_bomb_of_blank_lines(pick: random.Random) -> Drawn:
    return "any/.csv.bz2", packed(b"\n" * (10 << 20), ".bz2")


@once
def a_zip_bomb(pick: random.Random) -> Drawn:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(18):
            archive.writestr(f"{number}.csv", b"x" * (64 << 20))
    return "any/.zip", buffer.getvalue()
