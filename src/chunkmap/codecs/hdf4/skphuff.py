"""The codec `hdf4_skphuff`: skipping Huffman coding, a splay tree for each byte of an element.

D. W. Jones, "Application of splay trees to data compression", CACM 31 (1988): the tree is semi-splayed after each
byte, so that coder and decoder learn alike. HDF keeps one tree for each byte of an element, and takes them in turn.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

__all__ = ["Hdf4SkippingHuffman"]

_LEAF: Final = 256
"""Nodes below this number are inner ones; a leaf is a byte plus this."""


class Hdf4SkippingHuffman(Codec):  # type: ignore[misc]
    """Decodes `nbytes` bytes, of elements of `skip` bytes each.

    >>> codec = Hdf4SkippingHuffman(skip=2, nbytes=4)
    >>> codec.decode(codec.encode(b"abab"))
    b'abab'
    """

    codec_id = "hdf4_skphuff"

    def __init__(self, skip: int, nbytes: int) -> None:
        if skip < 1:
            raise ValueError(f"expected elements of at least 1 byte, found {skip}")
        self.skip, self.nbytes = skip, nbytes

    def encode(self, buf: Any) -> Any:
        """The path from the root to each byte."""
        trees = [_Tree() for _ in range(self.skip)]
        bits = [bit for place, byte in enumerate(ensure_bytes(buf)) for bit in trees[place % self.skip].path(byte)]
        return np.packbits(np.array(bits, np.uint8)).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The bytes. Raises ValueError when the bits end before they do."""
        bits = np.unpackbits(np.frombuffer(ensure_bytes(buf), np.uint8)).tolist()
        trees = [_Tree() for _ in range(self.skip)]
        coming, data = iter(bits), bytearray()
        try:
            for place in range(self.nbytes):
                data.append(trees[place % self.skip].next(coming))
        except StopIteration:
            raise ValueError(f"expected {self.nbytes} bytes of skipping Huffman coding, found {len(data)}") from None
        return ndarray_copy(bytes(data), out)


class _Tree:
    """A splay tree over the 256 values of a byte.

    Its root is 0, whose only child is 1 at first: the library begins like this, and what it wrote depends on it.
    """

    def __init__(self) -> None:
        self.up = [node >> 1 for node in range(2 * _LEAF)]
        self.left = [2 * node for node in range(_LEAF)]
        self.right = [2 * node + 1 for node in range(_LEAF)]

    def next(self, bits: Any) -> int:
        """The byte that the next bits lead to."""
        left, right, node = self.left, self.right, 0
        while node < _LEAF:
            node = right[node] if next(bits) else left[node]
        self._splay(node)
        return node - _LEAF

    def path(self, byte: int) -> list[int]:
        """The bits that lead to a byte."""
        node, bits = byte + _LEAF, list[int]()
        while node:
            parent = self.up[node]
            bits.append(int(self.right[parent] == node))
            node = parent
        self._splay(byte + _LEAF)
        return bits[::-1]

    def _splay(self, node: int) -> None:
        """Turn every second edge on the way to the root, which halves the depth of the leaf."""
        up, left, right = self.up, self.left, self.right
        while node:
            parent = up[node]
            if not parent:
                return
            above = up[parent]
            other = left[above]
            if parent == other:
                other = right[above]
                right[above] = node
            else:
                left[above] = node
            if node == left[parent]:
                left[parent] = other
            else:
                right[parent] = other
            up[node], up[other] = above, parent
            node = above
