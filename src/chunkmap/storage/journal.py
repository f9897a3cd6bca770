"""Publishing a directory where there is no rename: in an object store.

Nobody puts anything over what is there. A file goes under its name only if nothing has that name, by a put that is
conditional where the store can; what would replace a file waits in a directory of its writer. One put of a journal,
only if nobody else is publishing, then decides: from then until the metadata are in place, readers find the new set by
the journal. A writer that dies before that moment leaves the old set, later the new one, and whoever writes next
completes or removes what it left. A writer that finds another set at that moment than when it began changes nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from chunkmap.errors import NoSuchFile, OtherWriter, StorageError
from chunkmap.io.filesystem import Located, ask, is_there, named
from chunkmap.io.retrying import status_of, with_retries
from chunkmap.storage.states import State, check_state, state_of
from chunkmap.storage.text import parse_json

__all__ = [
    "BEGUN",
    "JOURNAL",
    "Place",
    "StageThere",
    "create",
    "is_publishing",
    "is_unfinished",
    "recover",
    "waiting_names",
]

JOURNAL: Final = ".chunkmap-journal.json"
"""Says which files wait, and under what names; who publishes them, and how far that one is."""

BEGUN: Final = ".chunkmap-begun"
"""Says that a directory without a set is one in the making."""

_WAITING: Final = ".chunkmap-next"
"""The directory in which new files wait."""

_BATCH: Final = 64
"""Files that are put, or copied, at once."""

_BATCH_BYTES: Final = 64 << 20
"""Bytes that wait to be put there together."""

_DEAD: Final = 30.0
"""Seconds after which a journal in which nothing changes is taken for that of a writer that died."""

_LOOKS: Final = 0.25
"""Seconds between two looks at a journal."""


class Place(NamedTuple):
    """Where a file goes."""

    at: Located
    beside: Located | None = None
    """Where it waits instead if something has its name by then."""


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


def is_publishing(at: Located) -> bool:
    """Whether a writer is putting a new set in place of the old one, or died while it did."""
    return not at.is_local and is_there(at.file(JOURNAL))


def recover(at: Located, last: str) -> None:
    """Complete what a writer that died had decided upon; remove what it had only begun. Waits for one that lives."""
    data = _journal_of_the_dead(at)
    if data is None:
        return
    waiting = waiting_names(data, f"{at.url}/{JOURNAL}")
    if not is_there(at.file(last)):
        for old, new in _moves(at, waiting, last):
            ask(partial(at.fs.copy, old, new), at.url, "written")
    ask(lambda: at.fs.rm_file(f"{at.path}/{JOURNAL}"), at.url, "written")


def _journal_of_the_dead(at: Located) -> bytes | None:
    """A journal that nobody continues; None when there is none any more."""
    seen, since = _content(at.file(JOURNAL)), time.monotonic()
    while seen is not None and time.monotonic() - since < _DEAD:
        time.sleep(_LOOKS)
        found = _content(at.file(JOURNAL))
        if found != seen:
            seen, since = found, time.monotonic()
    return seen


def _content(file: Located) -> bytes | None:
    file.fs.invalidate_cache(file.path)
    try:
        found: bytes = ask(lambda: file.fs.cat_file(file.path), file.url)
    except NoSuchFile:
        return None
    return found


def _moves(at: Located, waiting: Mapping[str, str], last: str) -> Iterator[tuple[list[str], list[str]]]:
    """What is to be copied where, some files at once; that which makes them a set at the end."""
    names = sorted(set(waiting) - {last})
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    for batch in [*batches, [last]] if last in waiting else batches:
        yield [f"{at.path}/{waiting[name]}" for name in batch], [f"{at.path}/{name}" for name in batch]


class StageThere:
    """A directory in the making in an object store. Files named in `keeping` stay as they are."""

    def __init__(
        self, final: Located, last: str, keeping: Collection[str], expected: tuple[State, Collection[str]] | None
    ) -> None:
        recover(final, last)
        self.final, self.last = final, last
        self.expected = expected or (state_of(final, [last]), [last])
        self.old = self._names()
        self.keeping = frozenset(keeping)
        self.replaces = last in self.old
        self.directory = f"{_WAITING}/{secrets.token_hex(6)}"
        self.written: set[str] = set()
        self.puts: dict[str, bytes] = {}
        self.end: bytes | None = None
        self.beats = 0
        self.conditional = True
        if not self.replaces:
            ask(lambda: final.fs.pipe_file(f"{final.path}/{BEGUN}", b"chunkmap"), final.url, "written")

    def _names(self, below: str = "") -> set[str]:
        """The files that are there now."""
        fs, root = self.final.fs, f"{self.final.path}/{below}".rstrip("/")
        fs.invalidate_cache(root)
        return {path.removeprefix(f"{root}/") for path in ask(lambda: fs.find(root), self.final.url)}

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files, by name."""
        for name, data in files.items():
            if name == self.last and not self.replaces:
                self.end = data
                self.written.add(name)
            else:
                self.puts[name] = data
        if len(self.puts) >= _BATCH or sum(map(len, self.puts.values())) > _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        puts, self.puts = self.puts, {}
        places = {name: self.place(name) for name in puts}
        new = {place.at.path: puts[name] for name, place in places.items() if place.beside is not None}
        try:
            if new:
                with_retries(lambda: self.final.fs.pipe(new, mode="create"))
        except Exception as error:
            if not (_is_taken(error) or _is_unconditional(error)):
                raise named(error, self.final.url, "written") from error
            self.conditional = self.conditional and not _is_unconditional(error)
            for name, place in places.items():
                if place.beside is not None:
                    create(place, puts[name])
        beside = {place.at.path: puts[name] for name, place in places.items() if place.beside is None}
        if beside:
            ask(lambda: self.final.fs.pipe(beside), self.final.url, "written")

    def place(self, name: str) -> Place:
        """Where a file goes: one that would replace another waits beside."""
        self.written.add(name)
        waits = self.final.file(f"{self.directory}/{name}")
        is_new = self.conditional and name not in self.old and name != self.last
        return Place(self.final.file(name), waits) if is_new else Place(waits)

    def finish(self) -> None:
        """Make the new set the one that is there; then remove what is left over."""
        self._flush()
        waiting = {name: f"{self.directory}/{name}" for name in sorted(self._names(self.directory))}
        self._decide(waiting)
        fs, root, url = self.final.fs, self.final.path, self.final.url
        for change in self._changes(waiting):
            self._check_alive(waiting)
            ask(change, url, "written")
        ask(lambda: fs.rm_file(f"{root}/{JOURNAL}"), url, "written")

    def _changes(self, waiting: Mapping[str, str]) -> Iterator[Callable[[], Any]]:
        """What is to be done, one after the other, until what was decided is what is there."""
        fs, root = self.final.fs, self.final.path
        if self.replaces:
            yield lambda: fs.rm_file(f"{root}/{self.last}")
        for number, (old, new) in enumerate(_moves(self.final, waiting, self.last)):
            if number:
                yield partial(self._beat, waiting)
            yield partial(fs.copy, old, new)
        if self.end is not None:
            yield lambda: fs.pipe_file(f"{root}/{self.last}", self.end)
        gone = [f"{root}/{name}" for name in sorted(self._names() - self.written - self.keeping - {JOURNAL})]
        if gone:
            yield lambda: fs.rm(gone)

    def _decide(self, waiting: Mapping[str, str]) -> None:
        """Put the journal. Raises OtherWriter where somebody else is publishing, or has published since we began."""
        journal = self.final.file(JOURNAL)
        if not create(Place(journal), self._said(waiting)):
            raise OtherWriter(
                f"{self.final.url}: another writer is publishing there; nothing was changed. Run it again"
            )
        try:
            check_state(self.final, *self.expected)
        except OtherWriter:
            ask(lambda: journal.fs.rm_file(journal.path), self.final.url, "written")
            raise

    def _said(self, waiting: Mapping[str, str]) -> bytes:
        said = {"waiting": waiting, "writer": self.directory, "beat": self.beats}
        return json.dumps(said, separators=(",", ":")).encode()

    def _check_alive(self, waiting: Mapping[str, str]) -> None:
        """Raise OtherWriter where somebody has taken us for dead, and completed what we do."""
        if _content(self.final.file(JOURNAL)) != self._said(waiting):
            raise OtherWriter(
                f"{self.final.url}: another writer took this one for dead, and completed what it did. Look at what is"
                " there; run it again if that is something else"
            )

    def _beat(self, waiting: Mapping[str, str]) -> None:
        """Say that we live: whoever waits for us goes on waiting."""
        self.beats += 1
        self.final.fs.pipe_file(f"{self.final.path}/{JOURNAL}", self._said(waiting))


def create(place: Place, data: bytes) -> bool:
    """Put a file if it is not there yet, else beside, where it has such a place; whether it is there.

    A store that cannot do so by one request is looked at first; what could wait beside does so there always.
    """
    at, beside = place
    try:
        with_retries(lambda: at.fs.pipe_file(at.path, data, mode="create"))
    except Exception as error:
        if not (_is_taken(error) or _is_unconditional(error)):
            raise named(error, at.url, "written") from error
        looks_first = _is_unconditional(error) and beside is None
    else:
        return True
    found = _content(at)
    if found == data:  # only the answer to our own put was lost
        return True
    is_free = looks_first and found is None
    where = at if is_free else beside
    if where is not None:
        ask(lambda: where.fs.pipe_file(where.path, data), where.url, "written")
    return is_free


def _is_taken(error: Exception) -> bool:
    """Whether a store says that there is such a file already."""
    return isinstance(error, FileExistsError) or status_of(error) == 412


def _is_unconditional(error: Exception) -> bool:
    """Whether a filesystem, or its server, says that it cannot put a file only if there is none."""
    return isinstance(error, (TypeError, NotImplementedError, ValueError)) or status_of(error) == 501
