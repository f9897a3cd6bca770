"""Messages decoded by eccodes in another process, for bytes of which we cannot tell that eccodes survives them.

eccodes is written for sound messages: on others it may write where it must not, which ends the process. A child that
ends takes nobody with it: who asked for the values gets an error, and the next one a new child. A child may take so
much memory and time and no more. Starting one takes half a second; it is kept for the next message.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from struct import Struct
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from chunkmap.errors import FormatError, Unsupported

__all__ = ["KEYS", "decode_apart", "main"]

KEYS: Final = ("values", "latitudes", "longitudes")
_REQUEST: Final = Struct(">BQ")
_ANSWER: Final = Struct(">BQ")
_SECONDS: Final = 60
_MEMORY: Final = 8 << 30
_MOST_IDLE: Final = 4
_CODE: Final = "from chunkmap.codecs.grib.apart import main; main()"


class _Child:
    """One process, asked for one message after the other."""

    def __init__(self) -> None:
        if not sys.executable:
            raise Unsupported("no Python to decode it apart from this process", feature="GRIB message")
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and this package
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def ask(self, key: str, message: bytes) -> NDArray[np.float64]:
        """The reals of a key. Raises FormatError where eccodes says that it cannot, or the child is lost."""
        timer = threading.Timer(_SECONDS, self._process.kill)
        timer.start()
        try:
            status, answer = self._exchange(key, message)
        except BaseException as error:  # interrupted, it would give this answer to the next question
            self.end()
            if not isinstance(error, (OSError, EOFError)):
                raise
            code = self._process.returncode
            raise FormatError(f"eccodes did not survive these bytes (its process ended with {code})") from error
        finally:
            timer.cancel()
        if status:
            raise FormatError(answer.decode(errors="replace"))
        return np.frombuffer(answer, "<f8")

    def _exchange(self, key: str, message: bytes) -> tuple[int, bytearray]:
        sent, received = self._process.stdin, self._process.stdout
        assert sent is not None
        assert received is not None
        sent.write(_REQUEST.pack(KEYS.index(key), len(message)) + message)
        sent.flush()
        status, length = _ANSWER.unpack(_exactly(received, _ANSWER.size))
        return status, _exactly(received, length)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _closed(pipe)


def _closed(pipe: IO[bytes]) -> None:
    """Close a pipe, of which nobody may be left at the other end to take what is still in it."""
    try:
        pipe.close()
    except BrokenPipeError:
        return


def _exactly(pipe: IO[bytes], length: int) -> bytearray:
    """So many bytes. Raises EOFError where they do not come."""
    found = bytearray(length)
    view, place = memoryview(found), 0
    while place < length:
        taken = pipe.readinto(view[place:])  # type: ignore[attr-defined]
        if not taken:
            raise EOFError
        place += taken
    return found


_idle: Final[list[_Child]] = []


def decode_apart(message: bytes, key: str) -> NDArray[np.float64]:
    """What `chunkmap.codecs.grib.codec.decode_here` gives for a message, from another process."""
    try:
        child = _idle.pop()
    except IndexError:
        child = _Child()
    try:
        return child.ask(key, message)
    finally:
        if len(_idle) >= _MOST_IDLE:
            child.end()
        elif child.is_alive:
            _idle.append(child)


def _end_all() -> None:
    while _idle:
        _idle.pop().end()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):  # children of the parent answer to the parent alone
    os.register_at_fork(after_in_child=_idle.clear)


def main() -> None:
    """Answer until nobody asks."""
    from chunkmap.codecs.grib.codec import decode_here  # noqa: PLC0415 - loads eccodes, which who asks may not need

    _bounded()
    asked, answered = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while head := asked.read(_REQUEST.size):
        number, length = _REQUEST.unpack(head)
        message = asked.read(length)
        try:
            status, answer = 0, decode_here(message, KEYS[number]).astype("<f8", copy=False).tobytes()
        except Exception as error:  # noqa: BLE001 - whatever it is, the asking process says it
            status, answer = 1, (str(error) or type(error).__name__).encode()
        answered.write(_ANSWER.pack(status, len(answer)) + answer)
        answered.flush()


def _bounded() -> None:
    """Take no more memory than so much, where the system can be told."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ModuleNotFoundError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
