"""FITS: images, tables, and images that are compressed tile by tile, from their headers alone.

Specification: https://fits.gsfc.nasa.gov/fits_standard.html, version 4.0.
"""

from chunkmap.formats.fits.scanner import Options, parse

__all__ = ["Options", "parse"]
