"""Where the site's sources are and where it is made."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = ROOT / "zensical.toml"
SOURCE = ROOT / "build" / "docs-source"
"""The assembled Markdown that the builder reads, as `docs_dir` in CONFIG says."""
SITE = ROOT / "build" / "site"
"""The built site, as `site_dir` in CONFIG says."""

PAGES_ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "demo_model/CARD.md": "demo_model.md",
    "deploy/helm/trimtab/README.md": "kubernetes.md",
    "README.md": "index.md",
}
"""Markdown outside docs/ that is a page of the site; the README is not one, and its links lead to the first page."""
