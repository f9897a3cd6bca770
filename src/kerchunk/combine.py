"""Many reference sets to one: the door to `chunkmap.combine`, with the names and habits of kerchunk's module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import cached_property, partial
from typing import Any

import fsspec
import numpy as np
import orjson

from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_arrays
from chunkmap.combining import Inputs, Plan, Recipe, carry_out, concatenate, merge
from chunkmap.combining.findings import Finding, refusal
from chunkmap.combining.planning import survey
from chunkmap.errors import CombineError
from chunkmap.model import ManifestArray, ReferenceSet
from chunkmap.model.dictionary import collector_at_rest, documents, json_text
from chunkmap.model.edits import inline
from chunkmap.warning import warn_caller
from kerchunk._inputs import as_set, load_inputs, open_document
from kerchunk.utils import consolidate

__all__ = ["JustLoad", "MultiZarrToZarr", "auto_dask", "concatenate_arrays", "consolidate", "drop", "merge_vars"]

Refs = MutableMapping[str, Any]
OnRefs = Callable[[Refs], Any]


class MultiZarrToZarr:
    """Combine reference sets along coordinates, in kerchunk's stages.

    `translate` does all of it; `first_pass` finds the coordinates (`coos`), `store_coords` and `second_pass` fill
    `out`. See kerchunk's documentation for the arguments, and `chunkmap.combine` for what is checked.
    """

    def __init__(
        self,
        path: str | Sequence[Any],
        indicts: Sequence[Mapping[str, Any]] | None = None,
        coo_map: Mapping[str, Any] | None = None,
        concat_dims: str | Sequence[str] | None = None,
        coo_dtypes: Mapping[str, Any] | None = None,
        identical_dims: Sequence[str] | None = None,
        target_options: Mapping[str, Any] | None = None,
        remote_protocol: str | None = None,
        remote_options: Mapping[str, Any] | None = None,
        inline_threshold: int = 500,
        preprocess: OnRefs | None = None,
        postprocess: OnRefs | None = None,
        out: Refs | None = None,
        *,
        waive: Sequence[str] = (),
    ) -> None:
        self.path, self._indicts = path, indicts
        self._base: ReferenceSet | None = None
        recipe = _recipe(concat_dims, coo_map, coo_dtypes, identical_dims, waive)
        self.concat_dims, self.coo_map = list(recipe.concat_dims or recipe.dims), dict(recipe.selectors)
        self.waive = list(recipe.waive)
        self.coo_dtypes, self.identical_dims = dict(recipe.coo_dtypes), list(recipe.identical_dims)
        self.target_options, self.remote_protocol = dict(target_options or {}), remote_protocol
        self.remote_options, self.inline = remote_options, inline_threshold
        self.preprocess, self.postprocess = preprocess, postprocess
        self._is_own_out = out is None
        self.out: Refs = {} if out is None else out
        self.coos: dict[str, Any] = {}
        self.cf_units: dict[str, Any] | None = None
        self.done: set[int] = set()
        self._plan: Plan | None = None
        self._refused: list[Finding] = []

    @classmethod
    def append(
        cls,
        path: str | Sequence[Any],
        original_refs: Any,
        remote_protocol: str | None = None,
        remote_options: Mapping[str, Any] | None = None,
        target_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> MultiZarrToZarr:
        """More inputs onto a combined set. `translate` gives a new dictionary, or amends a mapper in place."""
        in_place = isinstance(original_refs, MutableMapping) and not isinstance(original_refs, dict)
        combiner = cls(
            path,
            remote_protocol=remote_protocol,
            remote_options=remote_options,
            target_options=target_options,
            out=original_refs if in_place else None,
            **kwargs,
        )
        combiner._base = as_set(original_refs, combiner.target_options)
        return combiner

    @property
    def fss(self) -> list[Any]:
        """A ReferenceFileSystem for each input."""
        options = {"remote_protocol": self.remote_protocol, "remote_options": self.remote_options}
        return [fsspec.filesystem("reference", fo=refs.to_dict(), **options) for refs in self._inputs().sets]

    def first_pass(self) -> dict[str, Any]:
        """Find where every input stands: the values along each dimension, also in `coos`, sorted."""
        self._plan, findings = survey(self._inputs(), self._recipe(), self._read)
        self._refused = [finding for finding in findings if finding.refused]
        self._refuse([finding for finding in self._refused if finding.path in self.coo_map])
        self.coos = {dim: axis.values for dim, axis in self._plan.axes.items()}
        if "var" in self.coo_map:
            self.coos["var"] = np.array(self._plan.names)
        for dim, values in self.coos.items():
            if len(values) < 2:
                text = (
                    f"Concatenated coordinate '{dim}' contains less than expected number of values across the datasets"
                )
                warn_caller(f"{text}: {values}")
        self.cf_units = {dim: dict(axis.attrs) for dim, axis in self._plan.axes.items() if axis.attrs} or None
        self.done.add(1)
        return {dim: set(values.tolist()) for dim, values in self.coos.items()}

    def store_coords(self) -> None:
        """Put the groups and the coordinates into `out`."""
        if 1 not in self.done:
            self.first_pass()
        assert self._plan is not None
        self._refuse(self._refused)
        for key, document in documents({}, self._plan.groups).items():
            self.out[key] = json_text(document)
        coordinates = {dim: array for dim, array in self._placed().items() if dim in self._plan.axes}
        self._put(ReferenceSet(coordinates, {}))
        self.done.add(2)

    def second_pass(self) -> None:
        """Put the chunks of all other arrays into `out`."""
        if 1 not in self.done:
            self.first_pass()
        assert self._plan is not None
        arrays = {path: array for path, array in self._placed().items() if path not in self._plan.axes}
        self._put(ReferenceSet(arrays, {}))
        self.done.add(3)

    def translate(self, filename: str | None = None, storage_options: Mapping[str, Any] | None = None) -> Any:
        """Do what is not done yet. Gives the combined set, or `out` where that is a mapper of the caller's."""
        with collector_at_rest():
            self._finish()
            if not isinstance(self.out, dict):
                return self.out
            plain = self._is_own_out and self.postprocess is None
            result = {"version": 1, "refs": dict(self.out)} if plain else consolidate(self.out)
        if filename is not None:
            with fsspec.open(filename, mode="wb", **(storage_options or {})) as file:
                file.write(orjson.dumps(result))
        return result

    def _inputs(self) -> Inputs:
        sets = load_inputs(self.path, self._indicts, self.target_options)
        if self.preprocess is not None:
            sets = list(map(OnDictionary(self.preprocess), sets))
        if self._base is None:
            return Inputs(sets)
        return Inputs([self._base, *sets], combined=1, first=self._next_index())

    def _next_index(self) -> int:
        """The place that INDEX goes on from when a set is appended to."""
        assert self._base is not None
        counted = [dim for dim, selector in self.coo_map.items() if isinstance(selector, str) and selector == "INDEX"]
        return max((self._base.arrays[dim].meta.size for dim in counted if dim in self._base.arrays), default=0)

    def _recipe(self) -> Recipe:
        selectors = {dim: self._adapted(selector) for dim, selector in self.coo_map.items()}
        return _recipe(self.concat_dims, selectors, self.coo_dtypes, self.identical_dims, self.waive)

    def _adapted(self, selector: Any) -> Any:
        if callable(selector):
            return GroupSelector(selector, self.remote_protocol, self.remote_options)
        return selector

    @cached_property
    def _fetcher(self) -> Fetcher:
        return Fetcher(storage_options=self.remote_options, remote_protocol=self.remote_protocol)

    def _read(self, arrays: Sequence[ManifestArray]) -> list[Any]:
        return read_arrays(arrays, self._fetcher)

    def _refuse(self, findings: Sequence[Finding]) -> None:
        if findings:
            raise refusal(findings)

    def _placed(self) -> Mapping[str, Any]:
        assert self._plan is not None
        self._refuse(self._refused)
        if not hasattr(self, "_arrays"):
            refs = ReferenceSet(carry_out(self._plan, self._read), {})
            self._arrays = (inline(refs, self._fetcher.fetch, threshold=self.inline) if self.inline else refs).arrays
        return self._arrays

    def _finish(self) -> None:
        if not self.done and self._is_own_out:
            self._fill_at_once()
        for number, step in ((1, self.first_pass), (2, self.store_coords), (3, self.second_pass)):
            if number not in self.done:
                step()
        if 4 not in self.done:
            if self.postprocess is not None:
                self.out = self.postprocess(self.out)
            self.done.add(4)
        if hasattr(self.out, "flush"):
            self.out.flush()

    def _fill_at_once(self) -> None:
        """All stages, without filling `out` piece by piece."""
        self.first_pass()
        assert self._plan is not None
        self.out = ReferenceSet(self._placed(), self._plan.groups).to_dict()["refs"]
        self.done.update({2, 3})

    def _put(self, refs: ReferenceSet) -> None:
        found = refs.to_dict()["refs"]
        for key in (".zgroup", ".zattrs"):
            del found[key]
        self.out.update(found)


