"""The nouns: manifests of chunks, metadata of arrays, sets of references. Numpy and the standard library only."""

from chunkmap.model.array import ChunksElsewhere, DeferredArray, ManifestArray
from chunkmap.model.array_in_stretches import ArrayInStretches, Stretch, in_one_stretch
from chunkmap.model.edges import Edges, EvenSteps
from chunkmap.model.finding import Finding, Variant
from chunkmap.model.keys import Precedent
from chunkmap.model.manifest import WHOLE_FILE, ChunkManifest, Reference
from chunkmap.model.meta import ArrayMeta, CodecConfig
from chunkmap.model.placement import Cells, Placement, place
from chunkmap.model.problem import Problem
from chunkmap.model.references import ReferenceSet, Target
from chunkmap.model.source_table import SourceTable
from chunkmap.model.sources import Sources

__all__ = [
    "WHOLE_FILE",
    "ArrayInStretches",
    "ArrayMeta",
    "Cells",
    "ChunkManifest",
    "ChunksElsewhere",
    "CodecConfig",
    "DeferredArray",
    "Edges",
    "EvenSteps",
    "Finding",
    "ManifestArray",
    "Placement",
    "Precedent",
    "Problem",
    "Reference",
    "ReferenceSet",
    "SourceTable",
    "Sources",
    "Stretch",
    "Target",
    "Variant",
    "in_one_stretch",
    "place",
]
