"""Connections of a lakehouse that leave the machine, and whether anyone on the way can read them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from umg_assets.cli.access import is_loopback
from umg_assets.resources.postgres import ADDRESS, is_in_postgres

_VERIFIED = ("verify-full",)
_ENCRYPTED = ("require", "verify-ca", *_VERIFIED)
"""Values of libpq's sslmode: the others fall back to clear text."""


class Connection(NamedTuple):
    """A connection. state: good; note: encrypted, but whoever answers is believed; bad: clear text."""

    state: Literal["good", "note", "bad"]
    subject: str
    text: str


def connections(home: Path, remote: str | None, master: str | None) -> Iterator[Connection]:
    """The connections to Spark and to PostgreSQL that go to other machines. Says no password and no token.

    remote, master: the settings spark_remote and spark_master.
    """
    if remote:
        yield from _spark_connect(remote)
    if master:
        yield from _spark_master(master)
    if ADDRESS in os.environ and is_in_postgres(home):
        yield from _postgres(os.environ[ADDRESS])


def _spark_connect(remote: str) -> Iterator[Connection]:
    address, *parameters = remote.removeprefix("sc://").split(";")
    given = {name: value for name, _, value in (parameter.partition("=") for parameter in parameters)}
    address = address.rstrip("/")
    host = urlsplit(f"//{address}").hostname or ""
    if is_loopback(host):
        return
    has_token = "token" in given or "SPARK_CONNECT_AUTHENTICATE_TOKEN" in os.environ
    if not has_token and given.get("use_ssl", "").lower() != "true":
        text = f"{host}: clear text over the network: expected sc://{address}/;use_ssl=true;token=..."
        yield Connection("bad", "Spark Connect", text)
    elif not has_token:
        text = f"{host}: TLS, but no token: whoever reaches the server can read and write what it can"
        yield Connection("note", "Spark Connect", text)
    else:
        yield Connection("good", "Spark Connect", f"{host}: TLS and a token")


def _spark_master(master: str) -> Iterator[Connection]:
    hosts = [urlsplit(f"//{part}").hostname or "" for part in master.partition("://")[2].split(",")]
    if remote := [host for host in hosts if host and not is_loopback(host)]:
        text = (
            f"{', '.join(remote)}: clear text over the network unless spark.authenticate and "
            "spark.network.crypto.enabled are set in spark-defaults.conf, here and on the cluster"
        )
        yield Connection("note", "Spark master", text)


def _postgres(url: str) -> Iterator[Connection]:
    parts = urlsplit(url)
    given = parse_qs(parts.query)
    host = parts.hostname or given.get("host", [""])[-1]
    if not host or host.startswith("/") or is_loopback(host):
        return
    mode = given.get("sslmode", ["prefer"])[-1]
    if mode not in _ENCRYPTED:
        text = f"{host}: sslmode={mode} may send clear text over the network: expected verify-full in {ADDRESS}"
        yield Connection("bad", "PostgreSQL", text)
    elif mode not in _VERIFIED:
        text = f"{host}: TLS, but sslmode={mode} believes any server: expected verify-full"
        yield Connection("note", "PostgreSQL", text)
    else:
        yield Connection("good", "PostgreSQL", f"{host}: TLS, and the server's certificate is checked")
