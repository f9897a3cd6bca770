"""The keys of GeoTIFF: their numbers and names, and the two tags of parameters they point into.

GeoTIFF 1.1, https://docs.ogc.org/is/19-008r4/19-008r4.html, section 7 and annex B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chunkmap.formats.tiff import tags
from chunkmap.formats.tiff.ifd import Directory

__all__ = ["NAMES", "read_geokeys"]

NAMES: Final[Mapping[int, str]] = {
    1024: "GTModelTypeGeoKey",
    1025: "GTRasterTypeGeoKey",
    1026: "GTCitationGeoKey",
    2048: "GeographicTypeGeoKey",
    2049: "GeogCitationGeoKey",
    2050: "GeogGeodeticDatumGeoKey",
    2051: "GeogPrimeMeridianGeoKey",
    2052: "GeogLinearUnitsGeoKey",
    2053: "GeogLinearUnitSizeGeoKey",
    2054: "GeogAngularUnitsGeoKey",
    2055: "GeogAngularUnitSizeGeoKey",
    2056: "GeogEllipsoidGeoKey",
    2057: "GeogSemiMajorAxisGeoKey",
    2058: "GeogSemiMinorAxisGeoKey",
    2059: "GeogInvFlatteningGeoKey",
    2060: "GeogAzimuthUnitsGeoKey",
    2061: "GeogPrimeMeridianLongGeoKey",
    2062: "GeogTOWGS84GeoKey",
    3072: "ProjectedCSTypeGeoKey",
    3073: "PCSCitationGeoKey",
    3074: "ProjectionGeoKey",
    3075: "ProjCoordTransGeoKey",
    3076: "ProjLinearUnitsGeoKey",
    3077: "ProjLinearUnitSizeGeoKey",
    3078: "ProjStdParallel1GeoKey",
    3079: "ProjStdParallel2GeoKey",
    3080: "ProjNatOriginLongGeoKey",
    3081: "ProjNatOriginLatGeoKey",
    3082: "ProjFalseEastingGeoKey",
    3083: "ProjFalseNorthingGeoKey",
    3084: "ProjFalseOriginLongGeoKey",
    3085: "ProjFalseOriginLatGeoKey",
    3086: "ProjFalseOriginEastingGeoKey",
    3087: "ProjFalseOriginNorthingGeoKey",
    3088: "ProjCenterLongGeoKey",
    3089: "ProjCenterLatGeoKey",
    3090: "ProjCenterEastingGeoKey",
    3091: "ProjCenterNorthingGeoKey",
    3092: "ProjScaleAtNatOriginGeoKey",
    3093: "ProjScaleAtCenterGeoKey",
    3094: "ProjAzimuthAngleGeoKey",
    3095: "ProjStraightVertPoleLongGeoKey",
    3096: "ProjRectifiedGridAngleGeoKey",
    4096: "VerticalCSTypeGeoKey",
    4097: "VerticalCitationGeoKey",
    4098: "VerticalDatumGeoKey",
    4099: "VerticalUnitsGeoKey",
    5120: "CoordinateEpochGeoKey",
}
"""Number of a key -> its name."""


def read_geokeys(directory: Directory) -> dict[str, Any]:
    """Name of each key -> its value: a number, several, or a text. Keys that point nowhere are left out."""
    words = directory.numbers(tags.GEO_KEY_DIRECTORY).tolist()
    doubles = directory.numbers(tags.GEO_DOUBLE_PARAMS).tolist()
    texts = directory.entries.get(tags.GEO_ASCII_PARAMS)
    ascii_params = bytes(texts.data).decode("latin-1") if texts is not None else ""
    found: dict[str, Any] = {}
    for place in range(4, len(words) - 3, 4):
        key, where, count, value = map(int, words[place : place + 4])
        name = NAMES.get(key, f"GeoKey{key}")
        if where == 0:
            found[name] = value
        elif where == tags.GEO_ASCII_PARAMS and value + count <= len(ascii_params):
            found[name] = ascii_params[value : value + count].rstrip("\0").removesuffix("|")
        elif where == tags.GEO_DOUBLE_PARAMS and count and value + count <= len(doubles):
            numbers = doubles[value : value + count]
            found[name] = numbers[0] if count == 1 else numbers
    return found
