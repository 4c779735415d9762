"""The lakehouse's key: user_key is HMAC-SHA256 of user_id under it; other keys are derived from it."""

import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from umg_assets.privacy.files import draft_of

KEY_BYTES = 32
KEYS = "user_key", "seal"
"""The files of UMG_HOME/keys."""
_NO_KEY = f"does not hold a key (expected {2 * KEY_BYTES} hexadecimal digits): copy it from a back-up of keys/"


class KeyFileError(RuntimeError):
    """The key file is missing or holds no key; the message says what to do."""


def cannot_be_read(path: Path, error: OSError) -> str:
    """A key file that is there and cannot be read."""
    return (
        f"{path} cannot be read ({error.strerror}): expected a file of this user's own; see to whom it belongs "
        "(ls -ld), or copy it from a back-up of keys/"
    )


def derived(key: bytes, label: str, length: int = KEY_BYTES) -> bytes:
    """A key for one purpose: HKDF-SHA256 (RFC 5869) of a key, the label as info."""
    return HKDF(SHA256(), length, salt=None, info=label.encode()).derive(key)


def digests(key: bytes, texts: Iterable[str]) -> list[str]:
    """HMAC-SHA256 of texts under a key, 64 hexadecimal digits each."""
    return [hmac.digest(key, text.encode(), "sha256").hex() for text in texts]


def create_key_file(path: Path) -> None:
    """Writes a new key to a file of mode 0600, unless the file is there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        return
    draft = draft_of(path, secrets.token_hex(KEY_BYTES))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


class UserKeys:
    """The key file UMG_HOME/keys/user_key (hexadecimal, mode 0600)."""

    def __init__(self, home: Path) -> None:
        self.path = home / "keys" / "user_key"
        self._tables = home / "tables"

    def create(self) -> None:
        """Creates the key, unless there is one. Only for a lakehouse that holds no users yet."""
        create_key_file(self.path)

    def of(self, user_ids: Iterable[str]) -> list[str]:
        """The keys of user ids, in their order, as 64 hexadecimal digits each.

        Raises KeyFileError when the key file is missing or holds no key.
        """
        return digests(self.key(), user_ids)

    def id_keys(self, user_ids: Iterable[str]) -> list[str]:
        """For each user id a secret under which ids that contain it are hashed: 64 hexadecimal digits. As `of`.

        Whoever has them can try which user_id a hash was made with: they are stored nowhere.
        """
        return digests(self.of_ids(), user_ids)

    def of_ids(self) -> bytes:
        """The key that `id_keys` are made with. Raises as `of`."""
        return self.derived("ids that contain user_id")

    def derived(self, label: str, length: int = KEY_BYTES) -> bytes:
        """A key for another purpose than user_key: HKDF-SHA256 (RFC 5869) of the key file's key, the label as info.

        Raises KeyFileError when the key file is missing or holds no key.
        """
        return derived(self.key(), label, length)

    def key(self) -> bytes:
        """The key itself. Raises KeyFileError when the key file is missing or holds no key."""
        try:
            key = bytes.fromhex(self.path.read_text().strip())
        except FileNotFoundError:
            if not self._tables.exists():
                raise KeyFileError(
                    f"{self.path} is missing: nothing has landed here yet, and the first `umg run` makes it"
                ) from None
            raise KeyFileError(
                f"{self.path} is missing and this lakehouse already holds users: copy the key file from where it "
                "was made (a new key would make everyone a new user)"
            ) from None
        except ValueError:
            raise KeyFileError(f"{self.path} {_NO_KEY}") from None
        except OSError as error:
            raise KeyFileError(cannot_be_read(self.path, error)) from None
        if len(key) != KEY_BYTES:
            raise KeyFileError(f"{self.path} holds {len(key)} bytes and {_NO_KEY}")
        return key
