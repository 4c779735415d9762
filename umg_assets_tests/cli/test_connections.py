"""`umg doctor` names what leaves the machine in clear text, and whether the volume is encrypted."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from umg_assets.cli.connections import connections
from umg_assets.cli.doctor import findings
from umg_assets.cli.volume import is_encrypted
from umg_assets.resources.engine import EngineError, session
from umg_assets.resources.postgres import ADDRESS
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough


@pytest.mark.parametrize(
    ("remote", "state"),
    [
        ("sc://spark.example:15002", "bad"),
        ("sc://spark.example:15002/;use_ssl=false", "bad"),
        ("sc://10.0.0.7/;user_id=ann", "bad"),
        ("sc://[2001:db8::1]:15002", "bad"),
        ("sc://spark.example/;use_ssl=true", "note"),
        ("sc://spark.example/;token=s3cret", "good"),
        ("sc://spark.example/;use_ssl=true;token=s3cret", "good"),
        ("sc://localhost:15002", None),
        ("sc://127.0.0.1", None),
        ("sc://[::1]:15002/", None),
    ],
)
def test_spark_connect_to_another_machine_needs_tls_and_a_token(tmp_path: Path, remote: str, state: str | None):
    assert [connection.state for connection in connections(tmp_path, remote, None)] == ([state] if state else [])
    assert not any("s3cret" in connection.text for connection in connections(tmp_path, remote, None))


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("postgresql+psycopg2://umg:s3cret@db.example:5432/dagster", "bad"),
        ("postgresql+psycopg2://umg:s3cret@db.example/dagster?sslmode=prefer", "bad"),
        ("postgresql+psycopg2://umg:s3cret@db.example/dagster?sslmode=disable", "bad"),
        ("postgresql+psycopg2://umg:s3cret@db.example/dagster?sslmode=require", "note"),
        ("postgresql+psycopg2://umg:s3cret@db.example/dagster?sslmode=verify-ca", "note"),
        ("postgresql+psycopg2://umg:s3cret@db.example/dagster?sslrootcert=x&sslmode=verify-full", "good"),
        ("postgresql+psycopg2://umg:s3cret@127.0.0.1/dagster", None),
        ("postgresql+psycopg2:///dagster?host=/run/postgresql", None),
        ("postgresql+psycopg2://umg:s3cret@/dagster?host=db.example", "bad"),
    ],
)
def test_postgresql_on_another_machine_needs_a_checked_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, state: str | None
):
    monkeypatch.setenv(ADDRESS, url)
    assert not list(connections(tmp_path, None, None)), "Dagster does not use it here"
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: {{env: {ADDRESS}}}}}}}")
    seen = list(connections(tmp_path, None, None))
    assert [connection.state for connection in seen] == ([state] if state else [])
    assert not any("s3cret" in connection.text for connection in seen)


def test_a_cluster_on_another_machine_is_named_and_one_here_is_not(tmp_path: Path):
    (named,) = connections(tmp_path, None, "spark://localhost:7077,spark.example:7077")
    assert named.text.startswith("spark.example: clear text over the network unless spark.authenticate")
    assert not list(connections(tmp_path, None, "spark://127.0.0.1:7077"))
    assert not list(connections(tmp_path, None, "local[2]"))


def test_the_doctor_is_red_over_clear_text(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UMG_SPARK_REMOTE", "sc://spark.invalid:15002")
    found = {finding.subject: finding for finding in findings(lake.home)}
    assert found["Spark Connect"].state == "bad"
    assert found["Spark Connect"].text == (
        "spark.invalid: clear text over the network: expected sc://spark.invalid:15002/;use_ssl=true;token=..."
    )


def test_an_engine_that_does_not_answer_is_named_without_its_token():
    with pytest.raises(EngineError) as raised:
        session("spark", None, "sc://127.0.0.1:1/;token=s3cret")
    assert "sc://127.0.0.1:1/: start it" in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.fixture
def encryptable(tmp_path: Path) -> Iterator[Path]:
    """A mounted ext4 file system that can encrypt directories."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    image, mounted = tmp_path / "image", tmp_path / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    for command in (["mkfs.ext4", "-q", "-O", "encrypt", image], ["mount", "-o", "loop", image, mounted]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no ext4 with encryption can be mounted here: {error}")
    yield mounted
    subprocess.run(["umount", mounted], check=True)


def test_a_directory_under_fscrypt_is_encrypted_and_its_neighbour_is_not(encryptable: Path):
    closed, clear = encryptable / "closed", encryptable / "open"
    closed.mkdir()
    clear.mkdir()
    secret = os.urandom(64)
    # <linux/fscrypt.h>: fscrypt_add_key_arg with a key named by its hash, then fscrypt_policy_v2 (AES-256-XTS and -CTS)
    added = bytearray(struct.pack("<II32s II32s", 2, 0, b"", len(secret), 0, b"") + secret)
    for directory, request, argument in ((encryptable, 0xC0506617, added), (closed, 0x800C6613, None)):
        descriptor = os.open(directory, os.O_RDONLY)
        policy = struct.pack("<BBBB4s16s", 2, 1, 4, 0, b"", bytes(added[8:24]))
        fcntl.ioctl(descriptor, request, argument or policy)
        os.close(descriptor)
    assert is_encrypted(closed) is True
    assert is_encrypted(clear) is False


def test_luks_below_lvm_is_encrypted_and_where_there_is_no_device_it_is_unknown(tmp_path: Path):
    """sysfs as a system with LVM on LUKS shows it: nobody has the right to make one for a test."""
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    sysfs = tmp_path / "sys"
    for name, uuid in (("dm-1", "LVM-3jYzQ"), ("dm-0", "CRYPT-LUKS2-0f3a-root")):
        (sysfs / "block" / name / "dm").mkdir(parents=True)
        (sysfs / "block" / name / "dm" / "uuid").write_text(f"{uuid}\n")
        (sysfs / "block" / name / "slaves").mkdir()
    (sysfs / "block" / "dm-1" / "slaves" / "dm-0").symlink_to(sysfs / "block" / "dm-0")
    (sysfs / "dev" / "block").mkdir(parents=True)
    assert is_encrypted(tmp_path, sysfs) is None
    (sysfs / "dev" / "block" / number).symlink_to(sysfs / "block" / "dm-1")
    assert is_encrypted(tmp_path, sysfs) is True
    (sysfs / "block" / "dm-0" / "dm" / "uuid").write_text("LVM-4kLmP\n")
    assert is_encrypted(tmp_path, sysfs) is False
