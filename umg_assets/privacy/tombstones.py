"""Who has been forgotten: tombstones, which tell nobody who it was, and by which later deliveries of them are known."""

import hmac
import re
from collections.abc import Iterable
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

    def named_in(self, text: str) -> list[str]:
        """What in a text is an id of somebody who has been forgotten: a word, a field or a text in quotes."""
        if not self._stones():
            return []
        texts = {text, unescaped(text.encode(errors="replace")).decode(errors="replace")}
        found = {part for one in texts for candidate in _CANDIDATES for part in candidate.findall(one)}
        return self.ids_among(sorted({*found, *(part.replace('""', '"') for part in found)}))

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
