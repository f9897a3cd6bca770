"""Where the octets of time, level and member stand in what a field says of itself.

That differs from template to template, with what a template counts, and from one extension of a centre to the next:
eccodes says where.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chunkmap.codecs.grib.eccodes import Message
from chunkmap.codecs.grib.headers import PRODUCTS
from chunkmap.codecs.grib.room import COUNTED
from chunkmap.formats.grib.fields import Field
from chunkmap.formats.grib.headers import header, start_of_product
from chunkmap.formats.grib.memory import Memory

__all__ = ["CENTRE_AND_TABLES", "MEMBER_KEYS", "Layout", "layout_of", "parts_of_layout"]

CENTRE_AND_TABLES: Final = slice(5, 11)
"""The octets of section 1 of edition 2 that say whose templates, names and meanings the others have."""
MEMBER_KEYS: Final = ("perturbationNumber", "number")
"""What counts the members of an ensemble; the latter is the number of a cluster as well."""


class Layout(NamedTuple):
    """Where in `product` the octets stand that are compared apart; (0, 0) where there are none."""

    times: tuple[int, int]
    """Unit and forecast time."""
    interval: tuple[int, int]
    """End of the overall time interval."""
    surfaces: tuple[int, int]
    """Both fixed surfaces: type, scale factor and value of each."""
    member: tuple[int, int]


_layouts: Final = Memory[Layout]()


def layout_of(field: Field) -> Layout:
    """Where its octets stand."""
    product = field.product
    told = b"".join(product[part] for part in parts_of_layout(field.edition, int.from_bytes(product[7:9], "big")))
    if field.edition == 1:
        return _layouts.get((1, len(product), told), lambda: _ask_layout_1(field))
    own = field.identification[CENTRE_AND_TABLES]
    return _layouts.get((2, len(product), told, own, field.local), lambda: _ask_layout_2(field))


def parts_of_layout(edition: int, *templates: int) -> tuple[slice, ...]:
    """The octets of `product` that the layout depends on: vertical coordinates and template, and all of them where a
    template counts what may stand before its surfaces. In edition 1 the centre, the number of a grid that is defined
    beforehand, the part of the centre, and the beginning of what it writes itself: definition, class, type, stream.
    """
    if edition == 1:
        return slice(4, 5), slice(6, 7), slice(25, 26), slice(40, 45)
    counted = any(template in COUNTED or template not in PRODUCTS for template in templates)
    return (slice(5, None if counted else 9),)


def _ask_layout_1(field: Field) -> Layout:
    """Section 1 of edition 1 has fixed places, but for what a centre writes behind octet 40."""
    with Message(header(field)) as message:
        return Layout((17, 21), (0, 0), (9, 12), _member(message, field))


def _ask_layout_2(field: Field) -> Layout:
    start = start_of_product(field)
    with Message(header(field)) as message:
        forecast, surface, end = (
            (message.offset(key) or start) - start
            for key in ("forecastTime", "typeOfFirstFixedSurface", "yearOfEndOfOverallTimeInterval")
        )
        width = surface - forecast if surface - forecast in (2, 4) else 4
        spans = ((forecast - 1, forecast + width), (end, end + 7), (surface, surface + 12))
        times, interval, surfaces = (
            span if span[0] > 0 and span[1] <= len(field.product) else (0, 0) for span in spans
        )
        return Layout(times, interval, surfaces, _member(message, field))


def _member(message: Message, field: Field) -> tuple[int, int]:
    """Where the number of the member stands: where eccodes says, and as wide as it is found to read it there.

    A number of 0 does not tell one octet from two. So another one is put there, and eccodes is asked again.
    """
    key = next((key for key in MEMBER_KEYS if message.get(key, int) is not None), None)
    place = None if key is None else message.offset(key)
    if key is None or place is None:
        return 0, 0
    place -= start_of_product(field)
    for width in (1, 2):
        if 0 < place <= len(field.product) - width:
            product = field.product[:place] + (1).to_bytes(width, "big") + field.product[place + width :]
            with Message(header(field._replace(product=product))) as changed:
                if changed.get(key, int) == 1:
                    return place, place + width
    return 0, 0
