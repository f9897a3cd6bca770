"""Which library fetches ranges: fsspec always can; obstore, in Rust, where what fsspec was told can be said to it too;
on web servers curl (`chunkmap.io.curl`).

obstore says of an answer neither its headers nor that it came from where the server sent us on. Over HTTP we promise
what depends on both: etag and length of every answer, `Retry-After`, `allow=` and secrets at redirects. So it fetches
from S3 alone, and only where no promise is touched; wherever that is not certain, fsspec does, and the log says why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from chunkmap.errors import SourceError
from chunkmap.io.buckets import Bucket, ObjectInBucket, is_usable
from chunkmap.io.http_client import TIMEOUT
from chunkmap.logs import logger

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

__all__ = ["Engine", "check_engine", "object_by"]

_LOG: Final = logger("engine")

Engine = Literal["fsspec", "obstore", "curl"]
"""The libraries by their names."""

_UNDERSTOOD: Final = frozenset(
    {
        *("anon", "key", "secret", "username", "password", "profile", "endpoint_url", "requester_pays"),
        *("client_kwargs", "config_kwargs", "use_ssl"),
        *("default_block_size", "default_cache_type", "default_fill_cache", "max_concurrency"),
        *("use_listings_cache", "listings_expiry_time", "max_paths", "skip_instance_cache", "asynchronous"),
    }
)
"""Options of s3fs that are said to obstore, or do not concern ranges."""

_OF_CLIENTS: Final = frozenset(
    {"endpoint_url", "region_name", "aws_access_key_id", "aws_secret_access_key", "use_ssl", "verify"}
)
_OF_CONFIGS: Final = frozenset({"connect_timeout", "read_timeout", "retries", "max_pool_connections"})
"""The same of `client_kwargs` and `config_kwargs`."""

_PLAIN: Final = re.compile(r"(?!\.{1,2}(/|$))[\w\-.=+, ]+(/(?!\.{1,2}(/|$))[\w\-.=+, ]+)*", re.ASCII)
"""Keys that every library writes into a URL in one way."""

_BUCKET: Final = re.compile(r"(?!.*--x-s3$)[a-z0-9][a-z0-9.\-]*")
"""Names of buckets, and not those of access points and directory buckets, which have hosts of their own."""


def check_engine(engine: Any) -> Engine | None:
    """What was given as an engine. Raises ValueError for what is none.

    >>> check_engine("obstore")
    'obstore'
    """
    if engine is not None and engine not in get_args(Engine):
        raise ValueError(f"engine is {engine!r}, expected 'fsspec', 'obstore', 'curl' or None")
    found: Engine | None = engine
    return found


def object_by(engine: Engine | None, fs: AbstractFileSystem, path: str, url: str) -> ObjectInBucket | None:
    """A file as obstore fetches it; None where fsspec does.

    Raises SourceError where obstore was asked for and cannot be had.
    """
    if engine == "fsspec":
        return None
    why = _why_not(fs) or _why_not_this(fs, path)
    if not why:
        name, key, _ = fs.split_path(path)
        found = _bucket(fs, name)
        if isinstance(found, Bucket):
            return ObjectInBucket(key, found)
        why = found
    if engine == "obstore":
        raise SourceError(f"engine='obstore' cannot read it: {why}. Leave `engine` out, and fsspec does", url=url)
    _LOG.debug("%s is read by fsspec: %s", url, why)
    return None


def _why_not(fs: AbstractFileSystem) -> str:
    """Why a filesystem is none that obstore reads as it does; empty where it is one."""
    kind = type(fs)
    if (kind.__module__.partition(".")[0], kind.__name__) != ("s3fs", "S3FileSystem"):
        return "obstore is used for S3 alone, as elsewhere it shows no headers of answers and follows redirects unseen"
    if fs.asynchronous:
        return "its filesystem runs in a loop of its own"
    if find_spec("obstore") is None:
        return "obstore is not installed (pip install 'chunkmap[obstore]')"
    if not is_usable():
        return "obstore was loaded before this process was forked, and does not survive that"
    given = {**fs.storage_options}
    for name, known in (("client_kwargs", _OF_CLIENTS), ("config_kwargs", _OF_CONFIGS), ("", _UNDERSTOOD)):
        options = (given.get(name) or {}) if name else given
        strange = sorted(key for key, value in options.items() if key not in known and value not in (None, False))
        if strange:
            return f"{name + ': ' if name else ''}{', '.join(strange)} cannot be said to obstore"
    return ""


def _why_not_this(fs: AbstractFileSystem, path: str) -> str:
    """Why one object cannot be named to obstore; empty where it can."""
    bucket, key, _ = fs.split_path(path)
    if not _BUCKET.fullmatch(bucket):
        return f"the bucket {bucket} is an access point, or a directory bucket"
    return "" if _PLAIN.fullmatch(key) else "its key has characters that libraries write in different ways"


def _bucket(fs: AbstractFileSystem, name: str) -> Bucket | str:
    """A bucket, opened once for a filesystem, and kept as long as that is; or why it is not."""
    buckets: dict[str, Bucket] = vars(fs).setdefault("_chunkmap_buckets", {})
    if name in buckets:
        return buckets[name]
    words = _words(fs, name)
    return words if isinstance(words, str) else buckets.setdefault(name, Bucket(name, **words))


def _words(fs: AbstractFileSystem, name: str) -> dict[str, Any] | str:
    """What s3fs knows of a bucket, its environment and profiles too, in the words of `Bucket`; or why not."""
    from fsspec.asyn import sync  # noqa: PLC0415 - loaded with the filesystem

    fs.connect()
    client = sync(fs.loop, fs.get_s3, name)
    config, anon = client.meta.config, bool(fs.anon)
    if not anon and config.signature_version not in (None, "s3v4", "v4"):
        return f"it is signed by {config.signature_version}"
    if (config.s3 or {}).get("addressing_style") not in (None, "auto", "path") or config.proxies:
        return "its way of addressing, or its proxy, cannot be said to obstore"
    verify, endpoint = fs.client_kwargs.get("verify"), client.meta.endpoint_url
    if isinstance(verify, str) or ("AWS_CA_BUNDLE" in os.environ and endpoint.startswith("https:")):
        return "certificates of one's own cannot be said to obstore"
    found = None if anon else _credentials(fs, sync(fs.loop, _of_session, fs))
    if isinstance(found, str):
        return found
    limit = (fs.storage_options.get("config_kwargs") or {}).get("read_timeout", TIMEOUT)
    return {
        "endpoint": endpoint,
        "region": client.meta.region_name.replace("aws-global", "us-east-1"),
        "credentials": found,
        "requester_pays": bool(fs.req_kw),
        "verify": verify is not False,
        "timeout": float(limit),
    }


async def _of_session(fs: AbstractFileSystem) -> tuple[str, str, str | None] | None:
    """The credentials that the session of s3fs finds: in the environment, a profile, or those of a machine."""
    found = await fs.session.get_credentials()
    if found is None:
        return None
    frozen = await found.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token


def _credentials(
    fs: AbstractFileSystem, of_session: tuple[str, str, str | None] | None
) -> Mapping[str, str | None] | str:
    """Those that were given, or those of the session; or why obstore must not have them."""
    kwargs = fs.client_kwargs
    key = fs.key or kwargs.get("aws_access_key_id")
    secret = fs.secret or kwargs.get("aws_secret_access_key")
    token = None
    if not (key and secret):
        if of_session is None:
            return "there are no credentials"
        key, secret, token = of_session
    if token:
        return "its credentials have a session token, which obstore would send on with a redirect to another host"
    return {"access_key_id": key, "secret_access_key": secret, "token": None, "expires_at": None}
