"""Add README, CONTRIBUTING and CHANGELOG to the site, with links that work there and in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: Any) -> Files:
    """Generate a page from each file of the root."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=_relink(text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links from docs/ into the root at the generated pages."""
    return _relink(markdown)


def _relink(text: str) -> str:
    return re.sub(r"\]\((?:\.\./)?([A-Z]+\.md)", lambda match: f"]({PAGES[match[1]]}", text)