def _recipe(
    concat_dims: str | Sequence[str] | None,
    coo_map: Mapping[str, Any] | None,
    coo_dtypes: Mapping[str, Any] | None,
    identical_dims: str | Sequence[str] | None,
    waive: Sequence[str] = (),
) -> Recipe:
    named = [concat_dims] if isinstance(concat_dims, str) else list(concat_dims or ())
    return Recipe(
        concat_dims=[dim.rpartition("/")[2] for dim in named],
        coo_map=coo_map or {},
        coo_dtypes=coo_dtypes or {},
        identical_dims=identical_dims or (),
        waive=waive,
        compare_below=0,
        same_chunks=True,
        any_text=True,
    )


class OnDictionary:
    """A function on dictionaries of references, as a step on reference sets."""

    def __init__(self, function: OnRefs) -> None:
        self.function = function

    def __call__(self, refs: ReferenceSet) -> ReferenceSet:
        """Give the function a dictionary of its own to change; what it returns counts, if it returns one."""
        own = refs.to_dict()["refs"]
        changed = self.function(own)
        return ReferenceSet.from_dict(changed if isinstance(changed, Mapping) else own, name=refs.name)


class GroupSelector:
    """A selector function of kerchunk's form `(index, zarr group, dim, file name)`."""

    def __init__(
        self, function: Callable[..., Any], remote_protocol: str | None, remote_options: Mapping[str, Any] | None
    ) -> None:
        self.function, self.remote_protocol, self.remote_options = function, remote_protocol, remote_options

    def __call__(self, index: int, refs: ReferenceSet, dim: str, name: str | None) -> Any:
        """Open the input as a zarr group for the function."""
        import zarr  # noqa: PLC0415 - slow to load, and seldom needed

        from chunkmap.access.store import ReferenceStore  # noqa: PLC0415 - loads zarr

        fetcher = Fetcher(storage_options=self.remote_options, remote_protocol=self.remote_protocol)
        group = zarr.open_group(ReferenceStore(refs, fetcher, 2), mode="r", zarr_format=2)
        return self.function(index, group, dim, name)


