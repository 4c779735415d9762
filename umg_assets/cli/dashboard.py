"""`umg dashboard`: serves the pages, or writes them as files."""

import re
from dataclasses import replace
from pathlib import Path

from umg_assets.cli.access import Access, read_passwords
from umg_assets.cli.console import out
from umg_assets.settings.home import on_disk
from umg_assets.settings.model import read_settings

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class OptionError(ValueError):
    """An option of the command is wrong; the message says what was expected."""


def serve(home: Path, access: Access, port: int, prefix: str) -> int:
    """Serves the dashboard until Ctrl-C. Returns the exit code.

    Raises AccessError when others than this machine could come in
    unasked, PortError when something listens there already, and OptionError for a prefix that is no path or that begins
    as a page does.
    """
    access.check()
    check_prefix(prefix)
    settings = read_settings(home)
    import contextlib
    import importlib.metadata

    import uvicorn
    from starlette.types import ASGIApp

    from umg_assets.cli.guard import Guard
    from umg_assets.cli.ports import listen
    from umg_assets.dashboard.addresses import ServerLinks
    from umg_assets.dashboard.app import App
    from umg_assets.dashboard.pages.routes import ROUTES
    from umg_assets.dashboard.watch import Watch

    place = listen(access.host, port)
    watch = Watch(settings, ROUTES, ServerLinks(prefix))
    watch.start()
    hosts, version = access.hosts(), importlib.metadata.version("umg-assets")
    application: ASGIApp = App(watch, settings.dashboard, hosts, version, prefix)
    if access.password_file:
        application = Guard(application, read_passwords(access.password_file))
    out.print(f"Dashboard over {home}: {access.scheme}://{access.shown_host}:{port}{prefix}/ (Ctrl-C ends it)")
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-For says who asked whoever wrote it: a proxy is known by its own address
        ws="none",
        lifespan="off",
        ssl_certfile=access.certificate,
        ssl_keyfile=access.key,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[place])
    watch.end()
    return 0


def write(home: Path, target: Path) -> None:
    """Writes the site of the newest set as files, and says what was written. Raises NothingPublishedError without a
    set, NotASnapshotError where something else lies, AddressError for s3://... and its like."""
    from umg_assets import clock
    from umg_assets.dashboard.pages.routes import ROUTES
    from umg_assets.dashboard.rendering import Renderer
    from umg_assets.dashboard.served import Served
    from umg_assets.dashboard.site import Site
    from umg_assets.dashboard.snapshot import write_snapshot
    from umg_assets.dashboard.state import state_of

    settings = read_settings(home)
    on_disk(target, "--snapshot")
    served = Served.newest(home, settings.dashboard)
    now = clock.now()
    state = replace(state_of(served, settings, now), as_of=f"{now:%Y-%m-%d %H:00} UTC")
    site = Site(served, state, ROUTES, Renderer(settings.dashboard))
    written = write_snapshot(site, target)
    out.print(
        f"Wrote {written.pages:,} pages, {written.files:,} files, {written.size / 1e6:.1f} MB, in "
        f"{written.seconds:.1f} s: {target if target.suffix == '.zip' else target / 'index.html'}",
        soft_wrap=True,
    )


def check_prefix(prefix: str) -> None:
    """Raises OptionError unless a prefix is empty or a path such as /umg that no page's address begins with: one that
    a proxy has not cut off would be taken for the page."""
    from umg_assets.dashboard.pages.routes import ROUTES

    first = prefix.split("/")[1] if prefix.startswith("/") else ""
    pages = {route.pattern.split("/")[1] for route in ROUTES} | {"static", "healthz", "metrics", "version"}
    if not _PREFIX.fullmatch(prefix) or (first and first in pages):
        raise OptionError(f"--prefix {prefix}: expected a path such as /umg that no page of the dashboard begins with")
