"""Who asks: the host name by which a browser came, and the user whom a proxy names."""

import re
from ipaddress import IPv6Address, ip_address

from starlette.requests import Request

from umg_assets.settings.groups import Dashboard

LONGEST_NAME = 100


class Hosts:
    """The host names that are answered to: a page of another site cannot send a browser here under its own name.

    names: as in an address, IPv6 in brackets; None for any.
    """

    def __init__(self, names: frozenset[str] | None) -> None:
        self._names = None if names is None else {name.lower() for name in names}

    def know(self, host: str) -> bool:
        """Whether a Host header, with or without a port, gives one of the names."""
        found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:\[\]@/]+)(:\d{1,5})?", host.strip().lower())
        return self._names is None or bool(found and found[1] in self._names)


def user_of(request: Request, settings: Dashboard) -> str | None:
    """The user whom a proxy that the settings name gives in its header; None for what others send, for a header that
    came twice, and for what is no readable name of LONGEST_NAME characters at most."""
    if not settings.user_header or request.client is None:
        return None
    try:
        client = ip_address(request.client.host)
    except ValueError:
        return None
    if isinstance(client, IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    given = request.headers.getlist(settings.user_header)
    if client not in settings.proxies or len(given) != 1:
        return None
    try:
        name = given[0].encode("latin-1").decode().strip()
    except UnicodeDecodeError:
        name = given[0].strip()
    return name if 0 < len(name) <= LONGEST_NAME and name.isprintable() else None
