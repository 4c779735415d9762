"""The lakehouse's definitions, in a process that can be made to fail at the worst moment: for tests of the daemon.

Files in UMG_HOME control it:
- `die_after_TABLE` kills the process (kill -9) once that table's next commit is done, before Dagster hears of it;
- `stop_before_TABLE` makes a write of the table wait for as long as the file exists;
- `hang_before_TABLE` makes its next write hang for ever, deaf to every signal but kill -9, as in native code;
- `fail_before_TABLE` makes its next write raise.
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
    if _consumed(self, f"hang_before_{table.name}"):
        # Python sees a signal only between two instructions of the main thread: without a signal, sleep is one
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        time.sleep(10_000)
    if _consumed(self, f"fail_before_{table.name}"):
        raise OSError("No space left on device")
    commit = _write_slice(self, table, rows, replaced)
    if _consumed(self, f"die_after_{table.name}"):
        os.kill(os.getpid(), signal.SIGKILL)
    return commit


def _consumed(lakehouse: Lakehouse, name: str) -> bool:
    """Whether the control file is there; it counts once."""
    file = lakehouse.home / name
    exists = file.exists()
    file.unlink(missing_ok=True)
    return exists


Lakehouse.write_slice = _write_or_die
