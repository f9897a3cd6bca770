"""The case `dmrpp`: a DMR++ of half a megabyte, 10 variables of 625 chunks, beside VirtualiZarr's parser."""

VARIABLES, SIDE = 10, 25
NAME = "granule.h5.dmrpp"
HEAD = (
    '<?xml version="1.0"?>\n<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#"'
    ' xmlns:dmrpp="http://xml.opendap.org/dap/dmrpp/1.0.0#" dapVersion="4.0" name="granule.h5"'
    ' dmrpp:href="OPeNDAP_DMRpp_DATA_ACCESS_URL">\n'
)


def ready(folder):
    """The path of the document, as a server writes it; written where it is needed first."""
    path = folder / NAME
    if not path.exists():
        path.write_text(f"{HEAD}{''.join(map(variable, range(VARIABLES)))}</Dataset>")
    return path.resolve()


def variable(number):
    """One variable, all chunks of which are listed."""
    first, size = number * SIDE * SIDE * 4083 + 1000, SIDE * 100
    chunks = "\n".join(
        f'      <dmrpp:chunk offset="{first + n * 4083}" nBytes="4083"'
        f' chunkPositionInArray="[{n // SIDE * 100},{n % SIDE * 100}]"/>'
        for n in range(SIDE * SIDE)
    )
    return (
        f'  <Float32 name="v{number}"><Dim size="{size}"/><Dim size="{size}"/>'
        '<Attribute name="units" type="String"><Value>K</Value></Attribute>\n'
        '    <dmrpp:chunks compressionType="shuffle deflate" deflateLevel="4" fillValue="0" byteOrder="LE">'
        f"<dmrpp:chunkDimensionSizes>100 100</dmrpp:chunkDimensionSizes>\n{chunks}\n    </dmrpp:chunks></Float32>\n"
    )


def scan_core(folder):
    """The library's own verb."""
    import chunkmap

    path = str(ready(folder))
    chunkmap.scan(path)
    return lambda: chunkmap.scan(path), lambda refs: {"chunks": refs.nchunks}


def scan_virtualizarr(folder):
    """VirtualiZarr's parser."""
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import DMRPPParser

    url = ready(folder).as_uri()
    parser, registry = DMRPPParser(), ObjectStoreRegistry({"file://": LocalStore()})
    parser(url, registry)
    return lambda: parser(url, registry), lambda _: {}


CASES = {"dmrpp": (scan_core, None, scan_virtualizarr)}
TITLES = {"dmrpp": "scan a DMR++ of half a megabyte, 6,250 chunks"}
