"""Plain images described by a text beside them: headers of ENVI, and ESRI's of BIL, BIP, BSQ and FLT files."""

from chunkmap.formats.envi.scanner import Options, parse

__all__ = ["Options", "parse"]
