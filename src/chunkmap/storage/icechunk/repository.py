"""Repositories of Icechunk: found, opened, made, and written to in one transaction.

A caller hands in what he has. What he opened himself, a session or its store, is written to and left for him to commit.
A `Repository`, or the path of one on this machine, is written to on its branch `main`, and committed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import icechunk
from fsspec.asyn import get_loop, sync

from chunkmap.errors import NoSuchFile, StorageError
from chunkmap.io.filesystem import Located
from chunkmap.storage.icechunk.locations import containers_for

__all__ = [
    "IS_FIRST",
    "MOST_CHUNKS",
    "Transaction",
    "awaited",
    "open_here",
    "open_or_create",
    "readable",
    "transaction",
]

IS_FIRST: Final = int(icechunk.__version__.partition(".")[0]) < 2
"""Whether this is Icechunk 1, which takes references one by one, and never tells them again."""

MOST_CHUNKS: Final = 50_000_000
"""Chunks that Icechunk can take in one commit, and hold in one manifest."""

MAIN: Final = "main"

_T = TypeVar("_T")


def awaited(call: Callable[..., Coroutine[Any, Any, _T]], *args: Any) -> _T:
    """What an asynchronous function of a store gives; waits for it, also within a program that has a loop of its own.

    It runs in fsspec's loop, which is on a thread.
    """
    result: _T = sync(get_loop(), call, *args)
    return result


def open_here(at: Located, locations: Collection[str] = ()) -> Any:
    """The repository in a directory, with containers for some locations, which it remembers.

    Files of this machine, and of servers that ask for no credentials, may be read through it. Raises SourceError when
    there is none, StorageError where a container cannot be made.
    """
    storage = _storage(at)
    if not _is_there(at, storage):
        raise NoSuchFile("expected an Icechunk repository, there is none", url=at.url)
    config = icechunk.Repository.fetch_config(storage) or icechunk.RepositoryConfig.default()
    is_changed = _add_containers(config, locations)
    access = _open_to_all(config.virtual_chunk_containers or {})
    repository = icechunk.Repository.open(storage, config=config, authorize_virtual_chunk_access=access)
    if is_changed:
        repository.save_config()
    return repository


def open_or_create(at: Located, locations: Collection[str]) -> Any:
    """The same, where there need not be one yet. Raises StorageError for a directory of other files."""
    storage = _storage(at)
    if _is_there(at, storage):
        return open_here(at, locations)
    if Path(at.path).exists():
        raise StorageError(f"{at.url}: expected nothing there, or an Icechunk repository, found something else")
    config = icechunk.RepositoryConfig.default()
    _add_containers(config, locations)
    access = _open_to_all(config.virtual_chunk_containers or {})
    return icechunk.Repository.create(storage, config=config, authorize_virtual_chunk_access=access)


def _add_containers(config: Any, locations: Collection[str]) -> bool:
    """Add containers for locations that none holds yet; whether there were such."""
    held = tuple(config.virtual_chunk_containers or {})
    absent = [location for location in locations if not location.startswith(held)]
    for prefix, directory in containers_for(absent).items():
        store = icechunk.http_store() if directory is None else icechunk.local_filesystem_store(directory)
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    return bool(absent)


def readable(target: Any) -> Any:
    """A session to read from: of a repository the branch `main`, of a store its own."""
    if isinstance(target, icechunk.Repository):
        return target.readonly_session(MAIN)
    return target.session if isinstance(target, icechunk.IcechunkStore) else target


class Transaction:
    """A session that is being written to.

    The session of a repository is committed in the end; when there are more chunks than one commit takes, in parts on
    a branch of its own, which `main` is set to at the very end: no reader sees a part.
    """

    def __init__(self, repository: Any | None, session: Any, branch: str) -> None:
        self.repository, self.session, self.branch = repository, session, branch
        self._pending = 0

    @property
    def store(self) -> Any:
        """Where keys are written."""
        return self.session.store

    @property
    def prefixes(self) -> Collection[str]:
        """The prefixes of the repository's virtual chunk containers."""
        return tuple(self.session.config.virtual_chunk_containers or {})

    def check_manifest(self, path: str, count: int) -> None:
        """Raise StorageError for an array of more chunks than one manifest holds, where none would be split."""
        manifest = self.session.config.manifest
        if count > MOST_CHUNKS and (manifest is None or manifest.splitting is None):
            raise StorageError(
                f"{path}: {count:,} chunks are more than Icechunk reads from one manifest, {MOST_CHUNKS:,}; configure"
                " how the repository splits its manifests: icechunk.ManifestConfig(splitting=...)"
            )

    def make_room(self, chunks: int) -> None:
        """Commit what there is, when so many chunks more would be too many for one commit."""
        if self.repository is not None and self._pending + chunks > MOST_CHUNKS:
            self.session.commit("A part of a larger set")
            self.session = self.repository.writable_session(self.branch)
            self._pending = 0
        self._pending += chunks


