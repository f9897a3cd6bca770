"""What a format is to the rest of the house: one row that says how its files are told, and who parses them.

A module of a format has two names. `Options` is a dataclass, each field of which has a docstring below it: what users
may choose, in the library, on the command line and through the xarray engine. `parse(source, options)` is a parser as
`chunkmap.io.rounds` describes them, which returns a `Scanned`; it knows the URL and the size of its source, and asks
for every byte. All else is done once for all formats, by `chunkmap.formats.scanning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NamedTuple

from chunkmap.errors import NoSuchOption
from chunkmap.model import ManifestArray, Problem, Target
from chunkmap.model.hierarchy import ZarrFormat
from chunkmap.packages import not_installed

__all__ = ["Format", "Magic", "Scanned", "options_of"]


_AT_FIRST: Final = (0,)


class Magic(NamedTuple):
    r"""Bytes that tell a format, and where in a file they stand.

    >>> Magic(b"CDF\x01").reach, Magic(b"GRIB", within=4096).reach
    (4, 4100)
    """

    text: bytes
    at: tuple[int, ...] = _AT_FIRST
    """The offsets at which they may stand."""
    within: int = 0
    """They may also begin anywhere in so many first bytes."""

    @property
    def reach(self) -> int:
        """How many first bytes tell whether they stand at the beginning, or within."""
        return max(len(self.text), self.within + len(self.text) if self.within else 0)

    def found_in(self, head: bytes | memoryview) -> bool:
        """Whether the first bytes of a file hold them, at offsets that these reach."""
        head, text = bytes(head), self.text
        if self.at == _AT_FIRST and not self.within:
            return head.startswith(text)
        if self.within and head.find(text, 0, self.within + len(text)) >= 0:
            return True
        last = len(head) - len(text)
        return any([head.startswith(text, offset) for offset in self.at if offset <= last])  # noqa: C419 - it is hot


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format: how it is told, and where it is parsed."""

    name: str
    """What users call it, in `scan(url, format=...)`."""
    module: str
    """Where its `Options` and `parse` are; imported when a file needs them."""
    begins: tuple[Magic, ...] = ()
    """How its files begin."""
    holds: tuple[str, ...] = ()
    """Names of which a folder of this format holds at least one."""
    members: str | None = None
    """How the names of all members of an archive of this format end."""
    extra: str | None = None
    """The extra of this package with the libraries that its module needs."""

    @property
    def is_folder(self) -> bool:
        """Whether what is scanned is a folder or an archive, not a file."""
        return bool(self.holds) or self.members is not None

    def load(self) -> ModuleType:
        """The module. Raises NotInstalled naming the extra to install, where a library is missing."""
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith("chunkmap"):
                raise
            raise not_installed(str(error.name), self.extra, f"scanning {self.name}") from error


PORTABLE: Final = "portable"
"""The option that any file may be given: most formats have nothing to say in another way."""


def options_of(found: Format, module: Any, given: Mapping[str, Any]) -> Any:
    """The options of a format. Raises NoSuchOption for one that it does not have, naming those it has."""
    known = [field.name for field in fields(module.Options)]
    given = {name: value for name, value in given.items() if name in known or name != PORTABLE}
    for option in given:
        if option not in known:
            names = ", ".join(["inline_threshold", *known])
            raise NoSuchOption(f"scan() of {found.name}: no option {option!r}; its options are {names}")
    return module.Options(**given)


class Scanned(NamedTuple):
    """What a parser found in a file."""

    arrays: Mapping[str, ManifestArray]
    """Arrays by path."""
    groups: Mapping[str, Mapping[str, Any]]
    """Attributes of each group, by path; `""` is the root."""
    problems: tuple[Problem, ...] = ()
    """What could not be represented."""
    files: Mapping[str, Target] = {}
    """What is known of other files that references point into, by URL."""
    zarr_format: ZarrFormat = 2
    """The version of Zarr in whose words it is kept, where nobody says otherwise."""
