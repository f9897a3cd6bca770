"""Publishing a directory where there is no rename: in an object store.

What is new waits under names of its own. One put of a journal then says where it waits, and only if nobody else is
publishing; from the moment that the old metadata are removed until the new ones are in place, readers find the new set
by the journal. A writer that dies before that moment leaves the old set, later the new one, and whoever writes next
completes or removes what it left.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from chunkmap.errors import NoSuchFile, OtherWriter, StorageError
from chunkmap.io.filesystem import Located, ask, is_there, named
from chunkmap.io.retrying import with_retries
from chunkmap.storage.states import State, check_state
from chunkmap.storage.text import parse_json

__all__ = ["BEGUN", "JOURNAL", "StageThere", "is_unfinished", "recover", "waiting_names"]

JOURNAL: Final = ".chunkmap-journal.json"
"""Says which files wait, and under what names."""

BEGUN: Final = ".chunkmap-begun"
"""Says that a directory without a set is one in the making."""

_WAITING: Final = ".chunkmap-next"
"""The directory in which new files wait."""

_BATCH: Final = 64
"""Files that are put at once."""

_BATCH_BYTES: Final = 64 << 20
"""Bytes that wait to be put there together."""


def waiting_names(data: bytes | None, where: str) -> Mapping[str, str]:
    """The names under which files wait, by their own names, as a journal says; nothing where there is none."""
    if data is None:
        return {}
    try:
        names = parse_json(data)["waiting"]
        if all(isinstance(at, str) and at.startswith(f"{_WAITING}/") for at in names.values()):
            return dict(names)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{where}: expected a journal, it is damaged: {error!r}") from error
    raise StorageError(f"{where}: expected names below {_WAITING}, found others")


def is_unfinished(at: Located) -> bool:
    """Whether a directory holds what a writer of ours left that died, and no set."""
    return any(is_there(at.file(name)) for name in (BEGUN, JOURNAL, _WAITING))


def recover(at: Located, last: str) -> None:
    """Complete what a writer that died had decided upon; remove what it had only begun."""
    fs, journal = at.fs, f"{at.path}/{JOURNAL}"
    if not is_there(at.file(JOURNAL)):
        return
    waiting = waiting_names(ask(lambda: fs.cat_file(journal), at.url), f"{at.url}/{JOURNAL}")
    if not is_there(at.file(last)):
        _move_in(at, waiting, last)
    ask(lambda: fs.rm_file(journal), at.url, "written")


def _move_in(at: Located, waiting: Mapping[str, str], last: str) -> None:
    """Copy waiting files into place, that which makes them a set at the end."""
    for names in ([name for name in waiting if name != last], [last] if last in waiting else []):
        old, new = [f"{at.path}/{waiting[name]}" for name in names], [f"{at.path}/{name}" for name in names]
        if names:
            ask(partial(at.fs.copy, old, new), at.url, "written")


class StageThere:
    """A directory in the making in an object store. Files named in `keeping` stay as they are."""

    def __init__(
        self, final: Located, last: str, keeping: Collection[str], expected: tuple[State, Collection[str]] | None
    ) -> None:
        recover(final, last)
        self.final, self.last, self.expected = final, last, expected
        prefix = f"{final.path}/"
        found = ask(lambda: final.fs.find(final.path), final.url)
        self.old = {path.removeprefix(prefix) for path in found}
        if JOURNAL in self.old or (expected is not None and last not in self.old):
            raise self._other_writer("is publishing there")
        self.keeping = frozenset(keeping)
        self.replaces = last in self.old
        self.directory = f"{_WAITING}/{secrets.token_hex(6)}"
        self.waiting: dict[str, str] = {}
        self.written: set[str] = set()
        self.puts: dict[str, bytes] = {}
        self.end = b""
        self.token = secrets.token_bytes(8)
        if not self.replaces:
            ask(lambda: final.fs.pipe_file(f"{final.path}/{BEGUN}", self.token), final.url, "written")

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files, by name."""
        for name, data in files.items():
            if name == self.last and not self.replaces:
                self.end = data
            else:
                self.puts[self.file(name).path] = data
        if len(self.puts) >= _BATCH or sum(map(len, self.puts.values())) > _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        puts, self.puts = self.puts, {}
        if puts:
            if not self.replaces:
                self._check_begun()
            ask(lambda: self.final.fs.pipe(puts), self.final.url, "written")

    def file(self, name: str) -> Located:
        """Where a file goes: one that would replace another waits beside."""
        self.written.add(name)
        if self.replaces and (name in self.old or name == self.last):
            self.waiting[name] = f"{self.directory}/{name}"
        return self.final.file(self.waiting.get(name, name))

    def finish(self) -> None:
        """Make the new set the one that is there; then remove what is left over."""
        fs, root, url = self.final.fs, self.final.path, self.final.url
        self._flush()
        if self.replaces:
            self._publish()
        else:
            self._end_first_set()
        stale = self.old - self.written - self.keeping - {self.last}
        stale |= set(self.waiting.values()) | ({JOURNAL} if self.replaces else {BEGUN})
        there = set(ask(lambda: fs.find(root), url))
        gone = [path for path in (f"{root}/{name}" for name in sorted(stale)) if path in there]
        if gone:
            ask(lambda: fs.rm(gone), url, "written")

    def _end_first_set(self) -> None:
        """Put what makes it a set."""
        self._check_begun()
        try:
            _create(self.final.file(self.last), self.end)
        except FileExistsError as error:
            raise self._other_writer("has written a set there") from error

    def _check_begun(self) -> None:
        """Raise OtherWriter where somebody else has begun a set in the same empty place since."""
        begun = self.final.file(BEGUN)
        try:
            if ask(lambda: begun.fs.cat_file(begun.path), begun.url) != self.token:
                raise self._other_writer("has begun a set there")
        except NoSuchFile as error:
            raise self._other_writer("has written a set there") from error

    def _other_writer(self, does: str) -> OtherWriter:
        return OtherWriter(f"{self.final.url}: another writer {does}; nothing was changed. Run it again")

    def _publish(self) -> None:
        fs, root = self.final.fs, self.final.path
        journal = f"{root}/{JOURNAL}"
        data = json.dumps({"waiting": self.waiting}, separators=(",", ":")).encode()
        try:
            _create(self.final.file(JOURNAL), data)
        except FileExistsError as error:
            raise self._other_writer("is publishing there") from error
        try:
            if self.expected is not None:
                check_state(self.final, *self.expected)
        except OtherWriter:
            ask(lambda: fs.rm_file(journal), self.final.url, "written")
            raise
        ask(lambda: fs.rm_file(f"{root}/{self.last}"), self.final.url, "written")
        _move_in(self.final, self.waiting, self.last)


def _create(at: Located, data: bytes) -> None:
    """Put a file if it is not there yet: by one request where the store can, else by two. Raises FileExistsError."""

    def put() -> None:
        if is_there(at):
            raise FileExistsError(at.path)
        try:
            at.fs.pipe_file(at.path, data, mode="create")
        except (TypeError, NotImplementedError, ValueError):
            at.fs.pipe_file(at.path, data)

    try:
        with_retries(put)
    except FileExistsError:
        if ask(lambda: at.fs.cat_file(at.path), at.url) != data:  # else only the answer to our own put was lost
            raise
    except OSError as error:
        raise named(error, at.url, "written") from error
