"""Seals: user_id (raw tables) and the text of quarantined records, encrypted at rest under keys of their own.

A sealed id is `siv1:KEY:...`: AES-SIV (RFC 5297), which gives the same id the same value, so that ids can be joined and
counted as they are. A sealed text is `gcm1:KEY:...`: AES-256-GCM with a random nonce, so that equal texts differ. KEY
names the line of UMG_HOME/keys/seal whose keys open it; the rest is base64.

A table's Delta property `umg.seal` says what it holds: no property, values as older versions wrote them; `begun KEY`,
some of them sealed already; `done KEY`, nothing that is not sealed. Only in the first two is a value without the form
of a seal passed through as it is. A value with that form is never taken for a clear one: an older table's user_id of
just that form is an error, not a guess.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag

from umg_assets.privacy.ciphers import AES_GCM, AES_SIV, SealKey
from umg_assets.privacy.files import write_whole
from umg_assets.privacy.keys import KEY_BYTES, KeyFileError, cannot_be_read, create_key_file
from umg_assets.resources.locations import location_of
from umg_assets.resources.schema import set_table_property, table_property
from umg_assets.resources.table_location import Location
from umg_assets.tables import Table

_PROPERTY = "umg.seal"
_FORM = re.compile(r"(siv1|gcm1):([0-9a-f]{8}):([A-Za-z0-9+/]+={0,2})")
_CIPHERS = {"user_id": AES_SIV, "text": AES_GCM}
"""By the sealed column of a table."""


class SealError(RuntimeError):
    """A value is not sealed, was changed, or is sealed under a key that is not here; the message says what to do."""


@dataclass(frozen=True)
class Mark:
    """What a table's property says: sealed under the key of this name, in part (begun) or all of it (done)."""

    state: Literal["begun", "done"]
    key: str

    @classmethod
    def of(cls, location: Location) -> "Mark | None":
        """The mark of the table at a location; None for a table that nobody has sealed, or that is not there."""
        state, _, key = (table_property(location, _PROPERTY) or "").partition(" ")
        return cls(state, key) if state in ("begun", "done") else None

    @property
    def properties(self) -> dict[str, str]:
        """It as a property of a new table."""
        return {_PROPERTY: f"{self.state} {self.key}"}

    def set(self, location: Location) -> None:
        """Puts it on the table at a location."""
        set_table_property(location, _PROPERTY, self.properties[_PROPERTY])


