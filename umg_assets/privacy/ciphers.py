"""The ciphers of a key that seals; seals.py says what they seal. Imports nothing of umg_assets outside privacy/."""

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from umg_assets.privacy.keys import KEY_BYTES, derived

AES_SIV, AES_GCM = "siv1", "gcm1"
_NONCE_BYTES = 12


class SealKey:
    """The ciphers of one line of UMG_HOME/keys/seal. Raises ValueError for a line that holds no key."""

    def __init__(self, line: str) -> None:
        key = bytes.fromhex(line)
        if len(key) != KEY_BYTES:
            raise ValueError(line)
        self.line, self.name = line, derived(key, "umg seal name", 4).hex()
        self._siv, self._gcm = AESSIV(derived(key, "umg seal user_id", 64)), AESGCM(derived(key, "umg seal text"))

    def seal_id(self, user_id: str) -> str:
        """The user id sealed: the same id gives the same value."""
        return self._form(AES_SIV, self._siv.encrypt(user_id.encode(), [b"user_id"]))

    def seal_text(self, text: str) -> str:
        """The text sealed: the same text gives another value each time."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._form(AES_GCM, nonce + self._gcm.encrypt(nonce, text.encode(), b"text"))

    def _form(self, cipher: str, sealed: bytes) -> str:
        return f"{cipher}:{self.name}:{base64.b64encode(sealed).decode()}"

    def opened(self, cipher: str, sealed: bytes) -> str:
        """What a value holds. Raises InvalidTag for a value that this key has not sealed."""
        if cipher == AES_SIV:
            return self._siv.decrypt(sealed, [b"user_id"]).decode()
        return self._gcm.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], b"text").decode()
