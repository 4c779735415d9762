"""The key of user keys: created once, readable by its owner alone, and never replaced."""

import hashlib
import hmac
import threading
from pathlib import Path

import pytest

from umg_assets.privacy.keys import KeyFileError, UserKeys


def test_a_user_key_is_hmac_sha256_of_the_user_id_under_the_key_in_the_file(tmp_path: Path):
    keys = UserKeys(tmp_path)
    keys.create()
    key = bytes.fromhex((tmp_path / "keys" / "user_key").read_text())
    assert len(key) == 32
    users = ["u1", "", "Übung 日本", "u1"]
    assert keys.of(users) == [hmac.new(key, user.encode(), hashlib.sha256).hexdigest() for user in users]


def test_the_key_is_created_once_and_only_its_owner_can_read_it(tmp_path: Path):
    keys = UserKeys(tmp_path)
    keys.create()
    key = keys.path.read_text()
    keys.create()
    assert keys.path.read_text() == key
    assert (keys.path.stat().st_mode & 0o777, keys.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(keys.path.parent.iterdir()) == [keys.path]


def test_concurrent_creators_agree_on_one_key_and_never_see_half_of_it(tmp_path: Path):
    created: list[list[str]] = []
    start = threading.Barrier(8)

    def create() -> None:
        keys = UserKeys(tmp_path)
        start.wait()
        keys.create()
        created.append(keys.of(["u1"]))

    creators = [threading.Thread(target=create) for _ in range(8)]
    for creator in creators:
        creator.start()
    for creator in creators:
        creator.join()
    assert len(created) == 8
    assert len({tuple(keys) for keys in created}) == 1


@pytest.mark.parametrize("content", ["", "not a key", "abcd", "00" * 33])
def test_a_file_that_holds_no_key_is_refused_and_left_unchanged(tmp_path: Path, content: str):
    keys = UserKeys(tmp_path)
    keys.path.parent.mkdir()
    keys.path.write_text(content)
    keys.create()
    with pytest.raises(KeyFileError, match="expected"):
        keys.of(["u1"])
    assert keys.path.read_text() == content
