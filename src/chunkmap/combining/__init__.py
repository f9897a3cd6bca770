"""Many reference sets to one, by table arithmetic.

A combine has two steps. The *plan* is made from headers and the values of coordinates only: which axes the result
has, and where every input stands along them. *Placing* moves the columns of the manifests to the cells that the plan
gives them. Chunks are never read, with two small exceptions that the plan names: times whose units differ are brought
to one unit, and small arrays whose chunks fall between the cells of the grid are read and held inline.

Nothing here opens a file: values come through the function `read` that the caller hands in.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
