"""How a stored set came about, as JSON in its sidecar: what appending to it must know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from chunkmap.combining import Recipe
from chunkmap.errors import Remedy, StorageError

__all__ = ["Origin"]

_LAYOUT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The recipe of a set, and what of its inputs the set itself does not tell."""

    recipe: Recipe
    inputs: int
    """How many there were."""
    inline_threshold: int = 0
    scan_options: Mapping[str, Any] = field(default_factory=dict)
    steps: bool = False
    """Whether there was a `preprocess`, which cannot be written down."""
    absent_in_inputs: Mapping[str, int] = field(default_factory=dict)
    """Array -> chunks that its inputs cover and do not have."""
    filled: tuple[str, ...] = ()
    """Arrays that had no fill value, and got one because no input covers all of them."""

    @property
    def is_portable(self) -> bool:
        """Whether its files were scanned, and it is written, as more readers take it."""
        return bool(self.scan_options.get("portable", False))

    def to_json(self) -> dict[str, Any]:
        """The document."""
        recipe = self.recipe
        return {
            "layout": _LAYOUT,
            "concat_dims": list(recipe.dims),
            "identical_dims": sorted(recipe.identical_dims),
            "waive": sorted(recipe.waive),
            "coo_map": {dim: _selector(value) for dim, value in recipe.coo_map.items()},
            "coo_dtypes": {dim: np.dtype(dtype).str for dim, dtype in recipe.coo_dtypes.items()},
            "load_below": recipe.load_below,
            "compare_below": recipe.compare_below,
            "split": recipe.split,
            "eras": recipe.eras,
            "variants": recipe.variants,
            "strict": recipe.strict,
            "inputs": self.inputs,
            "inline_threshold": self.inline_threshold,
            "scan_options": {key: value for key, value in self.scan_options.items() if _is_json(value)},
            "steps": self.steps,
            "own": dict(self.absent_in_inputs),
            "filled": list(self.filled),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str) -> Self:
        """Read the document. Raises StorageError when it is damaged, or was written by a later chunkmap."""
        try:
            if document["layout"] != _LAYOUT:
                raise StorageError(f"{where}: a later chunkmap wrote down how it was built; give the recipe again")
            recipe = Recipe(
                concat_dims=list(document["concat_dims"]),
                identical_dims=list(document["identical_dims"]),
                waive=list(document["waive"]),
                coo_map={dim: _from_json(dim, value, where) for dim, value in document["coo_map"].items()},
                coo_dtypes=document["coo_dtypes"],
                load_below=int(document["load_below"]),
                compare_below=int(document["compare_below"]),
                split=bool(document["split"]),
                eras=bool(document["eras"]),
                variants=bool(document.get("variants", False)),
                strict=bool(document.get("strict", False)),
                any_text=True,
            )
            return cls(
                recipe=recipe,
                inputs=int(document["inputs"]),
                inline_threshold=int(document["inline_threshold"]),
                scan_options=dict(document["scan_options"]),
                steps=bool(document["steps"]),
                absent_in_inputs={path: int(number) for path, number in document["own"].items()},
                filled=tuple(document["filled"]),
            )
        except StorageError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StorageError(f"{where}: what is written of how it was built is damaged: {error!r}") from error


def _selector(value: Any) -> Any:
    """A selector as JSON; a function cannot be written down."""
    if isinstance(value, re.Pattern):
        return {"pattern": value.pattern, "flags": value.flags}
    if isinstance(value, (list, tuple)) and all(map(_is_json, value)):
        return {"list": list(value)}
    return {"value": value} if _is_json(value) else {"function": repr(value)}


def _from_json(dim: str, document: Mapping[str, Any], where: str) -> Any:
    if "pattern" in document:
        return re.compile(document["pattern"], document["flags"])
    if "list" in document:
        return document["list"]
    if "function" in document:
        again = Remedy("coo_map", {dim: ...})
        raise StorageError(
            f"{where}: the values of {dim} came from {document['function']}, which is not kept with the set;"
            f" give it again: {again}"
        ).helped_by(again)
    return document["value"]


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))
