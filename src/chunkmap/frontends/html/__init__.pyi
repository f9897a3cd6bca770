from .pages import as_html, page

__all__ = [
    "as_html",
    "page",
]
