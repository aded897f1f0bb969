"""Files of the repository that the site shows, and links to them, without a second copy in docs/.

The pages and pictures of experiments/ keep their paths, so that their links to each other hold. The pictures of .assets/ are
in pictures/, since MkDocs leaves out folders whose names begin with a dot. A link to any other file of the repository, such as
source code, becomes plain text: the site does not have it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PLACES = {"docs": "", "experiments": "experiments", ".assets": "pictures"}  # a folder of the repository: where the site has it
SHOWN = (
    ".md",
    ".png",
    ".jpg",
    ".webp",
    ".mp4",
    ".csv",
    ".json",
)  # what becomes part of the site
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")  # the text of a link may hold a picture


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that lie outside of docs/."""
    for path in shown():
        files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead the page's links to where the site has their targets."""
    source = repository_path(page.file.src_uri)
    return LINK.sub(lambda found: _link(found, source), markdown)


def shown() -> list[str]:
    """Paths in the repository of all that the site has beside docs/."""
    folders = [ROOT / folder for folder in PLACES if folder != "docs"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in SHOWN]
    return [path.relative_to(ROOT).as_posix() for path in paths]


def site_path(path: str) -> str:
    """Where the site has a file of the repository; raises KeyError where it has none."""
    folder, _, rest = path.partition("/")
    return posixpath.join(PLACES[folder], rest)


def repository_path(uri: str) -> str:
    """Where the repository has a file of the site."""
    for folder, place in PLACES.items():
        if place and uri.startswith(f"{place}/"):
            return posixpath.join(folder, uri.removeprefix(f"{place}/"))
    return f"docs/{uri}"


def _link(found: re.Match[str], source: str) -> str:
    picture, text, target = found.groups()
    text = LINK.sub(lambda inner: _link(inner, source), text)
    path, hash_mark, anchor = target.partition("#")
    if not path or ":" in path or path.startswith("/"):
        return f"{picture}[{text}]({target})"
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if (ROOT / path / "README.md").exists():
        path = f"{path}/README.md"
    if path.partition("/")[0] not in PLACES:
        return text
    here = posixpath.dirname(site_path(source)) or "."
    return f"{picture}[{text}]({posixpath.relpath(site_path(path), here)}{hash_mark}{anchor})"