@contextmanager
def transaction(target: Any, message: str, *, chunks: int) -> Iterator[Transaction]:
    """Write at most so many chunks; a repository is committed when the block ends well, and else left as it was.

    Raises StorageError for a session that is read only, or would take too many chunks.
    """
    if not isinstance(target, icechunk.Repository):
        session = readable(target)
        if session.read_only:
            raise StorageError("the Icechunk session is read only: expected repository.writable_session(...)")
        if chunks > MOST_CHUNKS:
            raise StorageError(
                f"{chunks:,} chunks are more than Icechunk takes in one commit, {MOST_CHUNKS:,}; pass the Repository,"
                " to which they are committed in parts"
            )
        yield Transaction(None, session, session.branch)
    elif chunks <= MOST_CHUNKS:
        written = Transaction(target, target.writable_session(MAIN), MAIN)
        yield written
        written.session.commit(message)
    else:
        with _branch_of_its_own(target) as branch:
            written = Transaction(target, target.writable_session(branch), branch)
            yield written
            written.session.commit(message)


@contextmanager
def _branch_of_its_own(repository: Any) -> Iterator[str]:
    """A branch that begins where `main` is, and becomes `main` when the block ends well."""
    branch, start = f"chunkmap-{secrets.token_hex(8)}", repository.lookup_branch(MAIN)
    repository.create_branch(branch, start)
    try:
        yield branch
        if repository.lookup_branch(MAIN) != start:
            raise StorageError("somebody else committed to the repository meanwhile; nothing was written, do it again")
        repository.reset_branch(MAIN, repository.lookup_branch(branch))
    finally:
        repository.delete_branch(branch)


def _is_there(at: Located, storage: Any) -> bool:
    """Whether there is a repository; asking Icechunk makes the directory, so it is looked for first."""
    return Path(at.path).is_dir() and bool(icechunk.Repository.exists(storage))


def _storage(at: Located) -> Any:
    if not at.is_local:
        raise StorageError(
            f"{at.url}: only a repository on this machine is opened by its path; open this one with icechunk, and"
            " pass the Repository or a session"
        )
    return icechunk.local_filesystem_storage(os.path.abspath(at.path))  # noqa: PTH100 - as Icechunk wants it


def _open_to_all(prefixes: Collection[str]) -> dict[str, Any]:
    """Access to those containers that need no credentials."""
    if IS_FIRST:
        return {prefix: None for prefix in prefixes if prefix.startswith(("file://", "http"))}
    access = icechunk.credentials
    kinds = {"file": access.LocalFileSystemAccess, "http": access.HttpAccess, "https": access.HttpAccess}
    schemes = {prefix: prefix.partition("://")[0] for prefix in prefixes}
    return {prefix: kinds[scheme] for prefix, scheme in schemes.items() if scheme in kinds}
