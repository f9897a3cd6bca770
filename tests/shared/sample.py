"""What a format brings to the battery: small files made by its own library, and what that library reads from them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One file, or the files of one folder, or a file beside those that it names."""

    name: str
    """What is special about it."""
    files: Mapping[str, bytes]
    """What lies in a directory, by name."""
    main: str
    """Which of them is scanned; the folder, for a format of folders."""
    arrays: Mapping[str, Any]
    """What the library reads, as it is stored, by the paths that the set has: numpy's arrays."""
    computed: Collection[str] = ()
    """Names of arrays that are in the set and in no file: coordinates that a scan computes."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `scan` is told, where the bytes do not say enough: the format too, of one that nothing tells."""
    open_ended: Collection[str] = ()
    """Files that are not cut, as every reader takes what is left for the whole: texts, line by line."""
    soft: Sequence[tuple[int, int]] | None = None
    """First byte and length of what may be damaged in the main file: of a format whose headers are read by native code
    that can crash, what is not given to it; None for all."""

    @property
    def is_folder(self) -> bool:
        """Whether a folder is scanned, and not a file."""
        return self.main not in self.files

    def write(self, directory: Any) -> str:
        """The files in a directory; gives the path of the main one."""
        for name, data in self.files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(data)
        return str(directory / self.main)

    def tar(self) -> bytes:
        """The files in a TAR archive."""
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w") as archive:
            for name, data in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return held.getvalue()

    def zip(self) -> bytes:
        """The files in a ZIP archive, as they are."""
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            for name, data in self.files.items():
                archive.writestr(name, data)
        return held.getvalue()


def made(write: Any, suffix: str = "") -> bytes:
    """The bytes of a file that a library writes to a path."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        write(path)
        return path.read_bytes()


def below(directory: Any, prefix: str = "") -> dict[str, bytes]:
    """All files of a directory, by name."""
    return {
        f"{prefix}{path.relative_to(directory).as_posix()}": path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
