"""The codec of an array whose chunks are decoded in several ways (`chunkmap.model.variants`): it decodes nothing.

In which way a chunk is to be decoded is said beside its reference, where no codec looks. So whoever knows the name, but
not the set, is told what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from numcodecs.abc import Codec

from chunkmap.errors import Unsupported

__all__ = ["ChunkmapVariants", "refusal"]


class ChunkmapVariants(Codec):  # type: ignore[misc]
    """Stands for the ways in which chunks of one array are decoded, and refuses to guess one."""

    codec_id: ClassVar[str] = "chunkmap.variants"

    def __init__(self, variants: Any = ()) -> None:
        self.variants = variants

    def encode(self, buf: Any) -> NoReturn:
        """Not possible. Raises Unsupported."""
        raise refusal(buf)

    def decode(self, buf: Any, out: Any = None) -> NoReturn:  # noqa: ARG002 - as numcodecs has it
        """Not possible. Raises Unsupported."""
        raise refusal(buf)


def refusal(data: Any) -> Unsupported:
    """Why a chunk is not decoded, and what reads it."""
    return Unsupported(
        f"{memoryview(data).nbytes} bytes of a chunk: chunks of this array are encoded in several ways, and which it is"
        " only chunkmap reads in the set. Open the set with chunkmap.open_dataset, or hand"
        " chunkmap.open_store to another reader",
        feature="chunkmap.variants",
    )
