"""How to combine: what the caller asks for, checked once, and handed to every worker."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self, TypedDict

import numpy as np

from chunkmap.combining.differences import WAIVABLE
from chunkmap.combining.spelling import check_dims, check_spelling
from chunkmap.errors import CombineError, Remedy
from chunkmap.keywords import check_keywords

__all__ = ["ORDER", "VARIABLES", "HowToCombine", "Recipe", "Selector", "given"]

Selector = Any
"""One of the kinds listed in `chunkmap.combining.selectors`."""

VARIABLES = "var"
"""The axis of names: selecting along it names variables, and makes no dimension."""


ORDER: Final = "ORDER"
"""The selector of a dimension without a coordinate, along which inputs follow one another as they are given."""


class HowToCombine(TypedDict, total=False):
    """The keyword arguments that say how to combine, for every verb that combines. `Recipe` explains each."""

    concat_dims: str | Sequence[str]
    coo_map: Mapping[str, Selector] | None
    identical_dims: Collection[str]
    coo_dtypes: Mapping[str, Any] | None
    waive: Collection[str]
    load_below: int
    compare_below: int
    split: bool
    eras: bool
    variants: bool
    strict: bool
    zarr_format: Literal[2, 3]
    uneven_group: str | None


def given(verb: str, how: HowToCombine) -> dict[str, Any]:
    """What a caller of a verb gave of them; None stands for not given.

    Raises TypeError for an argument that says nothing about combining, naming the one that was meant.

    >>> given("build", {"concat_dim": "time"})
    Traceback (most recent call last):
    TypeError: build() has no argument 'concat_dim': did you mean 'concat_dims'?
    """
    check_keywords(verb, how, HowToCombine, all_say="how to combine")
    return {name: value for name, value in how.items() if value is not None}


def _by_dimension(name: str, value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """An argument that says something of dimensions by their names; None says nothing."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} is {value!r}, expected a mapping of names of dimensions")
    return {} if value is None else value


def _names(name: str, value: Any) -> Collection[str]:
    """An argument that names things; one name is a list of it, and None none.

    >>> _names("concat_dims", "time")
    ('time',)
    """
    if isinstance(value, str):
        return (value,)
    if value is not None and (not isinstance(value, Iterable) or isinstance(value, Mapping)):
        raise TypeError(f"{name} is {value!r}, expected a name, or several")
    return tuple(value or ())


def _check_bytes(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}, expected a number of bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Along which dimensions to combine, where inputs stand along them, and what may be overlooked.

    >>> Recipe(concat_dims=("time",)).selectors
    {'time': 'data:time'}
    """

    concat_dims: Sequence[str] = ()
    """Dimensions to combine along; one that an array does not have becomes a new leading dimension of it."""
    coo_map: Mapping[str, Selector] = field(default_factory=dict)
    """Dimension -> selector; by default the values of the coordinate of that name."""
    identical_dims: Collection[str] = ()
    """Arrays to take from the first input."""
    coo_dtypes: Mapping[str, Any] = field(default_factory=dict)
    """Dimension -> type that its values are cast to."""
    waive: Collection[str] = ()
    """Checks to leave out, of `WAIVABLE`."""
    load_below: int = 1_000_000
    """Arrays of at most so many bytes may be read and held inline, where their chunks do not line up."""
    compare_below: int = 64_000
    """Arrays in `identical_dims` of fewer bytes are read and compared; larger ones are taken on trust."""
    split: bool = False
    """Cut uncompressed chunks, where those of the inputs do not fall on one grid, into a grid that they do fall on."""
    eras: bool = False
    """Put inputs that cannot share arrays (another type, packing, codec or shape) into groups `era_0`, `era_1`..."""
    variants: bool = False
    """Join what differs only in how its chunks are decoded (type, byte order, codecs, fill value, packing) in one
    array, which chunkmap alone reads. `chunkmap.open_store` serves it to other readers."""
    strict: bool = False
    """Refuse what would be copied: arrays whose values would be read and held inline, however small they are."""
    zarr_format: Literal[2, 3] = 2
    """The version of Zarr that the result is for. In v3 a grid may have chunks of several lengths: those of the inputs,
    where they do not fall on a regular grid."""
    uneven_group: str | None = None
    """With Zarr v3, a group beside the others for arrays whose chunks are of several lengths, and their coordinates."""

    any_text: bool = False
    """Take every text in `coo_map` that is no selector for a constant, even one that is nearly a selector."""
    same_chunks: bool = False
    """Refuse arrays whose chunks differ in shape between inputs even when they are small enough to be read."""

    def __post_init__(self) -> None:
        for name in ("concat_dims", "identical_dims", "waive"):
            object.__setattr__(self, name, _names(name, getattr(self, name)))
        for name in ("load_below", "compare_below"):
            _check_bytes(name, getattr(self, name))
        for name in ("coo_map", "coo_dtypes"):
            object.__setattr__(self, name, _by_dimension(name, getattr(self, name)))
        if not self.any_text:
            check_spelling(self.coo_map)
            check_dims([dim for dim in self.coo_map if dim != VARIABLES], self.dims)
        both = set(self.identical_dims) & {*self.coo_map, *self.concat_dims}
        if both:
            raise CombineError(f"Values being mapped cannot also be identical: {sorted(both)}")
        if not self.concat_dims and not self.coo_map:
            dims, places = Remedy("concat_dims"), Remedy("coo_map")
            raise CombineError(
                f"expected {dims} or {places} to say along which dimensions to combine, found neither"
            ).helped_by(dims, places)
        if self.zarr_format not in (2, 3):
            raise ValueError(f"zarr_format is {self.zarr_format!r}, expected 2 or 3")
        if self.uneven_group is not None and (not self.uneven_group or "/" in self.uneven_group):
            raise ValueError(f"uneven_group is {self.uneven_group!r}, expected the name of a group")
        unknown = set(self.waive) - WAIVABLE
        if unknown:
            raise ValueError(f"cannot waive {sorted(unknown)}: the checks that can be waived are {sorted(WAIVABLE)}")
        self._check_order()

    def _check_order(self) -> None:
        for dim in self.in_order:
            if dim in self.coo_dtypes:
                raise CombineError(f"coo_dtypes: {dim} is in the order of the inputs, and has no values to cast")

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions to combine along, each once."""
        return tuple(dict.fromkeys(self.concat_dims or self.coo_map))

    @property
    def selectors(self) -> dict[str, Selector]:
        """A selector for every dimension."""
        default = {dim: "VARNAME" if dim == VARIABLES else f"data:{dim}" for dim in self.dims}
        return {**default, **self.coo_map}

    @property
    def of_combined(self) -> dict[str, Selector]:
        """Where a set stands that is itself a result of this recipe: its coordinates say it, its names are final."""
        return {
            dim: f"cf:{dim}" if isinstance(selector, str) and selector.startswith("cf:") else f"data:{dim}"
            for dim, selector in self.selectors.items()
            if dim != VARIABLES and (dim in self.dims)
        } | dict.fromkeys(self.in_order, ORDER)

    @property
    def in_order(self) -> tuple[str, ...]:
        """The dimensions along which inputs follow one another as they are given."""
        return tuple(dim for dim, selector in self.coo_map.items() if isinstance(selector, str) and selector == ORDER)

    def again(self) -> Self:
        """The recipe for combining results of this one."""
        dims = tuple(dim for dim in self.dims if dim != VARIABLES)
        return replace(self, concat_dims=dims, coo_map=self.of_combined)
