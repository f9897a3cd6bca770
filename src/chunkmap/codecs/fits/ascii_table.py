"""The codec `FITSAscii`: rows of an ASCII table of FITS, as references of kerchunk describe them.

Sets that chunkmap makes have a codec for each column instead, `fits_ascii`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from chunkmap.codecs.record_member import record_dtype

__all__ = ["AsciiTableCodec"]


class AsciiTableCodec(Codec):  # type: ignore[misc]
    """Rows of text of the types `indtypes` to records of the types `outdtypes`.

    >>> AsciiTableCodec([["a", "S5"], ["b", "S3"]], [["a", "f8"], ["b", "i4"]]).decode(b"2.5D1  3").tolist()
    [(25.0, 3)]
    """

    codec_id = "FITSAscii"

    def __init__(self, indtypes: Any, outdtypes: Any) -> None:
        self.indtypes, self.outdtypes = indtypes, outdtypes
        self._text, self._values = record_dtype(indtypes), record_dtype(outdtypes)
        if self._text.names is None or self._text.names != self._values.names:
            raise ValueError(f"expected records of the same members, found {indtypes} and {outdtypes}")

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The records. Raises ValueError for text that is no number, or rows that are cut short."""
        text = np.frombuffer(ensure_bytes(buf), self._text)
        values = np.empty(len(text), self._values)
        for name in self._values.names or ():
            column = text[name]
            if self._values[name].kind in "iufc":
                column = np.char.replace(np.char.strip(column), b"D", b"E")
            values[name] = column.astype(self._values[name])
        return ndarray_copy(values, out)

    def encode(self, _: Any) -> Any:
        """How a number was written is not known."""
        raise NotImplementedError("ASCII tables are read, never written")
