import json
import re

import numpy as np
import pytest

from schanger_mm.scene.plan import Settings
from schanger_mm.scene.run import predict_scene

SMALL = dict(window=64, overlap=32, block=128)


@pytest.fixture
def page(tmp_path, write_truth, truth):
    """Return a function that predicts 40 new houses and one that was demolished, and returns summary and page."""
    def make(classes=('other', 'building'), **options):
        before, after = np.zeros((2, 128, 400), int)
        for index in range(40):
            row, col = 10 + 30 * (index // 20), 8 + 18 * (index % 20)
            after[row:row + 8, col:col + 8] = 1
        before[90:94, 100:104] = 1  # the smallest
        spec = write_truth(before != after, before, after)
        summary = predict_scene(spec, truth(classes), tmp_path / 'out', Settings(**SMALL, **options))
        return summary, (tmp_path / 'out/report.html').read_text()
    return make


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.mark.parametrize('format', ['gpkg', 'geojson'])
def test_the_page_has_a_legend_that_filters_and_lists_some_of_each_kind(page, format):
    _, text = page(format=format)
    assert re.findall(r'name="group" value="(\d)" checked><i style="background:rgb\([\d, ]+\)"></i>(\w+) <small>(\d+)',
                      text) == [('0', 'new', '40'), ('1', 'demolished', '1')]
    data = data_of(text)
    assert [change['name'] for change in data['changes']] == ['new'] * 30 + ['demolished']
    assert data['changes'][-1]['rank'] == 41 and data['changes'][-1]['group'] == 1
    assert data['changes'][-1]['classes'] == 'building → other'
    assert set(data['preview']['groups']) == {'0', '1'} and '31 of 41: the largest, also of each kind' in text


def test_the_page_has_tables_of_areas(page):
    summary, text = page()
    section = re.search(r'id="what">.*?</section>', text, re.DOTALL)[0]
    cells = [re.sub('<.*?>', ' ', row).split() for row in re.findall('<tr>.*?</tr>', section)]
    assert cells == [['kind', 'polygons', 'area'], ['new', '40', '640', 'm²'], ['demolished', '1', '4', 'm²'],
                     ['other', 'building', 'all'], ['other', '-', '640', 'm²', '640', 'm²'],
                     ['building', '4', 'm²', '-', '4', 'm²'], ['all', '4', 'm²', '640', 'm²', '644', 'm²']]
    assert 'from to' not in text and '<dd>644 m²</dd>' in text
    assert summary['polygons']['kinds']['new'] == {'polygons': 40, 'area_m2': 640.0}


def test_without_kinds_changes_are_told_apart_by_what_the_ground_became(page):
    _, text = page(("<field>", "farmer's house"))
    assert [(value, name) for value, name in re.findall(r'value="(\d)" checked><i style=".*?"></i>(.*?) <small>', text)
            ] == [('0', '&lt;field&gt;'), ('1', 'farmer&#x27;s house')]
    assert '<field>' not in re.sub(r'<script.*?</script>', '', text, flags=re.DOTALL)
    data = data_of(text)
    assert data['changes'][-1]['name'] == "farmer's house → <field>" and data['changes'][-1]['group'] == 0
    assert len(data['changes']) == 31
