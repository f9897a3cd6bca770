"""NIfTI-1, NIfTI-2 and Analyze 7.5: one image of up to seven axes behind a header of fixed places, or beside it."""

from chunkmap.formats.nifti.scanner import Options, parse

__all__ = ["Options", "parse"]
