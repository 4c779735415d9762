"""What stands for users in the tables: computed in tasks, for this process or executors, that bring the secrets along.

Imports nothing of umg_assets outside privacy/.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets.privacy.ciphers import SealKey
from umg_assets.privacy.keys import digests

COLUMNS = ("user_id", "user_key", "sealed_id", "id_key")


@dataclass(frozen=True, repr=False)
class UserTask:
    """A Parquet file of typed records, and the folder in which what stands for the users of its good ones is written.

    user_key, id_key: the keys under which these columns are hashed; id_key None: NULL. seal: a line of keys/seal.
    """

    typed: Path
    folder: Path
    user_key: bytes
    id_key: bytes | None
    seal: str


def key_task(task: UserTask) -> Path:
    """Writes the COLUMNS, all of them STRING, of a file's users into a new Parquet file, which it returns."""
    rows = pq.read_table(task.typed, columns=["user_id", "reason"])
    good = rows["user_id"].filter(rows["reason"].is_null())
    user_ids, seal = good.unique().drop_null().to_pylist(), SealKey(task.seal)
    values = (
        user_ids,
        digests(task.user_key, user_ids),
        [seal.seal_id(user_id) for user_id in user_ids],
        [None] * len(user_ids) if task.id_key is None else digests(task.id_key, user_ids),
    )
    users = task.folder / f"{uuid.uuid4().hex}.parquet"
    pq.write_table(pa.table([pa.array(column, pa.string()) for column in values], names=list(COLUMNS)), users)
    return users
