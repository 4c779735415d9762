"""Who has been forgotten: tombstones, which tell nobody who it was, and by which later deliveries of them are known."""

import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from umg_assets.privacy.escapes import unescaped
from umg_assets.privacy.files import write_whole
from umg_assets.privacy.keys import UserKeys
from umg_assets.resources.forgetting_lock import FOLDER

_CANDIDATES = (
    re.compile(r"\w+"),
    re.compile(r"[^\s,;|\"'{}()\[\]<>=]+"),
    re.compile(r"[^\s,;|\"](?:[^\t\r\n,;|\"]*[^\s,;|\"])?"),
    re.compile(r'(?<=")(?:[^"]|"")+(?=")'),
)
"""Of a text, what may be an id: a word, a token, a field of a line, a text in quotes."""
FORGOTTEN_TEXT = "(it names somebody who has been forgotten)"
"""What stands in quarantine for the text of a file refused whole that does, or of a record that may."""
_TEXTS_AT_A_TIME = 1000


def _parts(text: str) -> set[str]:
    """What in a text may be an id."""
    texts = {text, unescaped(text.encode(errors="replace")).decode(errors="replace")}
    found = {part for one in texts for candidate in _CANDIDATES for part in candidate.findall(one)}
    return found | {part.replace('""', '"') for part in found}


class Tombstones:
    """The file UMG_HOME/forgotten/tombstones: a line a person, HMAC-SHA256 of user_key under a derived key (hex)."""

    def __init__(self, home: Path) -> None:
        self.path = home / FOLDER / "tombstones"
        self._keys = UserKeys(home)
        self._read: tuple[tuple[int, int], frozenset[str]] = ((0, 0), frozenset())

    def add(self, user_ids: Iterable[str]) -> None:
        """Adds tombstones of people, and is on disk when it returns. Raises KeyFileError without the key."""
        lines = sorted(self._stones().union(self._of(self._keys.of(user_ids))))
        self.path.parent.mkdir(exist_ok=True, mode=0o700)
        write_whole(self.path, "".join(f"{line}\n" for line in lines))

    def __bool__(self) -> bool:
        return bool(self._stones())

    def __len__(self) -> int:
        return len(self._stones())

    def ids_among(self, user_ids: Iterable[str]) -> list[str]:
        """Those user ids whose owners have been forgotten, in their order. Raises KeyFileError without the key."""
        ids = list(user_ids)
        keys = self._keys.of(ids)
        forgotten = self.keys_among(keys)
        return [user_id for user_id, key in zip(ids, keys, strict=True) if key in forgotten]

    def keys_among(self, user_keys: Iterable[str]) -> set[str]:
        """Those user keys whose owners have been forgotten. Raises KeyFileError without the key."""
        stones, keys = self._stones(), list(user_keys)
        return {key for key, stone in zip(keys, self._of(keys), strict=True) if stone in stones} if stones else set()

    def named_in(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """For each text, what in it is an id of somebody who has been forgotten: a word, a field, a text in quotes."""
        for first in range(0, len(texts), _TEXTS_AT_A_TIME):
            some = texts[first : first + _TEXTS_AT_A_TIME]
            parts: list[set[str]] = [_parts(text) if self._stones() else set() for text in some]
            forgotten = set(self.ids_among(set().union(*parts)))
            yield from (sorted(forgotten & of_one) for of_one in parts)

    def _of(self, user_keys: Iterable[str]) -> list[str]:
        key = self._keys.derived("tombstone")
        return [hmac.digest(key, user_key.encode(), "sha256").hex() for user_key in user_keys]

    def _stones(self) -> frozenset[str]:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return frozenset()
        if self._read[0] != (stat.st_mtime_ns, stat.st_ino):
            self._read = (stat.st_mtime_ns, stat.st_ino), frozenset(self.path.read_text().split())
        return self._read[1]