def drop(fields: str | tuple[str, ...]) -> Callable[[Refs], Refs]:
    """A preprocess that leaves out every key that begins with one of these texts."""

    def preprocess(refs: Refs) -> Refs:
        for key in [key for key in refs if key.startswith(fields)]:
            refs.pop(key)
        return refs

    return preprocess


def merge_vars(files: Sequence[Any], storage_options: Mapping[str, Any] | None = None) -> Any:
    """The arrays of all files in one set; where several have one, the last one's is taken."""
    loaded = [open_document(file, storage_options) for file in files]
    merge([ReferenceSet.from_dict(refs) for refs in loaded])
    refs: dict[str, Any] = {}
    for document in loaded:
        refs.update(document["refs"])
    return {**loaded[0], "refs": refs}


def concatenate_arrays(
    files: Sequence[Any],
    storage_options: Mapping[str, Any] | None = None,
    axis: int = 0,
    key_seperator: str = ".",
    path: str | None = None,
    check_arrays: bool = False,
) -> dict[str, Any]:
    """One array of every file end to end, by the order of the files alone. It is always checked that they fit."""
    name = "" if path is None else path if "/" in path else path.replace(".", "/")
    sets = [as_set(file, storage_options) for file in files]
    for index, refs in enumerate(sets):
        if name not in refs.arrays:
            raise CombineError(f"no array {path or 'at the root'} in the file at index {index}", inputs=[str(index)])
    joined = concatenate([refs.arrays[name] for refs in sets], axis)
    groups = {group: attrs for group, attrs in sets[0].groups.items() if name.startswith(group)}
    found = ReferenceSet({name: joined}, groups).to_dict()["refs"]
    return consolidate(found if key_seperator == "." else _with_separator(found, name, joined, key_seperator))


