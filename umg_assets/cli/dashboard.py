"""`umg dashboard`: serves the pages, or writes them as files."""

import importlib.metadata
from collections.abc import Collection
from pathlib import Path

import uvicorn

from umg_assets.cli.access import Access, is_loopback, read_passwords
from umg_assets.cli.console import out
from umg_assets.cli.guard import Guard
from umg_assets.dashboard.addresses import ServerLinks
from umg_assets.dashboard.app import App
from umg_assets.dashboard.pages.routes import ROUTES
from umg_assets.dashboard.watch import Watch
from umg_assets.settings.model import read_settings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def serve(home: Path, access: Access, port: int, prefix: str, behind_proxy: bool, names: Collection[str]) -> int:
    """Serves the dashboard until Ctrl-C. Returns the exit code.

    names: further host names that are answered to. Raises AccessError when others than this machine could come in
    unasked.
    """
    if not (behind_proxy or is_loopback(access.host)) or access.is_guarded:
        access.check()
    settings = read_settings(home)
    watch = Watch(settings, ROUTES, ServerLinks(prefix))
    watch.start()
    hosts = (
        None
        if behind_proxy and not names
        else frozenset(name.lower() for name in (*LOOPBACK_NAMES, access.host, *names))
    )
    application = App(watch, settings.dashboard, hosts, importlib.metadata.version("umg-assets")).asgi
    if access.password_file:
        application = Guard(application, read_passwords(access.password_file))
    out.print(f"Dashboard over {home}: {access.scheme}://{access.host}:{port}{prefix}/ (Ctrl-C ends it)", markup=False)
    uvicorn.run(
        application,
        host=access.host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=access.certificate,
        ssl_keyfile=access.key,
    )
    watch.end()
    return 0
