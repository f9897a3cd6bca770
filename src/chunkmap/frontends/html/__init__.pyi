from .pages import as_html, page
from .reads import reads_page, reads_svg

__all__ = [
    "as_html",
    "page",
    "reads_page",
    "reads_svg",
]