class Seals:
    """Seals and opens values with the keys of UMG_HOME/keys/seal: one a line, hexadecimal, the newest last; mode 0600.

    The file is read when a key is first needed, and again for a value under a key that was not in it then. Every method
    that needs a key raises KeyFileError when the file is missing or holds none.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "keys" / "seal"
        self._home = home
        self._keys: dict[str, SealKey] = {}

    def create(self) -> None:
        """Creates the first key, unless there is one. Only for a lakehouse in which nothing is sealed yet."""
        create_key_file(self.path)

    def add(self) -> None:
        """Adds a new key: what is sealed from now on is sealed under it, and the older ones still open."""
        lines = [key.line for key in self._read().values()]
        write_whole(self.path, "\n".join([*lines, secrets.token_hex(KEY_BYTES)]))
        self._keys = {}

    def keep_newest(self) -> None:
        """Removes every key but the newest: what is sealed under another one can never be opened again."""
        *older, newest = self._read().values()
        if older:
            write_whole(self.path, newest.line)
            self._keys = {}

    @property
    def names(self) -> list[str]:
        """The names of the keys, the newest last."""
        return list(self._known())

    @property
    def newest(self) -> str:
        """The name of the key that seals."""
        return self.names[-1]

    @property
    def newest_key(self) -> SealKey:
        """The key that seals."""
        return self._known()[self.newest]

    def seal_ids(self, user_ids: Iterable[str]) -> list[str]:
        """Each user id sealed: the same id gives the same value."""
        key = self.newest_key
        return [key.seal_id(user_id) for user_id in user_ids]

    def open_ids(self, sealed: Iterable[str], clear: bool = False) -> list[str]:
        """The user ids in sealed values. clear: they come from a table that is not all sealed yet.

        Raises SealError for a value that was changed, is sealed under a key that is not here, or (unless `clear`) is
        not sealed.
        """
        return [self._opened(AES_SIV, value, clear) for value in sealed]

    def seal_texts(self, texts: Iterable[str | None]) -> list[str | None]:
        """Each text sealed: the same text gives another value each time; None stays."""
        key = self.newest_key
        return [None if text is None else key.seal_text(text) for text in texts]

    def open_texts(self, sealed: Iterable[str | None], clear: bool = False) -> list[str | None]:
        """The texts in sealed values; None stays. Otherwise as open_ids."""
        return [None if value is None else self._opened(AES_GCM, value, clear) for value in sealed]

    def opened(self, table: Table, values: Sequence[str | None]) -> list[str | None]:
        """The values of a table's sealed column, opened; raises as open_ids does, by the table's mark."""
        cipher, clear = _CIPHERS[table.sealed or ""], self.may_be_clear(table)
        return [None if value is None else self._opened(cipher, value, clear) for value in values]

    def resealed(self, table: Table, values: Sequence[str | None]) -> list[str | None]:
        """The values of a table's sealed column under the newest key; those that are stay. Raises as `opened` does."""
        newest, sealed = self.newest, list(values)
        for position, value in enumerate(self.opened(table, values)):
            if value is not None and _key_of(sealed[position]) != newest:
                key = self._known()[newest]
                sealed[position] = key.seal_id(value) if table.sealed == "user_id" else key.seal_text(value)
        return sealed

    def may_be_clear(self, table: Table) -> bool:
        """Whether a table may hold values that are not sealed: it is one of an older version, not all sealed yet."""
        mark = Mark.of(location_of(self._home, table))
        return mark is None or mark.state == "begun"

    def _opened(self, cipher: str, value: str, clear: bool) -> str:
        form = _FORM.fullmatch(value)
        if form is None or form[1] != cipher:
            if clear:
                return value
            raise SealError(
                f"expected a value sealed as {cipher}:..., got one that is not: the table was written by other means "
                "than `umg`: correct the delivery, or restore the table"
            )
        key = self._known().get(form[2]) or self._read().get(form[2])
        if key is None:
            raise SealError(
                f"expected a value sealed under a key of {self.path} ({', '.join(self.names)}), got one under "
                f"{form[2]}: put back the key file of the time (a back-up of keys/)"
            )
        try:
            return key.opened(cipher, base64.b64decode(form[3], validate=True))
        except (InvalidTag, ValueError, binascii.Error):
            raise SealError(
                f"expected a value as the key {form[2]} sealed it, got another: it was changed since: restore the "
                "table, or deliver its files anew"
            ) from None

    def _known(self) -> dict[str, SealKey]:
        return self._keys or self._read()

    def _read(self) -> dict[str, SealKey]:
        try:
            keys = [SealKey(line) for line in self.path.read_text().split()]
        except FileNotFoundError:
            raise KeyFileError(
                f"{self.path} is missing and this lakehouse holds sealed values: copy the key file from where it was "
                "made, or from a back-up (a new key opens nothing)"
            ) from None
        except ValueError:
            keys = []
        except OSError as error:
            raise KeyFileError(cannot_be_read(self.path, error)) from None
        if not keys:
            raise KeyFileError(
                f"{self.path} does not hold keys (expected {2 * KEY_BYTES} hexadecimal digits a line): copy it from a "
                "back-up of keys/"
            )
        self._keys = {key.name: key for key in keys}
        return self._keys


def _key_of(value: str | None) -> str | None:
    form = _FORM.fullmatch(value or "")
    return form[2] if form else None
