"""Dagster's webserver behind its guards, with TLS and passwords: `python -m umg_assets.cli.webserver`, as `umg dev`
starts it."""

import argparse
from pathlib import Path

import dagster as dg
import uvicorn
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.types import ASGIApp

from umg_assets.cli.access import Access, read_passwords
from umg_assets.cli.guard import Guard, SameSite
from umg_assets.resources.dagster_internals import workspace_context

_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _MAX_OVERFLOW = 15_000, 3_600, 20
"""What dagster-webserver sets for PostgreSQL unless it is told otherwise."""


def main() -> None:
    """Serves until it is ended, over the instance of DAGSTER_HOME."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-h", dest="host", required=True)
    parser.add_argument("-p", dest="port", type=int, required=True)
    parser.add_argument("-w", dest="workspace", required=True)
    for name in ("--tls-cert", "--tls-key", "--password-file"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--name", action="append", default=[])
    given = parser.parse_args()
    access = Access(given.host, given.tls_cert, given.tls_key, given.password_file, tuple(given.name))
    with dg.DagsterInstance.get() as instance, workspace_context(instance, given.workspace) as context:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _MAX_OVERFLOW)
        app: ASGIApp = SameSite(create_app_from_workspace_process_context(context), access.hosts())
        if access.password_file:
            app = Guard(app, read_passwords(access.password_file))
        uvicorn.run(
            app,
            host=access.host,
            port=given.port,
            log_level="warning",
            ssl_certfile=access.certificate,
            ssl_keyfile=access.key,
        )


if __name__ == "__main__":
    main()
