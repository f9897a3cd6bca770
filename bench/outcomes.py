"""What came out of a case, so that equal work is compared; and what memory it took."""

import resource
import sys


def of_set(refs):
    """Number of ranges in files, and the sums of their offsets and lengths."""
    chunks = [array.chunks for array in refs.arrays.values()]
    far = [~manifest.is_inline for manifest in chunks]
    return [
        sum(int(rows.sum()) for rows in far),
        sum(int(manifest.offset[rows].sum()) for manifest, rows in zip(chunks, far, strict=True)),
        sum(int(manifest.length[rows].sum()) for manifest, rows in zip(chunks, far, strict=True)),
    ]


def of_dictionary(document):
    """The same of a dictionary."""
    ranges = [value for value in document.get("refs", document).values() if isinstance(value, (list, tuple))]
    return [len(ranges), sum(r[1] for r in ranges), sum(r[2] for r in ranges)]


def of_directory(path):
    """Bytes on disk."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def peak(whose=resource.RUSAGE_SELF):
    """The most memory that this process, or a child of it, has held, in MB."""
    return resource.getrusage(whose).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
