"""The site of these pages: `make docs` builds it offline into out/docs. The test suite runs the code that they hold."""

import picojoule

project = "picojoule"
author = "the picojoule maintainers"
version = release = picojoule.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
root_doc = "index"
html_theme = "furo"
html_title = f"picojoule {version}"
html_show_sourcelink = False
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": False}
highlight_language = "console"
suppress_warnings = ["misc.highlighting_failure"]  # listings show what a command prints, in no language
