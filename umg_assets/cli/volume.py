"""Whether a directory lies on an encrypted volume, as far as Linux tells."""

import fcntl
import os
from pathlib import Path

_GET_ENCRYPTION_POLICY_EX = 0xC0096616
"""ioctl of <linux/fscrypt.h>: fails with ENODATA where a directory is not encrypted."""

_DM_CRYPT = "CRYPT-"
"""How the uuid of a dm-crypt device (LUKS, plain) begins: cryptsetup's convention, in sysfs's dm/uuid."""


def is_encrypted(directory: Path, sysfs: Path = Path("/sys")) -> bool | None:
    """True if fscrypt encrypts the directory, or dm-crypt a device below its file system; None where nobody can tell.

    False if there is a block device and none below it is encrypted by this system: what encrypts the disk itself, or
    the host of a virtual machine, cannot be seen from here. sysfs: where sysfs is mounted.
    """
    if _has_fscrypt_policy(directory):
        return True
    device = directory.stat().st_dev
    block = sysfs / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    if not block.exists():
        return None  # a network's, a stacked or an in-memory file system
    return any(_uuid(below).startswith(_DM_CRYPT) for below in _with_all_below(block))


def _has_fscrypt_policy(directory: Path) -> bool:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # struct fscrypt_get_policy_ex_arg: the size of the policy to come (at most 24 bytes), then the policy
        fcntl.ioctl(descriptor, _GET_ENCRYPTION_POLICY_EX, bytearray((24).to_bytes(8, "little") + bytes(24)))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _with_all_below(block: Path) -> list[Path]:
    """A block device and all that it is made of: of a partition, its disk is not."""
    below = [device.resolve() for device in sorted((block / "slaves").glob("*"))]
    return [block, *(device for child in below for device in _with_all_below(child))]


def _uuid(block: Path) -> str:
    file = block / "dm" / "uuid"
    return file.read_text() if file.exists() else ""
