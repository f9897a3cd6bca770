"""Of fields that are alike, the octets by which answers differ: who has the same is asked about once.

`chunkmap.formats.grib.keys` says which octets an answer depends on, one field at a time; here they are columns of a
table with a row for each field. More octets than needed may be in a table, never fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chunkmap.formats.grib.fields import Alike, Field
from chunkmap.formats.grib.keys import HYBRID, HYBRID_1, ISOBARIC, ISOBARIC_1, MONTHS, NO_SURFACE
from chunkmap.formats.grib.layout import CENTRE_AND_TABLES, layout_of, parts_of_layout

__all__ = ["of_layout", "of_level", "of_member", "of_product", "of_steps", "of_time"]

Octets = NDArray[np.uint8]

_DATE, _DATE_1 = slice(12, 19), (12, 13, 14, 15, 16, 24)


def of_layout(field: Field, alike: Alike) -> Octets:
    """What places and lengths depend on; all that follows is of fields that have these in common."""
    templates = np.unique(alike.product[:, 7:9].copy().view(">u2")).tolist()
    told = [alike.product[:, part] for part in parts_of_layout(field.edition, *templates)]
    return np.hstack(told) if field.edition == 1 else np.hstack((*told, alike.identification[:, CENTRE_AND_TABLES]))


def of_product(field: Field, alike: Alike) -> Octets:
    """What `product_of` depends on."""
    layout, product = layout_of(field), alike.product.copy()
    start, stop = layout.member
    product[:, start:stop] = 0
    if field.edition == 1:
        product[:, 12:17] = product[:, 18:20] = product[:, 24:25] = 0
        product[np.isin(product[:, 9], (ISOBARIC_1, HYBRID_1)), 10:12] = 0
        return product
    for start, stop in (layout.times, layout.interval):
        product[:, start:stop] = 0
    told = (product, alike.identification[:, 5:12], alike.identification[:, 19:])
    start, stop = layout.surfaces
    if not stop:
        return np.hstack(told)
    plain = _plain(product[:, start:stop])
    product[plain, start + 1 : start + 6] = 0
    return np.hstack((*told, plain[:, None].astype(np.uint8)))


def _plain(surfaces: Octets) -> NDArray[np.bool_]:
    """Whether the level is one of a model, or of whole hectopascals: the product does not depend on which."""
    value = surfaces[:, 2:6].copy().view(">u4").ravel()
    whole = (surfaces[:, 0] == ISOBARIC) & (surfaces[:, 1] == 0) & (value > 0) & (value % 100 == 0)
    return np.asarray(((surfaces[:, 0] == HYBRID) | whole) & (surfaces[:, 6] == NO_SURFACE), np.bool_)


def of_time(field: Field, alike: Alike) -> Octets:
    """What `reference_time` depends on."""
    return alike.product[:, _DATE_1] if field.edition == 1 else alike.identification[:, _DATE]


def of_steps(field: Field, alike: Alike) -> Octets:
    """What `steps_of` depends on."""
    layout = layout_of(field)
    start, stop = layout.times
    if field.edition == 1:
        told = alike.product[:, 17:23]
    else:
        end = layout.interval[0]
        told = np.hstack((alike.product[:, start:stop], alike.product[:, end:] if end else alike.product[:, :0]))
    by_calendar = stop and bool(np.isin(told[:, 0], tuple(MONTHS)).any())
    return np.hstack((told, of_time(field, alike))) if layout.interval[1] or by_calendar else told


def of_level(field: Field, alike: Alike, *, products: NDArray[np.uint32], kinds: Sequence[int]) -> Octets:
    """What `level_of` depends on: its surfaces, and the kind of level of its product, or else the whole product."""
    start, stop = layout_of(field).surfaces
    about = products[alike.rows]
    if stop:
        about = np.array(kinds, np.uint32)[about]
    return np.hstack((about[:, None].view(np.uint8), alike.product[:, start:stop]))


def of_member(field: Field, alike: Alike) -> Octets:
    """What `member_of` depends on."""
    start, stop = layout_of(field).member
    return alike.product[:, start:stop]
