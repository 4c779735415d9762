"""Objects under an address (s3://bucket/prefix, gs://, abfss://), by obstore; the only module that opens them.

Who may is said by the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, ...) or by the machine's own
role: https://developmentseed.org/obstore/latest/authentication/. Throttling and errors of the server are tried again by
obstore, some times, with growing pauses.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import from_url

from umg_assets.text import redacted

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from obstore import GetOptions, ObjectMeta, PutMode
    from obstore.store import ClientConfig, RetryConfig

_SECONDS, _CONNECT_SECONDS = 60, 5
_RETRIES: "RetryConfig" = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
_BLOCK_BYTES = 4 << 20
_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_ASKED = re.compile(
    r"Error performing [A-Z]+ (?P<server>\w+://[^/\s]+)\S* in \S+(?: after (?P<retries>\d+) retries.*?)? - (?P<why>.+)"
)
_CODE = re.compile(r"<Code>(\w+)</Code>")


class StoreError(RuntimeError):
    """An address cannot be listed, read or written; the message says which, and why."""


class ConflictError(StoreError):
    """An object is not, or no longer, what the caller has seen."""


class MissingError(StoreError):
    """There is no such object, or no such bucket."""


@dataclass(frozen=True)
class Object:
    """An object as a listing shows it. key: its path under the address; size: in bytes; modified: UTC."""

    key: str
    etag: str
    size: int
    modified: datetime


class ObjectStore:
    """The objects under an address. Every method raises StoreError."""

    def __init__(self, address: str) -> None:
        """address: as in `places` of umg.toml. Nothing is asked of the store yet."""
        self.address = address
        with self._explained():
            self._store = from_url(address, client_options=_client_options(), retry_config=_RETRIES)

    def listing(self, under: str = "", after: str = "") -> list[Object]:
        """Every object, or those of a folder; a request for each thousand. after: only keys that follow this one."""
        with self._explained(under):
            pages = obstore.list(self._store, under or None, offset=after or None)
            return [_object(meta) for page in pages for meta in page]

    def head(self, key: str) -> Object | None:
        """What a listing would show of an object; None if there is none."""
        try:
            with self._explained(key):
                return _object(obstore.head(self._store, key))
        except MissingError:
            return None

    def fetch(self, listed: Object, target: Path) -> None:
        """Writes an object's content to a new file. Raises ConflictError when it is not the one listed any more,
        MissingError when there is none."""
        size = self._get(listed.key, target, {"if_match": listed.etag} if listed.etag else None)
        if size != listed.size:
            raise ConflictError(f"{self.address}: {listed.key} was replaced while it was read")

    def download(self, key: str, target: Path) -> None:
        """Writes the content of an object that never changes to a new file, by one request. Raises FileNotFoundError
        when there is none."""
        try:
            self._get(key, target)
        except MissingError as error:
            raise FileNotFoundError(str(error)) from None

    def _get(self, key: str, target: Path, options: "GetOptions | None" = None) -> int:
        with self._explained(key):
            content = obstore.get(self._store, key, options=options)
            with target.open("xb") as file:
                for block in content.stream(_BLOCK_BYTES):
                    file.write(block)
                return file.tell()

    def read(self, key: str) -> tuple[bytes, str] | None:
        """An object's content and ETag; None if there is none."""
        try:
            with self._explained(key):
                content = obstore.get(self._store, key)
                return bytes(content.bytes()), content.meta["e_tag"] or ""
        except MissingError:
            return None

    def write(self, key: str, content: bytes | Path, replaces: str | None = None) -> str:
        """Writes an object at once, whatever is there. Returns its ETag.

        replaces: only over the object of this ETag, or, if it is "", only where there is none: else ConflictError.
        """
        mode: PutMode = "overwrite"
        if replaces is not None:
            mode = {"e_tag": replaces} if replaces else "create"
        multipart = None if replaces is None else False  # a condition needs one request, whatever the size
        try:
            with self._explained(key):
                return obstore.put(self._store, key, content, mode=mode, use_multipart=multipart)["e_tag"] or ""
        except MissingError:
            if replaces:
                raise
            raise MissingError(f"{self.address}: expected a bucket to write {key} into, there is none") from None

    def remove(self, keys: Sequence[str]) -> None:
        """Deletes objects; those that are not there are none."""
        if keys:
            with self._explained(keys[0]):
                obstore.delete(self._store, keys)

    @contextmanager
    def _explained(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise ConflictError(f"{self.address}: {key} was changed by somebody else meanwhile") from None
        except FileNotFoundError:
            raise MissingError(f"{self.address}: {key} is not there any more") from None
        except (BaseError, ValueError) as error:
            where = f"{self.address}: {key}" if key else self.address
            raise StoreError(f"{where}: {reason_of(str(error))}") from None


def file_system(address: str) -> "AbstractFileSystem":
    """The buckets of an address's kind, for libraries that read files through fsspec."""
    from obstore.fsspec import FsspecStore  # brings fsspec

    scheme: Any = urlsplit(address).scheme
    return FsspecStore(scheme, client_options=_client_options(), retry_config=_RETRIES)


def _client_options() -> "ClientConfig":
    return {
        "timeout": timedelta(seconds=_SECONDS),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
    }


def _object(meta: "ObjectMeta") -> Object:
    return Object(meta["path"], meta["e_tag"] or "", meta["size"], meta["last_modified"])


def reason_of(error: str) -> str:
    """What obstore's error says: the status and code that the server gave; else which server, and why; else its
    first line."""
    status, code = _STATUS.search(error), _CODE.search(error)
    if status:
        return f"{status[1].strip()}{f' ({code[1]})' if code else ''}"
    if asked := _ASKED.search(error):
        return f"{redacted(asked['server'])}: {asked['why']}, after {asked['retries'] or 0} retries"
    return redacted(" ".join(error.split("\n\n")[0].split()))
