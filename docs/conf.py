"""Sphinx builds the site from `docs/`: `make docs`."""

project = "Packyard"
author = "the Packyard authors"
html_title = "Packyard"
html_theme = "furo"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
nitpicky = True
html_copy_source = False
html_show_copyright = False
