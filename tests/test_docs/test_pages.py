"""The pages of the documentation as they are committed."""

import importlib.metadata
import json
import re
import runpy

import pytest
from fixtures.shell_lines import PAGES, ROOT

DOCS = ROOT / 'docs'
TUTORIALS = sorted((DOCS / 'tutorials').glob('*.ipynb'))
MARKDOWN = [page for page in PAGES if page.suffix == '.md'] + [DOCS / 'tutorials/index.md', ROOT / 'CHANGELOG.md']
FIGURES = runpy.run_path(str(DOCS / 'figures/draw.py'))


def anchors(page):
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.M | re.S)
    titles = re.findall(r'^#{1,3} (.+)$', text, re.M)
    return {re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files_and_headings(page):
    text = re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.M | re.S)
    for link, _, anchor in (found.partition('#') for found in re.findall(r'\]\((?!\w+:)([^)\s]+)\)', text)):
        target = (page.parent / link).resolve() if link else page
        assert target.is_file(), f'{page}: {link}'
        assert not anchor or anchor in anchors(target), f'{page}: {link}#{anchor}'


def test_the_readme_is_short():
    assert len((ROOT / 'README.md').read_text().split()) <= 1100


def test_the_readme_shows_the_commands_of_a_checkout():
    text = (ROOT / 'README.md').read_text()
    for config in ('pretrain_inria', 'levir'):
        assert f'\npython tools/train.py configs/schanger/{config}.py\n' in text


@pytest.mark.parametrize('path', TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_committed_without_outputs(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    assert code and all(cell['outputs'] == [] and cell['execution_count'] is None for cell in code)


def test_there_are_three_tutorials():
    assert [path.stem for path in TUTORIALS] == ['few_labels', 'own_pairs', 'two_rasters']


@pytest.mark.parametrize('name', ['network', 'scam', 'tfm'])
def test_a_figure_is_what_its_script_draws(name, tmp_path):
    committed = (DOCS / f'figures/{name}.svg').read_text(encoding='utf-8')
    if importlib.metadata.version('matplotlib') not in committed:
        pytest.skip('drawn with another version of matplotlib')
    FIGURES['main'](tmp_path, [name])
    assert (tmp_path / f'{name}.svg').read_text(encoding='utf-8') == committed
