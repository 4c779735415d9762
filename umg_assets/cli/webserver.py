"""Dagster's webserver with TLS and passwords: `python -m umg_assets.cli.webserver`, as `umg dev` starts it."""

import argparse
from pathlib import Path

import dagster as dg
import uvicorn
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.types import ASGIApp

from umg_assets.cli.access import read_passwords
from umg_assets.cli.guard import Guard
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
    given = parser.parse_args()
    with dg.DagsterInstance.get() as instance, workspace_context(instance, given.workspace) as context:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _MAX_OVERFLOW)
        app: ASGIApp = create_app_from_workspace_process_context(context)
        if given.password_file:
            app = Guard(app, read_passwords(given.password_file))
        uvicorn.run(
            app,
            host=given.host,
            port=given.port,
            log_level="warning",
            ssl_certfile=given.tls_cert,
            ssl_keyfile=given.tls_key,
        )


if __name__ == "__main__":
    main()
