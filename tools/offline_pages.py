"""A hook of MkDocs: the build fails when a page would fetch anything from elsewhere while it is read.

Links that a reader may follow are not fetched and stay. How pages are ordered is in `mkdocs.yml`.
"""

import re
from html.parser import HTMLParser
from typing import Any

_FETCHES = {"src", "srcset", "data", "poster"}
_POINTS_TO = {"alternate", "author", "canonical", "license", "next", "prev"}
_ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.IGNORECASE | re.DOTALL)
_IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        addresses = [given[name] for name in given if name in _FETCHES]
        if tag == "link" and given.get("rel") not in _POINTS_TO:
            addresses.append(given.get("href", ""))
        self.found += [address for address in addresses if _ELSEWHERE.match(address)]
        self.found += _IN_STYLE.findall(given.get("style", ""))
        if "mermaid" in given.get("class", "").split():
            self.found.append("the script that draws mermaid diagrams")


def fetched_from_elsewhere(html: str) -> list[str]:
    """What a page makes its reader's browser fetch from other hosts."""
    reader = _Reader()
    reader.feed(html)
    return [*reader.found, *(address for style in _STYLE.findall(html) for address in _IN_STYLE.findall(style))]


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Look at a page before it is written: the entry point of MkDocs."""
    if found := fetched_from_elsewhere(output):
        raise SystemExit(f"{page.file.src_path} would fetch from elsewhere: {', '.join(found)}")
    return output
