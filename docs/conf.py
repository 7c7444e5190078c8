"""Configuration of the documentation site (Sphinx, MyST, furo); `scripts/documentation/build_site.py` builds it.

The pages are Markdown that also reads well on GitHub, so they have no directives of Sphinx. The navigation is here.
"""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from nmt import __version__

NAVIGATION = {
    "Tutorial": [
        "tutorial/index",
        "tutorial/1-subwords",
        "tutorial/2-vanilla-cell",
        "tutorial/3-gates",
        "tutorial/4-encoder",
        "tutorial/5-decoder",
        "tutorial/6-training",
        "tutorial/7-attention",
        "tutorial/8-search",
        "tutorial/9-curves",
    ],
    "Guides": [
        "guides/own-data",
        "doctor",
        "runs",
        "report",
        "guides/low-resource",
        "guides/fine-tuning",
        "tuning",
        "augmentation",
        "after-training",
        "guides/several-languages",
        "deployment",
        "serving",
        "guides/gpus",
        "guides/clusters",
        "guides/troubleshooting",
    ],
    "Coming from": [
        "coming-from/index",
        "coming-from/opennmt-py",
        "coming-from/eole",
        "coming-from/joeynmt",
        "coming-from/fairseq",
        "coming-from/sockeye",
        "coming-from/marian",
    ],
    "Reference": ["config", "reference/commands", "reference/file-formats", "python", "reference/python-api"],
    "How it works": ["architecture", "reliability"],
    "Results": ["quality", "results", "systems", "benchmarks", "scale", "results/history"],
    "中文": [
        "zh/index",
        "zh/tutorial/index",
        "zh/tutorial/1-subwords",
        "zh/tutorial/2-vanilla-cell",
        "zh/tutorial/3-gates",
        "zh/tutorial/4-encoder",
        "zh/tutorial/5-decoder",
        "zh/tutorial/6-training",
        "zh/tutorial/7-attention",
        "zh/tutorial/8-search",
        "zh/tutorial/9-curves",
    ],
}
"""The pages in the order of the site. A page that is missing here is an error of the build."""

project = "nmt"
version = release = __version__
html_title = f"nmt {__version__}"
language = "en"

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4  # the same anchors as on GitHub
nitpicky = True

html_theme = "furo"
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://(localhost|127\.0\.0\.1).*"]


def setup(app: Any) -> None:
    """Change the text of pages when Sphinx reads them."""
    app.connect("source-read", _prepare)
    app.connect("html-page-context", _set_language)


def _prepare(app: Any, page: str, source: list[str]) -> None:
    """Add the navigation to the first page, and make links to Markdown files outside docs/ links to the files."""
    if page == "index":
        for title, pages in NAVIGATION.items():
            lines = ["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```"]
            source[0] += "\n".join(["", *lines, ""])
    up = r"\.\./" * (page.count("/") + 1)
    source[0] = re.sub(rf"\]\(({up}[\w./-]+\.md)\)", r"](path:\1)", source[0])


def _set_language(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Mark the Chinese pages as Chinese, so that browsers choose the right font and do not offer to translate them."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"
