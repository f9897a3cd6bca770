"""Inputs of one kind each: when a series changes its packing, type, codec or grid, every era stands for itself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Literal

from chunkmap.combining.differences import signature
from chunkmap.combining.findings import Finding, Findings
from chunkmap.combining.inputs import Inputs
from chunkmap.combining.recipe import Recipe
from chunkmap.combining.times import is_time
from chunkmap.combining.variants import without_encoding
from chunkmap.errors import CombineError
from chunkmap.model import ArrayMeta

__all__ = ["MOST_ERAS", "eras_of"]

MOST_ERAS: Final = 100
"""A series with more changes than this has no eras."""

_Kind = tuple[tuple[str, Hashable], ...]


def eras_of(inputs: Inputs, recipe: Recipe, findings: Findings) -> list[str]:
    """The group of the result that each input goes to: the root for all, unless the recipe asks for eras.

    Inputs are of one era when every array that both have can be one array. An era is named by its place among those
    found, in the order of the inputs. More than `MOST_ERAS` are refused.
    """
    if not recipe.eras:
        return [""] * len(inputs)
    if inputs.combined:
        raise CombineError(
            "expected inputs that are not combined yet, found results: eras must be combined all at once"
        )
    nbytes: dict[str, int] = {}
    for refs in inputs:
        for path, array in refs.arrays.items():
            nbytes[path] = nbytes.get(path, 0) + array.meta.nbytes
    read_inline = {path for path, size in nbytes.items() if size <= recipe.load_below}
    kinds: list[_Kind] = [
        tuple((path, _signature(recipe, path, array.meta, read_inline)) for path, array in refs.arrays.items())
        for refs in inputs
    ]
    era_of_kind: dict[_Kind, int] = {}
    eras: list[dict[str, Hashable]] = []
    for kind in dict.fromkeys(kinds):
        if len(eras) > MOST_ERAS:
            message = (
                f"expected at most {MOST_ERAS} eras, found more: inputs differ nearly from one to the next:"
                " one file's arrays cannot stand under another's metadata here. Combine without eras to see in what"
            )
            findings.add(Finding("eras", "eras", message))
            return [""] * len(inputs)
        number = next((n for n, era in enumerate(eras) if all(era.get(p, s) == s for p, s in kind)), len(eras))
        if number == len(eras):
            eras.append({})
        eras[number].update(kind)
        era_of_kind[kind] = number
    if len(eras) == 1:
        return [""] * len(inputs)
    return [f"era_{era_of_kind[kind]}" for kind in kinds]


def _signature(recipe: Recipe, path: str, meta: ArrayMeta, read_inline: set[str]) -> Hashable:
    selector = recipe.selectors.get(path.rpartition("/")[2])
    coordinate = isinstance(selector, str) and selector.startswith("cf:")
    is_axis = path in recipe.selectors and path not in recipe.in_order
    times = is_time(meta.attrs.get("units")) and (coordinate or not is_axis)
    chunks: bool | Literal["across"] = path not in read_inline and not is_axis
    if chunks and recipe.split and not meta.codecs:
        chunks = False
    if chunks and recipe.zarr_format == 3:
        chunks = "across"
    meta = without_encoding(meta) if recipe.variants and path not in recipe.selectors else meta
    return signature(meta, recipe.selectors.keys(), chunks=chunks, units=not times)
