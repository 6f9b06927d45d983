"""The documentation is read offline: what a page would fetch from elsewhere is found."""

from types import SimpleNamespace

import pytest
from offline_pages import fetched_from_elsewhere, on_post_page

ELSEWHERE = "https://example.org/x"


@pytest.mark.parametrize(
    "html",
    [
        f'<script src="{ELSEWHERE}"></script>',
        f'<img alt="" src="{ELSEWHERE}">',
        '<img src="//example.org/x">',
        f'<link rel="stylesheet" href="{ELSEWHERE}">',
        f'<link href="{ELSEWHERE}" rel="preconnect">',
        f'<object data="{ELSEWHERE}"></object>',
        f"<style>body {{ background: url('{ELSEWHERE}') }}</style>",
        f'<style>@import "{ELSEWHERE}";</style>',
        f'<p style="background: url({ELSEWHERE})">text</p>',
        '<pre class="mermaid"><code>graph LR</code></pre>',
    ],
)
def test_what_is_fetched_from_elsewhere_is_found(html):
    assert len(fetched_from_elsewhere(f"<html><body>{html}</body></html>")) == 1


@pytest.mark.parametrize(
    "html",
    [
        f'<a href="{ELSEWHERE}">a link that a reader may follow</a>',
        f'<link rel="canonical" href="{ELSEWHERE}">',
        '<script src="assets/javascripts/bundle.js"></script><img src="drain.svg">',
        '<link rel="stylesheet" href="assets/main.css"><style>body { margin: 0 }</style>',
        f"<pre><code>broker_url = url({ELSEWHERE})</code></pre>",
    ],
)
def test_links_and_files_of_the_site_are_not(html):
    assert fetched_from_elsewhere(f"<html><body>{html}</body></html>") == []


def test_such_a_page_ends_the_build_and_is_named():
    page = SimpleNamespace(file=SimpleNamespace(src_path="how-to/redis.md"))
    assert on_post_page("<p>fine</p>", page=page, config=None) == "<p>fine</p>"
    with pytest.raises(SystemExit, match=r"how-to/redis\.md would fetch from elsewhere: https://example.org/x"):
        on_post_page(f'<img src="{ELSEWHERE}">', page=page, config=None)
