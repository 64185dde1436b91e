"""Sphinx configuration; ``python -m sphinx -W --keep-going -b html docs docs/_build/html`` builds the pages offline."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
# The pages describe this checkout, not another version that may be installed; generate.py lies beside this file.
sys.path[:0] = [str(DOCS.parent), str(DOCS)]
# The HTCondor bindings read a configuration when they are imported, and complain where there is none.
os.environ.setdefault("CONDOR_CONFIG", os.devnull)

import generate  # noqa: E402

import condor_futures  # noqa: E402

project = "condor_futures"
author = "the authors of condor_futures"
version = release = condor_futures.__version__

extensions = [
    "myst_nb",  # pages are Markdown, and a notebook
    "sphinx.ext.autodoc",  # the API reference comes from the docstrings
    "sphinx.ext.napoleon",  # which are in Google style
    "sphinx.ext.graphviz",  # draws processes and threads
]
# What is generated is included by pages, and is not a page.
exclude_patterns = ["_build", "_generated", "explanation/performance"]

nb_execution_mode = "off"  # docs/make_notebook.py keeps the outputs: a run needs a pool
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3  # so that pages can link to each other's sections

autodoc_member_order = "bysource"  # the order in which the source tells its story
autodoc_typehints = "signature"  # the docstrings say what an argument means, the signature its type
napoleon_use_ivar = True  # "Attributes:" in a class's docstring are fields of a list, not entries of their own

graphviz_output_format = "svg"

html_theme = "furo"
html_title = f"condor_futures {release}"
html_show_sphinx = False

# Tables and the diagram of states are drawn from the code, so that they cannot tell another story.
generate.main(DOCS / "_generated")
