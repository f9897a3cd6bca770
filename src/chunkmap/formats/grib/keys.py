"""What fields are: names, levels, steps and members, as eccodes gives them.

Asking eccodes for the name of a parameter takes a millisecond, and a file has thousands of fields. So it is asked once
for all fields that say the same: their octets are compared without those of time, member, and isobaric or hybrid
level, which no name depends on; these are asked for once for each of their own values. `layout` says where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from chunkmap.codecs.grib.eccodes import Message
from chunkmap.formats.grib.fields import Field
from chunkmap.formats.grib.headers import header, start_of_grid
from chunkmap.formats.grib.layout import CENTRE_AND_TABLES, MEMBER_KEYS, Layout, layout_of
from chunkmap.formats.grib.memory import Memory

__all__ = ["HYBRID", "HYBRID_1", "ISOBARIC", "ISOBARIC_1", "MEANING", "MONTHS", "NO_SURFACE", "Level", "Product",
           "Steps", "level_of", "member_of", "product_of", "reference_time", "steps_of"]  # fmt: skip

ISOBARIC, HYBRID, NO_SURFACE = 100, 105, 255
"""Types of surface, code table 4.5."""
ISOBARIC_1, HYBRID_1 = 100, 109
"""The same in edition 1, table 3."""
_UNKNOWN: Final = (None, "", "unknown", "undef", "~", "none")
_PARAMETER_KEYS: Final = ("shortName", "name", "units", "cfName", "cfVarName")
_SUBSTANCES: Final = ("constituentType", "aerosolType")
"""What a parameter of chemistry is of: its number alone does not say, and CF has a name for each."""
MEANING: Final = (
    "paramId", "units", "constituentType", "aerosolType", "derivedForecast", "probabilityType",
    "scaledValueOfFirstWavelength", "scaledValueOfFirstSize", "scaledValueOfCentralWaveNumber", "satelliteNumber",
)  # fmt: skip
"""Keys by which fields are different things, even where no other field stands in their place."""
_ATTRIBUTE_KEYS: Final = (
    "edition", "centre", "subCentre", "paramId", "dataType", "typeOfLevel", "stepType", "totalNumber",
    "numberOfDirections", "numberOfFrequencies", "NV",
)  # fmt: skip
_OF_GROUP: Final = ("edition", "centre", "centreDescription", "subCentre")
_EXTRA_COORDINATES: Final = ("percentileValue", "quantile", "directionNumber", "frequencyNumber")
MONTHS: Final = {3: 1, 4: 12, 5: 120, 6: 360, 7: 1200}
"""Units of time, code table 4.4, that are no fixed number of seconds: so many months."""


class Product(NamedTuple):
    """What all fields have in common that differ in nothing but time, member, and the value of some levels."""

    name: str
    """What the array is called."""
    attrs: Mapping[str, Any]
    """Attributes of the array: `GRIB_*`, and those of CF."""
    group: Mapping[str, Any]
    """Attributes of the group."""
    extra: Mapping[str, float]
    """Coordinates of its own: the percentile, the limits of a probability, direction and frequency of waves."""
    meaning: tuple[Any, ...]
    """What two fields must have in common to stand in one array: the values of `MEANING`."""
    pattern: bytes
    """All octets that were compared: fields of the same name that differ here are different things."""

    @property
    def type_of_level(self) -> str:
        """What the level is a coordinate of."""
        return str(self.attrs.get("GRIB_typeOfLevel", ""))

    @property
    def step_type(self) -> str:
        """Whether values are of one time, or how they come from an interval."""
        return str(self.attrs.get("GRIB_stepType", ""))


class Level(NamedTuple):
    """The value of a level; of a layer, the top and the bottom."""

    value: float | None
    bottom: float | None


class Steps(NamedTuple):
    """From the reference time to the begin and to the end of what a field is about, in seconds."""

    begin: float | None
    end: float | None


_products: Final = Memory[Product]()
_parameters: Final = Memory[Mapping[str, Any]]()
_members: Final = Memory[int | None]()
_levels: Final = Memory[Level]()
_steps: Final = Memory[Steps]()


def product_of(field: Field) -> Product:
    """What the field is."""
    pattern = _pattern(field, layout_of(field))
    return _products.get(pattern, lambda: _ask_product(field, pattern))


def level_of(field: Field, product: Product) -> Level:
    """Its level, as a real number."""
    start, stop = layout_of(field).surfaces
    if field.edition == 2 and stop:
        plain = _plain_level(field.product[start:stop], product.type_of_level)
        if plain is not None:
            return Level(plain, None)
    key = (field.edition, field.product[start:stop] if stop else product.pattern, product.type_of_level)
    return _levels.get(key, lambda: _ask_level(field))


def _plain_level(surfaces: bytes, kind: str) -> float | None:
    """A whole number of hectopascals, or of a level of the model, which needs no asking: a file may have thousands."""
    if surfaces[1] or surfaces[2] & 0x80 or surfaces[6] != NO_SURFACE:
        return None
    value = int.from_bytes(surfaces[2:6], "big")
    if surfaces[0] == ISOBARIC and kind == "isobaricInhPa" and not value % 100:
        return value / 100
    return float(value) if surfaces[0] == HYBRID and kind == "hybrid" else None


def member_of(field: Field) -> int | None:
    """The number of the member of an ensemble."""
    start, stop = layout_of(field).member
    if stop:
        return int.from_bytes(field.product[start:stop], "big")
    if not field.local:
        return None
    key = (field.identification[CENTRE_AND_TABLES], field.local, field.product[7:9])
    return _members.get(key, lambda: _ask_member_of_centre(field))


def reference_time(field: Field) -> datetime | None:
    """The time from which steps are counted; None where the octets say none, as for a climate without a year."""
    try:
        if field.edition == 2:
            year, rest = int.from_bytes(field.identification[12:14], "big"), field.identification[14:19]
            return datetime(year, *rest)  # noqa: DTZ001 - times of GRIB are UTC
        year, month, day, hour, minute = field.product[12:17]
        if year == 255:
            return None
        return datetime((field.product[24] - 1) * 100 + year, month, day, hour, minute)  # noqa: DTZ001
    except ValueError:
        return None


def steps_of(field: Field) -> Steps:
    """Begin and end of what it is about."""
    start, stop = layout_of(field).times
    if field.edition == 1:
        unit, key = field.product[17], (1, *field.product[17:23])
    else:
        end = layout_of(field).interval[0]
        until = (field.product[end:], field.identification[12:19]) if end else ()
        unit, key = field.product[start], (field.product[7:9], field.product[start:stop], *until)
    if stop and unit in MONTHS:
        return _steps_in_months(field, unit)
    return _steps.get(key, lambda: _ask_steps(field))


def _ask_member_of_centre(field: Field) -> int | None:
    """The number that stands in the section of the centre, section 2 of edition 2."""
    with Message(header(field)) as message:
        for key in MEMBER_KEYS:
            place, member = message.offset(key), message.get(key, int)
            if member is not None and place is not None and place < start_of_grid(field):
                return int(member)
    return None


def _pattern(field: Field, layout: Layout) -> bytes:
    """The octets that say what a field is."""
    product = bytearray(field.product)
    first, last = layout.surfaces
    mark = b""
    if field.edition == 1:
        product[12:17] = bytes(5)
        product[18:20] = bytes(2)
        product[24:25] = b"\x00"
        if product[9] in (ISOBARIC_1, HYBRID_1):
            product[10:12] = bytes(2)
        own = b"1"
    else:
        own = b"2" + field.indicator[6:7] + field.identification[5:12] + field.identification[19:] + field.local
        if last and product[first] in (ISOBARIC, HYBRID) and product[first + 6] == NO_SURFACE:
            if product[first] == ISOBARIC:
                mark = _kind_of_pressure(product[first + 1], bytes(product[first + 2 : first + 6]))
            product[first + 1 : first + 6] = bytes(5)
        for start, stop in (layout.times, layout.interval):
            product[start:stop] = bytes(stop - start)
    start, stop = layout.member
    product[start:stop] = bytes(stop - start)
    return b"".join((own, mark, bytes(product)))


def _kind_of_pressure(scale: int, value: bytes) -> bytes:
    """What of an isobaric level eccodes looks at for the name of its type. Whole hectopascals have one name; of what is
    0, or in between, eccodes says that it is in Pa or in hPa, and is asked for each.
    """
    factor = -(scale & 0x7F) if scale & 0x80 else scale
    pascals = int.from_bytes(value, "big") * 10 ** min(-factor, 9) if factor <= 0 else 0
    return b"hPa" if pascals and pascals % 100 == 0 else b"%d" % factor + value


def _ask_product(field: Field, pattern: bytes) -> Product:
    with Message(header(field)) as message:
        found = {key: message.get(key) for key in _ATTRIBUTE_KEYS}
        found["centreDescription"] = message.get("centreDescription")
        substance = tuple(message.get(key) for key in _SUBSTANCES)
        identity = (found["edition"], found["centre"], found["paramId"], *substance)
        if found["paramId"] in (None, 0):
            parameter = _ask_parameter(message)
        else:
            parameter = _parameters.get(identity, partial(_ask_parameter, message))
        known = {**found, **parameter, **dict(zip(_SUBSTANCES, substance, strict=True))}
        meaning = tuple(known[key] if key in known else message.get(key) for key in MEANING)
        extra = {key: message.get(key, float) for key in _EXTRA_COORDINATES}
        extra |= {name: _limit(message, name) for name in ("lowerLimit", "upperLimit")}
    attrs = {
        f"GRIB_{key}": v for key, v in {**found, **parameter}.items() if v not in _UNKNOWN and key not in _OF_GROUP
    }
    for name, key in (("long_name", "name"), ("units", "units"), ("standard_name", "cfName")):
        if parameter[key] not in _UNKNOWN:
            attrs[name] = parameter[key]
    attrs["GRIB_stepUnits"] = 1  # hours, in which steps are given, whatever the octets count them in
    group = {f"GRIB_{key}": found[key] for key in _OF_GROUP if found[key] is not None}
    group |= {"Conventions": "CF-1.7", "institution": found["centreDescription"]}
    coordinates = {key: value for key, value in extra.items() if value is not None}
    return Product(_name(parameter, field), attrs, group, coordinates, meaning, pattern)


def _ask_parameter(message: Message) -> Mapping[str, Any]:
    return {key: message.get(key) for key in _PARAMETER_KEYS}


def _limit(message: Message, name: str) -> float | None:
    key = name[0].upper() + name[1:]
    factor, value = message.get(f"scaleFactorOf{key}", int), message.get(f"scaledValueOf{key}", int)
    return None if factor is None or value is None else float(value) * 10.0**-factor


def _name(parameter: Mapping[str, Any], field: Field) -> str:
    """The variable's name in CF files, else the short name; of a parameter that eccodes does not know, its octets."""
    for key in ("cfVarName", "shortName"):
        name = str(parameter[key]).replace("/", "_")
        if parameter[key] not in _UNKNOWN and not name.startswith("."):
            return name
    if field.edition == 1:
        return f"unknown_{field.product[3]}_{field.product[8]}"
    return f"unknown_{field.indicator[6]}_{field.product[9]}_{field.product[10]}"


