"""Dagster's storage in PostgreSQL, as deployment/dagster-postgres.yaml says: whether it is there, and answers."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from umg_assets.text import redacted

ADDRESS = "DAGSTER_PG_URL"
"""The environment variable that deployment/dagster-postgres.yaml names."""
DUMP = f'pg_dump -Fc -f dagster.dump "${{{ADDRESS}/+psycopg2/}}"'
LOAD = f'pg_restore --clean --if-exists --no-owner -d "${{{ADDRESS}/+psycopg2/}}" dagster.dump'
"""What a shell dumps Dagster's database with, and loads it again: no back-up of ours holds it."""


class PostgresError(RuntimeError):
    """PostgreSQL cannot be reached; the message says why, and names no secret."""


def is_in_postgres(home: Path) -> bool:
    """Whether Dagster's runs and events of a home lie in PostgreSQL, by its dagster.yaml."""
    file = home / "dagster" / "dagster.yaml"
    return file.exists() and ADDRESS in file.read_text(encoding="utf-8")


@contextmanager
def reaching_postgres(home: Path) -> Iterator[None]:
    """While Dagster's instance of a home is opened.

    Raises PostgresError where it lies in PostgreSQL, and that cannot be reached: Dagster would tell of it in pages, or
    not at all.
    """
    if not is_in_postgres(home):
        yield
        return
    if not os.environ.get(ADDRESS):
        raise PostgresError(
            f"expected the address of PostgreSQL, where Dagster's runs and events are, in the environment variable "
            f"{ADDRESS}, which is not set: {home / 'dagster' / 'dagster.yaml'} names it"
        )
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # each of some tries is told in several lines
    try:
        yield
    except Exception as error:
        cause = error.__cause__ or error
        why = str(getattr(cause, "orig", cause)).strip().splitlines()[:1]
        raise PostgresError(
            f"expected PostgreSQL, where Dagster's runs and events are, to answer at the address in {ADDRESS}: start "
            f"it, or correct the address. It says: {redacted(''.join(why)) or type(cause).__name__}"
        ) from None
    finally:
        logging.disable(before)
