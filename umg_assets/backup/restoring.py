"""Restores a back-up to a new UMG_HOME. Who was forgotten after it was taken is noticed, and has to be forgotten again.

What was under way when it was taken has ended: its runs are failed, so that nothing waits for them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from umg_assets.backup.manifest import (
    BackupError,
    Manifest,
    check_apart,
    check_empty,
    copied,
    damaged,
    name_of_user_key,
)
from umg_assets.backup.taking import TOMBSTONES
from umg_assets.privacy.files import write_whole
from umg_assets.privacy.keys import KEYS, KeyFileError
from umg_assets.resources.forgetting_lock import replay_file
from umg_assets.resources.instance import end_all_runs, open_instance
from umg_assets.resources.interop import refresh_catalog
from umg_assets.resources.postgres import is_in_postgres
from umg_assets.resources.published import CURRENT
from umg_assets.settings.home import half_restored, refuse_half_restored

_TOMBSTONE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Restored:
    """What has been restored. ended: runs that were under way. forgotten: people who had been forgotten when it was
    taken; back: people who were forgotten since, and whom it brings back. keys: whether the keys are there."""

    manifest: Manifest
    ended: int
    forgotten: int
    back: int
    keys: bool


def restore(source: Path, home: Path, keys: Path | None, tombstones: Path | None) -> Restored:
    """Copies a back-up to `home`, a new or empty directory, and its keys from another place, if that is given.

    tombstones: the newest list of who has been forgotten (forgotten/tombstones), if there is one; a list beside the
    keys counts, too. Raises BackupError for a back-up that is not whole, keys that are not its own, or a home that is
    not empty; HalfRestoredError for one that a killed call left.
    """
    manifest = Manifest.read(source)
    refuse_half_restored(home)
    check_apart([("the back-up", source), ("UMG_HOME", home)])
    check_empty(home, "UMG_HOME")
    manifest.check(source)
    newest = _tombstones(tombstones) if tombstones else set()
    if keys and (keys / TOMBSTONES.name).exists():
        newest |= _tombstones(keys / TOMBSTONES.name)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    half_restored(home).write_text(f"{source}\n", encoding="utf-8")
    for path, (size, digest) in manifest.files.items():
        found = copied(source / path, home / path)
        if found != (size, digest):
            raise damaged(source / path, f"{size:,} bytes with SHA-256 {digest[:12]}...", f"{found[0]:,} with another")
    if manifest.published:
        (home / "exports" / CURRENT).symlink_to(manifest.published)
    (home / "landing").mkdir(exist_ok=True)
    if keys:
        _restore_keys(home, keys, manifest)
    known = _tombstones(home / TOMBSTONES) if (home / TOMBSTONES).exists() else set()
    if back := newest - known:
        _note_forgotten(home, known | newest)
    refresh_catalog(home)
    ended = _end_runs(home, manifest)
    half_restored(home).unlink()
    return Restored(manifest, ended, len(known), len(back), all((home / "keys" / name).exists() for name in KEYS))


def _restore_keys(home: Path, keys: Path, manifest: Manifest) -> None:
    """Raises BackupError where they are not those under which the back-up was made."""
    for name in KEYS:
        if (keys / name).exists():
            copied(keys / name, home / "keys" / name)
    try:
        found = name_of_user_key(home)
    except KeyFileError as error:
        raise BackupError(f"{keys}: expected the keys of the back-up: {error}") from None
    if manifest.user_key and found != manifest.user_key:
        raise BackupError(
            f"{keys / KEYS[0]}: expected the key {manifest.user_key}, under which the back-up was made, got {found}: "
            "with another one everyone would be a new user: name the keys of its time"
        )


def _tombstones(file: Path) -> set[str]:
    lines = file.read_text(encoding="utf-8").split()
    if wrong := next((line for line in lines if not _TOMBSTONE.fullmatch(line)), None):
        raise BackupError(f"{file}: expected tombstones, of 64 hexadecimal digits a line, got {wrong[:20]!r}")
    return set(lines)


def _note_forgotten(home: Path, tombstones: Iterable[str]) -> None:
    """That people are back who had been forgotten: nothing else writes until they are forgotten once more."""
    file = home / TOMBSTONES
    file.parent.mkdir(exist_ok=True, mode=0o700)
    write_whole(replay_file(home), "")
    write_whole(file, "".join(f"{line}\n" for line in sorted(tombstones)))


def _end_runs(home: Path, manifest: Manifest) -> int:
    if not manifest.has_dagster or is_in_postgres(home):
        return 0  # Dagster's storage is elsewhere, and may be in use
    with open_instance(home) as instance:
        return len(end_all_runs(instance, f"It was under way when the back-up of {manifest.taken_at} was taken"))
