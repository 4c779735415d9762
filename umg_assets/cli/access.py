"""Who may reach the webserver: address, TLS and passwords, checked before anything starts."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class AccessError(ValueError):
    """An option about access is wrong; the message says which, what was expected and what to do."""


@dataclass(frozen=True)
class Access:
    """Where the webserver listens and whom it lets in.

    host: the address to listen on. certificate, key: PEM files of its TLS certificate (chain) and private key; None for
    plain http. password_file: lines NAME:PASSWORD of those who may enter; None for everyone who reaches it. names:
    further host names by which people come. behind_proxy: a reverse proxy in front checks who comes in.
    """

    host: str = "127.0.0.1"
    certificate: Path | None = None
    key: Path | None = None
    password_file: Path | None = None
    names: tuple[str, ...] = ()
    behind_proxy: bool = False

    @property
    def shown_host(self) -> str:
        """The host as it stands in an address."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def hosts(self) -> frozenset[str] | None:
        """The names that a Host header may give. None for any, where no names are given: no other site has the
        password, or comes through the proxy."""
        if (self.behind_proxy or self.password_file) and not self.names:
            return None
        return frozenset((*LOOPBACK_NAMES, self.shown_host, *self.names))

    @property
    def scheme(self) -> str:
        """https or http."""
        return "https" if self.certificate else "http"

    def options(self, host: str = "-h") -> list[str]:
        """The options of `python -m umg_assets.cli.webserver` for it. host: by which the server takes an address."""
        files = {"--tls-cert": self.certificate, "--tls-key": self.key, "--password-file": self.password_file}
        given = [(name, str(file)) for name, file in files.items() if file] + [("--name", name) for name in self.names]
        return [host, self.host, *(text for pair in given for text in pair)]

    def check(self) -> None:
        """Raises AccessError for half a certificate, files that do not fit, and an open door to the network."""
        if bool(self.certificate) != bool(self.key):
            raise AccessError("--tls-cert and --tls-key belong together: expected both or neither, got one")
        if self.certificate and self.key:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key)
            except (OSError, ssl.SSLError) as error:
                files = f"{self.certificate}, {self.key}"
                reason = getattr(error, "strerror", None) or error
                raise AccessError(
                    f"{files}: expected PEM files of a certificate and its private key: {reason}"
                ) from None
        if self.password_file:
            read_passwords(self.password_file)
        if not (self.behind_proxy or is_loopback(self.host) or (self.certificate and self.password_file)):
            raise AccessError(
                f"--host {self.host} lets the network in: expected --tls-cert, --tls-key and --password-file with it, "
                "or --behind-proxy where a reverse proxy checks who comes in (docs/operations.md)"
            )


def read_passwords(file: Path) -> dict[str, str]:
    """The passwords by name, from lines NAME:PASSWORD; empty lines and lines that begin with # are skipped.

    Raises AccessError when the file cannot be read, holds another line or nobody, or when others can open it.
    """
    try:
        mode = file.stat().st_mode
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AccessError(f"{file}: expected a text file of lines NAME:PASSWORD: {reason}") from None
    if mode & 0o077:
        raise AccessError(f"{file} can be opened by others (mode {mode & 0o777:04o}): chmod 600 {file}")
    passwords = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not (name and colon and password):
            raise AccessError(f"{file}, line {number}: expected NAME:PASSWORD, got something else")
        passwords[name] = password
    if not passwords:
        raise AccessError(f"{file}: expected lines NAME:PASSWORD, found none: nobody could enter")
    return passwords


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
