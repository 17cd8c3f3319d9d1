# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the documentation site; tools/site/build calls it."""

from __future__ import annotations

project = "nodecycle.slurm"
copyright = "nodecycle.slurm maintainers"  # noqa: A001 - Sphinx's name
html_title = "nodecycle.slurm"

extensions = ["myst_parser", "sphinx_antsibull_ext", "sphinxcontrib.mermaid"]

# Headings get the anchors that GitHub gives them, so that one link serves both.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

# As large as its text needs, and no button on it.
mermaid_height = "auto"
mermaid_width = "auto"
mermaid_fullscreen = False
# Ids by the clock collide where two diagrams are drawn in the same millisecond, and one then covers the other.
mermaid_init_config = {"startOnLoad": False, "deterministicIds": True}

# A link that leads nowhere is a warning, and build turns warnings into failures.
nitpicky = True
# antsibull-docs links to pages of ansible-core's own documentation; they can be resolved only with a connection to it.
nitpick_ignore_regex = [
    ("std:ref", r"ansible_collections\.ansible\..*|action_plugins|ansible_configuration_settings|common_return_values")
]

# Quotation marks stay as they are: readers copy commands.
smartquotes = False
highlight_language = "text"
pygments_style = "ansible"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
