"""DMR++: a document in XML that says where the chunks of a granule are, which need not be read for it.

Specification: the DAP4 data model, https://docs.opendap.org/index.php/DAP4:_Specification_Volume_1 (section 5, DMR),
and OPeNDAP's DMR++, https://docs.opendap.org/index.php/DMR%2B%2B, as the Hyrax data server 1.17 writes and reads it.
"""

from chunkmap.formats.dmrpp.scanner import Options, parse

__all__ = ["Options", "parse"]
