"""kill -9 of the daemon, the code server or a run."""

import random
import time

from soak.journal import Journal
from soak.processes import CODE, RUN
from soak.service import Service

_VICTIMS = (RUN, RUN, "daemon", "code server", CODE)
_PATIENCE = 20
"""Seconds that a run is waited for."""


class Killer:
    """Kills a process of the service each time; of servers only while `spares_servers` is False."""

    def __init__(self, service: Service, seed: int, journal: Journal) -> None:
        self.spares_servers = False
        self._service, self._random, self._journal = service, random.Random(f"killer {seed}"), journal
        self._next = list[str]()

    def kill(self) -> None:
        """kill -9 of a process of the next kind; a run is waited for, and where none comes, nothing is killed."""
        self._next = self._next or self._random.sample(_VICTIMS, len(_VICTIMS))
        kind = RUN if self.spares_servers else self._next.pop()
        deadline = time.monotonic() + _PATIENCE
        while not (victims := self._service.of_kind(kind)) and time.monotonic() < deadline:
            time.sleep(0.3)
        if kind == RUN:
            time.sleep(self._random.uniform(0, 12))  # it starts for about five seconds, then works for as many
            victims = self._service.of_kind(kind)
        if victims:
            self._service.kill(self._random.choice(victims))
            self._journal.note("killed", kind)
