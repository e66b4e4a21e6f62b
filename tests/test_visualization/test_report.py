import base64
import io
import json
import math
import re

import numpy as np
import pytest
from PIL import Image

from schanger_mm.visualization import format_table, read_scalars, write_report

ROWS = [dict(run='scratch', F1=61.234, seconds=312), dict(run='<SaDL>', F1=79.9, seconds=None, note='a & b')]
CURVES = {
    'training loss $x_1': {'scratch': [(1, 3.0), (2, math.nan), (3, 1.0)], '<SaDL>': [(1, 2.0), (3, 0.5)]},
    'validation F1': [(2, 40.0), (4, 60.0)],
    'empty': [],
}


@pytest.fixture
def page(tmp_path):
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[..., 0] = 200
    Image.fromarray(picture).save(tmp_path / 'p.png')
    pictures = [('first <i>', picture), ('second', tmp_path / 'p.png'), ('third', tmp_path / 'gone.png')]
    path = tmp_path / 'new' / 'report.html'
    assert write_report(path, 'A <b>title</b>', ROWS, CURVES, pictures, ['one & two']) == path
    assert [f.name for f in path.parent.iterdir()] == ['report.html']
    return path.read_text(encoding='utf-8')


def test_all_text_is_escaped(page):
    assert '<h1>A &lt;b&gt;title&lt;/b&gt;</h1>' in page and '<p>one &amp; two</p>' in page
    assert '&lt;SaDL&gt;' in page and '<SaDL>' not in page and 'first &lt;i&gt;' in page and '<i>' not in page


def test_the_page_needs_nothing_from_outside(page):
    assert '<script' not in page and '<link' not in page and '@import' not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert not re.findall(r'url\((?!#)', page)


def test_pictures_are_embedded_and_a_missing_one_is_said(page):
    data = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(data) == 2
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[0]))))
    assert image.shape == (20, 30, 3) and abs(int(image[5, 5, 0]) - 200) < 4
    assert 'picture not readable' in page and 'gone.png' in page


def test_curves_are_drawn_in_the_pages_own_text_colour(page):
    assert page.count('<svg') == 2 and 'currentColor' in page and '#010203' not in page
    assert 'training loss $x_1' in page and 'empty: nothing logged' in page


def test_the_table_has_all_columns(page):
    assert '<th class="number">F1</th>' in page and '<td class="number">61.23</td>' in page
    assert '<td>a &amp; b</td>' in page


def test_an_empty_report_is_a_report(tmp_path):
    text = write_report(tmp_path / 'r.html', 'nothing', [], {}, []).read_text()
    assert '<h1>nothing</h1>' in text and '<h2>' not in text


def test_format_table_aligns_numbers_to_the_right():
    assert format_table(ROWS, ['run', 'F1', 'seconds']).splitlines() == [
        'run         F1  seconds',
        '-------  -----  -------',
        'scratch  61.23      312',
        '<SaDL>   79.90        -']
    assert format_table([]) == ''
    assert 'note' in format_table(ROWS).splitlines()[0]


def log(work_dir, time, *records, tail=''):
    file = work_dir / time / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('\n'.join(json.dumps(r) for r in records) + '\n' + tail)


def test_read_scalars_takes_the_latest_training_run(tmp_path):
    log(tmp_path, '20260101_000000', dict(loss=9.0, step=1))
    log(tmp_path, '20260102_000000',
        dict(loss=3.0, lr=0.1, iter=10, step=10), {'changed/F1': math.nan, 'step': 10},
        dict(loss=2.0, lr=0.1, iter=20, step=20), {'changed/F1': 50.0, 'step': 20}, tail='{"loss": 1.')
    log(tmp_path, '20260103_000000', {'changed/F1': 51.0, 'step': 0})
    curves = read_scalars(tmp_path)
    assert set(curves) == {'loss', 'lr', 'changed/F1'}
    assert curves['loss'] == [(10, 3.0), (20, 2.0)]
    assert curves['changed/F1'][1] == (20, 50.0) and math.isnan(curves['changed/F1'][0][1])


def test_read_scalars_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match='vis_data'):
        read_scalars(tmp_path)
    log(tmp_path, 'a', dict(loss=1.0, step=1))
    file = tmp_path / 'a' / 'vis_data' / 'scalars.json'
    file.write_text('broken\n' + file.read_text())
    with pytest.raises(ValueError, match='line 1 is not JSON'):
        read_scalars(tmp_path)
