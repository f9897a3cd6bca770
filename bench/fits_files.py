"""The cases of FITS: the headers of one file of 300 HDUs of 68 cards, beside kerchunk and astropy; a million tiles."""

import gzip
import shutil

import numpy as np

HDUS = 300
NAME = "many.fits"


def write(path):
    """300 images of 256 kB with 60 keywords of their own each; written where it is needed first, in one step."""
    from astropy.io import fits

    hdus = [fits.PrimaryHDU()]
    for number in range(HDUS):
        hdu = fits.ImageHDU(np.zeros((256, 256), "f4"), name=f"E{number}")
        for key in range(60):
            hdu.header[f"KEY{key}"] = (key * 1.5 + number, "a comment")
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path.with_suffix(".part"))
    shutil.move(path.with_suffix(".part"), path)


def ready(folder):
    """The path of the file."""
    path = folder / NAME
    if not path.exists():
        write(path)
    return str(path)


def of_set(arrays):
    """Number of references, and the sums of their offsets and lengths."""
    chunks = [array.chunks for array in arrays.values()]
    return [len(chunks), sum(int(c.offset.sum()) for c in chunks), sum(int(c.length.sum()) for c in chunks)]


def scan_core(folder):
    """The library's own verb."""
    import chunkmap

    path = ready(folder)
    chunkmap.scan(path, hdu=1)
    return lambda: chunkmap.scan(path), lambda refs: {"result": of_set(refs.arrays)}


def scan_door(folder):
    """kerchunk's, for all HDUs that have data."""
    from kerchunk.fits import process_file

    path = ready(folder)
    process_file(path, extension=1)

    def describe(refs):
        ranges = [value for value in refs.values() if isinstance(value, (list, tuple))]
        return {"result": [len(ranges), sum(r[1] for r in ranges), sum(r[2] for r in ranges)]}

    return lambda: process_file(path, extension=list(range(1, HDUS + 1))), describe


def open_astropy(folder):
    """astropy: open the file and read every header."""
    from astropy.io import fits

    path = ready(folder)

    def work():
        with fits.open(path, memmap=False, lazy_load_hdus=False) as file:
            return [(hdu.fileinfo(), dict(hdu.header)) for hdu in file]

    work()
    return work, lambda _: {}


def write_million(path):
    """A compressed image of a million tiles of one pixel, all of which are the same bytes."""
    from astropy.io import fits

    tile = gzip.compress(bytes(2), mtime=0)
    header = fits.Header()
    cards = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": 8, "NAXIS2": 1_000_000, "PCOUNT": len(tile)}
    cards |= {"GCOUNT": 1, "TFIELDS": 1, "TTYPE1": "COMPRESSED_DATA", "TFORM1": f"1PB({len(tile)})", "ZIMAGE": True}
    cards |= {"ZBITPIX": 16, "ZNAXIS": 2, "ZNAXIS1": 1000, "ZNAXIS2": 1000, "ZTILE1": 1, "ZTILE2": 1}
    header.update({**cards, "ZCMPTYPE": "GZIP_1"})
    rows = np.full((1_000_000, 2), [len(tile), 0], ">i4").tobytes()
    first = fits.PrimaryHDU().header.tostring().encode()
    data = rows + tile
    path.write_bytes(first + header.tostring().encode() + data + bytes(-len(data) % 2880))


def scan_million(folder):
    """The library's own verb."""
    import chunkmap

    chunkmap.scan(ready(folder), hdu=1)
    path = folder / "million.fits"
    if not path.exists():
        write_million(path)
    return lambda: chunkmap.scan(path), lambda _: {}


CASES = {"fits-million": (scan_million, None, None), "fits": (scan_core, scan_door, None, None, None, open_astropy)}
TITLES = {
    "fits": "scan one FITS file, 300 HDUs x 68 cards (astropy: open, and read all headers)",
    "fits-million": "scan one FITS image of 1,000,000 compressed tiles",
}
