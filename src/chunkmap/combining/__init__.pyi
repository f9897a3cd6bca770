from .combine import combine_sets
from .concatenate import concatenate
from .diagnosis import Diagnosis, diagnose_sets
from .findings import Finding, together
from .inputs import Inputs
from .merging import merge
from .placing import carry_out
from .plan import Plan
from .planning import make_plan
from .recipe import Recipe
from .selectors import Reader

__all__ = [
    "Diagnosis",
    "Finding",
    "Inputs",
    "Plan",
    "Reader",
    "Recipe",
    "carry_out",
    "combine_sets",
    "concatenate",
    "diagnose_sets",
    "make_plan",
    "merge",
    "together",
]
