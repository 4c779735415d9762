"""The lakehouse's definitions, of which a process can be made to stop at the worst moment: for tests of the daemon.

In UMG_HOME, a file `die_after_TABLE` kills the process (kill -9) once that table's next commit is done, before Dagster
hears of it; `stop_before_TABLE` lets it wait there as long as the file lies; `fail_before_TABLE` raises there once.
"""

import os
import signal
import time

from umg_assets.definitions import defs
from umg_assets.resources.lakehouse import Lakehouse

__all__ = ["defs"]

_write_slice = Lakehouse.write_slice


def _write_or_die(self: Lakehouse, table, rows, replaced):
    while (self.home / f"stop_before_{table.name}").exists():
        time.sleep(0.1)
    failure = self.home / f"fail_before_{table.name}"
    if failure.exists():
        failure.unlink()
        raise OSError("No space left on device")
    commit = _write_slice(self, table, rows, replaced)
    order = self.home / f"die_after_{table.name}"
    if order.exists():
        order.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return commit


Lakehouse.write_slice = _write_or_die
