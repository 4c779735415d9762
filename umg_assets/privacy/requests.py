"""Requests to be forgotten: collected until the weekly run, with sealed ids, and gone once they are done."""

import base64
import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from umg_assets import clock
from umg_assets.privacy.files import write_whole
from umg_assets.privacy.keys import KeyFileError, UserKeys
from umg_assets.resources.forgetting_lock import FOLDER

DUE = timedelta(days=30)
"""A request is to be done within so many days."""
_KEY_BYTES = 64


@dataclass(frozen=True)
class Request:
    """A request: its name, when it came, and the user ids that it names.

    not_held: those of whom nothing was held when it was first looked for them; None before that.
    """

    name: str
    asked_at: datetime
    user_ids: tuple[str, ...]
    not_held: tuple[str, ...] | None = None

    @property
    def due(self) -> datetime:
        """When it has to be done at the latest."""
        return self.asked_at + DUE


class Requests:
    """The directory UMG_HOME/forgotten/requests: a file a request, its ids sealed by AES-SIV under a derived key."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER / "requests"
        self._keys = UserKeys(home)

    def add(self, user_ids: Sequence[str], held: bool = False) -> Request:
        """Collects a request; it is on disk when this returns. Raises KeyFileError without the key.

        held: whether it is known that something of all of them is held.
        """
        request = Request(uuid.uuid4().hex, clock.now(), tuple(dict.fromkeys(user_ids)), () if held else None)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(request)
        return request

    def note_held(self, names: Collection[str], user_ids: Collection[str]) -> None:
        """Notes of requests that do not say so yet of whom nothing is held: of those not among `user_ids`."""
        for request in self.read():
            if request.name in names and request.not_held is None:
                self._write(replace(request, not_held=tuple(i for i in request.user_ids if i not in user_ids)))

    def _write(self, request: Request) -> None:
        line = {"asked_at": request.asked_at.isoformat(), "users": self.sealed(request.user_ids)}
        if request.not_held is not None:
            line["not_held"] = self.sealed(request.not_held)
        write_whole(self._folder / f"{request.name}.json", json.dumps(line))

    def read(self) -> list[Request]:
        """The requests that are not done, oldest first. Raises KeyFileError without their key."""
        requests = []
        for file in self._folder.glob("*.json") if self._folder.is_dir() else []:
            line = json.loads(file.read_text())
            asked_at = datetime.fromisoformat(line["asked_at"])
            not_held = tuple(self.opened(line["not_held"])) if "not_held" in line else None
            requests.append(Request(file.stem, asked_at, tuple(self.opened(line["users"])), not_held))
        return sorted(requests, key=lambda request: request.asked_at)

    def oldest(self) -> datetime | None:
        """When the oldest request came that is not done; None if all are. Needs no key."""
        files = self._folder.glob("*.json") if self._folder.is_dir() else []
        return min((datetime.fromisoformat(json.loads(file.read_text())["asked_at"]) for file in files), default=None)

    def done(self, names: Sequence[str]) -> None:
        """Removes requests."""
        for name in names:
            (self._folder / f"{name}.json").unlink(missing_ok=True)

    def sealed(self, user_ids: Sequence[str]) -> str:
        """The ids as a text that only the lakehouse's key opens."""
        return base64.b64encode(self._cipher().encrypt(json.dumps(list(user_ids)).encode(), None)).decode()

    def opened(self, sealed: str) -> list[str]:
        """The ids of such a text. Raises KeyFileError when it was sealed under another key."""
        try:
            return json.loads(self._cipher().decrypt(base64.b64decode(sealed), None))
        except InvalidTag:
            raise KeyFileError(
                f"{self._folder}: a request to forget people was sealed under another key than {self._keys.path} holds:"
                " bring that key back"
            ) from None

    def _cipher(self) -> AESSIV:
        return AESSIV(self._keys.derived("requests to be forgotten", _KEY_BYTES))