def _with_separator(refs: Mapping[str, Any], name: str, array: ManifestArray, separator: str) -> dict[str, Any]:
    """The same references with another text between the numbers of a chunk key."""
    prefix = f"{name}/" if name else ""
    new = dict(zip(array.manifest().keys(prefix), array.manifest().keys(prefix, separator), strict=True))
    document = {**orjson.loads(refs[f"{prefix}.zarray"]), "dimension_separator": separator}
    return {**{new.get(key, key): value for key, value in refs.items()}, f"{prefix}.zarray": json_text(document)}


class JustLoad:
    """A driver for `auto_dask` where every file is a reference set already."""

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.url, self.storage_options = url, storage_options or {}

    def translate(self) -> Any:
        """The set, as it is stored."""
        return open_document(self.url, self.storage_options)


def auto_dask(
    urls: Sequence[str],
    single_driver: type,
    single_kwargs: Mapping[str, Any],
    mzz_kwargs: Mapping[str, Any],
    n_batches: int,
    remote_protocol: str | None = None,
    remote_options: Mapping[str, Any] | None = None,
    filename: str | None = None,
    output_options: Mapping[str, Any] | None = None,
) -> Any:
    """Scan and combine on Dask as a tree: batches first, then their results. Gives the combined set."""
    from chunkmap.execution.tree import Tree, reduce_on_dask  # noqa: PLC0415 - loads dask

    how = dict(mzz_kwargs)
    preprocess, postprocess = how.pop("preprocess", None), how.pop("postprocess", None)
    threshold = how.pop("inline_threshold", 500)
    names = {"concat_dims", "coo_map", "coo_dtypes", "identical_dims"}
    recipe = _recipe(*(how.pop(name, None) for name in ("concat_dims", "coo_map", "coo_dtypes", "identical_dims")))
    if how:
        raise TypeError(
            f"mzz_kwargs: {sorted(how)} do not apply to a tree; it takes {sorted(names)},"
            " inline_threshold, preprocess and postprocess"
        )
    adapted = {
        dim: GroupSelector(selector, remote_protocol, remote_options) if callable(selector) else selector
        for dim, selector in recipe.selectors.items()
    }
    tree = Tree(
        scan=partial(_drive, driver=single_driver, options=dict(single_kwargs)),
        recipe=_recipe(recipe.dims, adapted, recipe.coo_dtypes, list(recipe.identical_dims)),
        preprocess=None if preprocess is None else OnDictionary(preprocess),
        inline_threshold=threshold,
        remote_options=remote_options,
        remote_protocol=remote_protocol,
    )
    refs = reduce_on_dask(urls, tree, batches=n_batches).to_dict()["refs"]
    result = consolidate(refs if postprocess is None else postprocess(refs))
    if filename is not None:
        with fsspec.open(filename, mode="wb", **(output_options or {})) as file:
            file.write(orjson.dumps(result))
    return result


def _drive(url: str, *, driver: type, options: Mapping[str, Any]) -> list[ReferenceSet]:
    """Run a single-file driver; ours give their set as it is, others a dictionary, or one for each message."""
    single = driver(url, **options)
    if hasattr(single, "references"):
        return [single.references()]
    found = single.translate()
    return [ReferenceSet.from_dict(refs, name=url) for refs in (found if isinstance(found, list) else [found])]
