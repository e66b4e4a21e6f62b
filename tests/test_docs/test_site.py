"""The site that `make docs` has built: every link within it leads somewhere, and the tutorials have pictures."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[2] / 'docs/_build/html'
needs_site = pytest.mark.skipif(not (SITE / 'README.html').is_file(), reason='`make docs` has not run')


class Page(HTMLParser):
    """What a page of HTML links to, and the places in it that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.images = [], set(), 0
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.update(filter(None, (values.get('id'), values.get('name'))))
        self.images += tag == 'img'
        self.links += [values[key] for key in ('href', 'src') if values.get(key)]


def broken_links(site):
    """Return (page, link) for each link to a file or place that is not there."""
    pages = {path: Page(path) for path in site.rglob('*.html') if '_static' not in path.parts}  # templates
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / 'index.html' if target.is_dir() else target
            known = pages[target].ids if target in pages else None
            if not target.is_file() or (parts.fragment and known is not None and unquote(parts.fragment) not in known):
                found.append((path.name, link))
    return found


def test_a_broken_link_or_anchor_is_found(tmp_path):
    (tmp_path / 'a.html').write_text('<h1 id="top">A</h1><a href="b.html#here">1</a><a href="#top">2</a>'
                                     '<a href="https://example.org/x">3</a>')
    (tmp_path / 'b.html').write_text('<p id="there"></p><img src="c.png">')
    assert sorted(broken_links(tmp_path)) == [('a.html', 'b.html#here'), ('b.html', 'c.png')]


@needs_site
def test_every_link_of_the_site_leads_somewhere():
    assert broken_links(SITE) == []


@needs_site
def test_the_readme_is_the_first_page():
    assert (SITE / 'index.html').read_text(encoding='utf-8') == (SITE / 'README.html').read_text(encoding='utf-8')


@needs_site
@pytest.mark.parametrize('name, pictures', [('own_pairs', 3), ('two_rasters', 2), ('few_labels', 2)])
def test_a_tutorial_shows_its_pictures(name, pictures):
    page = SITE / f'docs/tutorials/{name}.html'
    if 'cell_output' not in page.read_text(encoding='utf-8'):
        pytest.skip('built without running the tutorials')
    assert Page(page).images >= pictures