def _ask_level(field: Field) -> Level:
    with Message(header(field)) as message:
        value, top, bottom = (message.get(key, float) for key in ("level", "topLevel", "bottomLevel"))
        return Level(value, None if bottom is None or bottom == top else bottom)


def _ask_steps(field: Field) -> Steps:
    with Message(header(field)) as message:
        if message.get("endStep") is None:
            return Steps(None, None)
        message.set("stepUnits", "s")
        return Steps(message.get("startStep", float), message.get("endStep", float))


def _steps_in_months(field: Field, unit: int) -> Steps:
    """Steps of months, years and more, by the calendar from the reference time."""
    reference = reference_time(field)
    if reference is None:
        return Steps(None, None)
    layout = layout_of(field)
    if field.edition == 1:
        first, second = field.product[18:20]
        counts = (first, second if field.product[20] in (2, 3, 4, 5) else first)
    else:
        start, stop = layout.times
        raw = int.from_bytes(field.product[start + 1 : stop], "big")
        top = 1 << (8 * (stop - start - 1) - 1)
        counts = (-(raw & (top - 1)) if raw & top else raw,) * 2
    begin, end = (_later(reference, count * MONTHS[unit]) for count in counts)
    if layout.interval[1]:
        end = _end_of_interval(field, layout) or end
    return Steps(_seconds(begin, reference), _seconds(end, reference))


def _end_of_interval(field: Field, layout: Layout) -> datetime | None:
    start = layout.interval[0]
    octets = field.product[start : start + 7]
    try:
        return datetime(int.from_bytes(octets[:2], "big"), *octets[2:])  # noqa: DTZ001
    except ValueError:
        return None


def _later(time: datetime, months: int) -> datetime | None:
    """The same day of a later month, or the last one where that month is shorter."""
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    for day in (time.day, 30, 29, 28):
        try:
            return time.replace(year=year, month=month + 1, day=min(day, time.day))
        except ValueError:
            continue
    return None


def _seconds(time: datetime | None, reference: datetime) -> float | None:
    return None if time is None else (time - reference) / timedelta(seconds=1)
