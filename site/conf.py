"""The documentation as a site: Sphinx, which documents Python since 2008 and is kept by many, with the theme Furo.

`make docs` copies the pages of the repository, as they lie there, into a folder with index.md on top, so that every
link between them holds in both places. Material for MkDocs was tried first: it reaches its end of life in May 2027.
"""

project = "chunkmap"
author = "the authors of chunkmap"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md"]
suppress_warnings = ["myst.header"]  # pages may begin a section two levels down

myst_heading_anchors = 4
myst_links_external_new_tab = True

autodoc_typehints = "description"
autodoc_typehints_description_target = "all"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autoclass_content = "class"

html_theme = "furo"
html_title = "chunkmap"
html_show_sphinx = False
html_static_path = []
