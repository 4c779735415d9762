"""What the paths of samples say: the glob of a source's files, and where the delivery date stands."""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from umg_assets.calendar import is_country
from umg_assets.settings.sources import Source

_DATES = (
    r"year=(?P<year>\d{4})/month=(?P<month>\d{1,2})/day=(?P<day>\d{1,2})",
    r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)",
    r"(?<!\d)(\d{4}[-_./]\d{1,2}[-_./]\d{1,2})(?!\d)",
    r"(?<!\d)(?P<day>\d{1,2})[-_.](?P<month>\d{1,2})[-_.](?P<year>\d{4})(?!\d)",
    r"(?<!\d)(\d{8})(?:\d{4,6})?(?!\d)",
)
"""Patterns of a date in a path, the surest first; each is a `delivered_on`."""
# without looking around: not every engine's regular expressions can
_PARTITION = "(?:^|/)(?:country|country_code|market|market_code|territory|cc)=([A-Za-z]{2})/"
_IN_NAME = "(?:^|[/_-])([A-Za-z]{2})[_.-][^/]*$"
_WILD = re.compile(
    r"(?<=^part-)[^.]+"  # Spark's and Hive's part-00000-<random>
    r"|(?<![A-Za-z0-9])(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22}|\d+)(?:T\d+Z?)?(?![A-Za-z0-9])"
    r"|\d{6,}"  # a date without separators
)


def names_of(files: Sequence[Path], landing: Path, usual: Collection[str]) -> tuple[list[PurePosixPath], str]:
    """The path of each file below landing/, and where to drop them if they do not lie there, else empty.

    Files elsewhere keep their folders below the innermost one that holds them all, and folders above it that are dated,
    a partition (`dt=2026-03-02`) or named by a market. usual: see `market_of`.
    """
    absolute = [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100 - a link keeps its name
    home = Path(os.path.abspath(landing))  # noqa: PTH100
    if all(file.is_relative_to(home) for file in absolute):
        return [PurePosixPath(file.relative_to(home)) for file in absolute], ""
    base = Path(os.path.commonpath([file.parent for file in absolute]))
    while "=" in base.name or re.fullmatch(r"[\d._-]+", base.name) or is_market(base.name, usual):
        base = base.parent
    return [PurePosixPath(file.relative_to(base)) for file in absolute], f"{base} -> {landing}"


def glob_of(paths: Iterable[PurePosixPath]) -> str:
    """A glob that matches the paths, in which dates and part numbers are *."""
    globs = list(dict.fromkeys(tuple(_wild(part) for part in path.parts) for path in paths))
    if len({len(glob) for glob in globs}) > 1:
        return "/".join(("**", _joint([glob[-1] for glob in globs])))
    return "/".join(_joint(parts) for parts in zip(*globs, strict=True))


def _wild(part: str) -> str:
    stars = _WILD.sub("*", part.replace("[", "?"))
    return re.sub(r"\*(?:[-_.T:]\*)+", "*", stars)


def _joint(parts: Sequence[str]) -> str:
    """What several names have in common, * for the rest."""
    if len(set(parts)) == 1:
        return parts[0]
    start = os.path.commonprefix(parts)  # noqa: RUF071 - names are compared by characters
    end = os.path.commonprefix([part[len(start) :][::-1] for part in parts])[::-1]  # noqa: RUF071
    return re.sub(r"\*+", "*", f"{start}*{end}")


@dataclass(frozen=True)
class MarketInPath:
    """Where the paths name a market.

    pattern: a regular expression whose group is the code, in upper or lower case. codes: of the paths, in upper case.
    doubt: what should be looked at, a sentence; else empty.
    """

    pattern: str
    codes: tuple[str, ...]
    doubt: str = ""

    def hidden(self, path: PurePosixPath) -> PurePosixPath:
        """The path with * for the code."""
        match = re.search(self.pattern, str(path))
        assert match
        return PurePosixPath(f"{str(path)[: match.start(1)]}*{str(path)[match.end(1) :]}")


def market_of(paths: Sequence[PurePosixPath], usual: Collection[str]) -> MarketInPath | None:
    """Where each path names a market: a partition such as country=at, a folder, or a part of the file's name.

    usual: codes that a place may show alone; other pairs of letters, such as `in`, must be in capitals
    or differ between the paths.
    """
    folders = [f"^{'[^/]+/' * at}([A-Za-z]{{2}})/" for at in range(min(len(path.parts) for path in paths) - 1)]
    for pattern in (_PARTITION, *folders, _IN_NAME):
        matches = [re.search(pattern, str(path)) for path in paths]
        codes = [match[1] for match in matches if match]
        if len(codes) < len(paths) or not all(is_country(code.upper()) for code in codes):
            continue
        upper = tuple(code.upper() for code in codes)
        if pattern == _PARTITION or len({*upper}) > 1:
            return MarketInPath(pattern, upper)
        if is_market(codes[0], usual):
            return MarketInPath(pattern, upper, f"is {codes[0]} in {paths[0]} the market?")
    return None


def is_market(text: str, usual: Collection[str]) -> bool:
    """Whether a name alone is one of a market: a code in capitals, or a usual one."""
    return is_country(text.upper()) and (text.isupper() or text.upper() in usual)


def delivered_on_of(paths: Sequence[PurePosixPath]) -> tuple[str, list[date]] | None:
    """A `delivered_on` that finds a date in each path, and those dates; None if there is none.

    Where a path holds several dates, the last is taken: a range of days is delivered after its last day.
    """
    for pattern in _DATES:
        several = any(len(re.findall(pattern, str(path))) > 1 for path in paths)
        text = f".*{pattern}" if several else pattern
        source = Source(files="*", delivered_on=text, columns={})
        try:
            return text, [source.delivery_date(str(path), date.min) for path in paths]
        except ValueError:
            continue
    return None
