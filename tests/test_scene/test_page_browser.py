"""The page in headless Chromium."""

import os
import shutil

import numpy as np
import pytest

from schanger_mm.geo.pair import PairSpec
from schanger_mm.scene.page import write_page
from schanger_mm.scene.polygons import write_polygons
from schanger_mm.scene.summary import write_summary

WIDTH, HEIGHT = 3000, 1600  # more than the preview, so that the crops are sharper than it
BOXES = (1200, 2400, 200, 120), (300, 500, 60, 60), (900, 1500, 20, 20)  # row, col, height, width; largest first


def missing(what):
    """Skip, or fail where tests must be complete."""
    (pytest.fail if os.environ.get('CI') == 'true' else pytest.skip)(f'{what} is not installed')


@pytest.fixture(scope='module')
def browser():
    program = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
    if program is None:
        missing('chromium')
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing('playwright')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    import rasterio
    folder = tmp_path_factory.mktemp('scene')
    rng = np.random.default_rng(0)
    images = rng.integers(60, 200, (2, 1, HEIGHT // 20, WIDTH // 20), np.uint8).repeat(20, 2).repeat(20, 3)
    change = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    for row, col, height, width in BOXES:
        change[:, row:row + height, col:col + width] = 1
    bands = dict(before=images[0].repeat(3, 0), after=images[1].repeat(3, 0), change=change, probability=change * 200)
    for name, values in bands.items():
        with rasterio.open(folder / f'{name}.tif', 'w', driver='GTiff', width=WIDTH, height=HEIGHT, dtype='uint8',
                           count=len(values), compress='deflate', crs='EPSG:32633',
                           transform=rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5.6e6)) as raster:
            raster.write(values)
    rasters = folder / 'change.tif', folder / 'probability.tif'
    found = write_polygons(*rasters, folder / 'change.gpkg')
    summary = write_summary(folder / 'summary.json', rasters[0], polygons=found)
    return write_page(folder / 'report.html', PairSpec(str(folder / 'before.tif'), str(folder / 'after.tif')), *rasters,
                      folder / 'change.gpkg', summary)


@pytest.fixture
def page(browser, report):
    """The page, opened from its file; fails at the end if it said or loaded anything."""
    context = browser.new_context(viewport={'width': 1280, 'height': 800}, reduced_motion='reduce')
    page = context.new_page()
    said, loaded = [], []
    page.on('console', lambda message: said.append(message.text))
    page.on('pageerror', lambda error: said.append(str(error)))
    page.on('request', lambda request: loaded.append(request.url.partition(';')[0][:100]))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert said == []
    assert [url for url in loaded if not url.startswith('data:')] == [report.as_uri()]


def style(page, selector, name):
    return page.eval_on_selector(selector, f'element => getComputedStyle(element).{name}')


def box(page, selector):
    return page.locator(selector).first.bounding_box()


def test_the_border_between_the_dates_is_dragged(page):
    stage = box(page, '#stage')
    before = style(page, '#before', 'clipPath')

    page.mouse.move(stage['x'] + stage['width'] / 2, stage['y'] + 100)
    page.mouse.down()
    page.mouse.move(stage['x'] + stage['width'] / 4, stage['y'] + 120)
    page.mouse.up()

    assert page.get_attribute('#swipe', 'aria-valuenow') == '25'
    assert style(page, '#before', 'clipPath') != before
    assert box(page, '#swipe')['x'] + 22 == pytest.approx(stage['x'] + stage['width'] / 4, abs=3)
    page.mouse.move(stage['x'] + stage['width'] / 2, stage['y'] + 100)  # released: it stays
    assert page.get_attribute('#swipe', 'aria-valuenow') == '25'


@pytest.mark.parametrize('key, expected', [('ArrowLeft', '48'), ('PageUp', '60'), ('Home', '0'), ('End', '100')])
def test_the_border_moves_by_keyboard(page, key, expected):
    page.focus('#swipe')
    page.keyboard.press(key)

    assert page.get_attribute('#swipe', 'aria-valuenow') == expected


def test_the_overlay_is_switched_and_faded(page):
    def shown():
        return page.eval_on_selector_all(
            '#overlay img', 'images => images.filter(i => getComputedStyle(i).display != "none").map(i => i.className)')

    assert shown() == ['changed preview']
    page.get_by_text('Probability', exact=True).click()
    assert shown() == ['probability preview']
    page.get_by_text('Images only').click()
    assert shown() == []
    assert page.locator('.pin:visible').count() == 0
    assert page.is_disabled('#opacity')
    page.get_by_text('Changes', exact=True).click()
    assert shown() == ['changed preview']

    assert style(page, '#overlay', 'opacity') == '0.6'
    page.locator('#opacity').fill('25')
    assert style(page, '#overlay', 'opacity') == '0.25'


@pytest.mark.parametrize('index', range(3))
def test_a_click_in_the_list_zooms_to_the_change(page, index):
    whole = style(page, '#after .scene', 'transform')

    page.locator('#changes button').nth(index).click()

    assert style(page, '#after .scene', 'transform') != whole
    assert page.locator('#changes button[aria-pressed=true]').count() == 1
    stage, crop, frame = box(page, '#stage'), box(page, '#after .crop'), box(page, '.frame')
    for inner in (crop, frame):
        assert stage['x'] - 1 <= inner['x'] and inner['x'] + inner['width'] <= stage['x'] + stage['width'] + 1
        assert stage['y'] - 1 <= inner['y'] and inner['y'] + inner['height'] <= stage['y'] + stage['height'] + 1
    assert crop['height'] > 0.9 * stage['height'] or crop['width'] > 0.9 * stage['width']
    _, _, height, width = BOXES[index]
    assert frame['width'] / frame['height'] == pytest.approx(width / height, rel=0.05)
    assert page.locator('#after .crop').evaluate('image => image.naturalWidth') == round(
        crop['width'] / frame['width'] * width)  # the crop has the rasters' own pixels
    assert f'Change {index + 1} of 3' in page.inner_text('#status')


def test_a_numbered_pin_zooms_too_and_the_whole_scene_returns(page):
    whole = style(page, '#after .scene', 'transform')

    page.locator('.pin').nth(1).click()
    assert 'Change 2 of 3' in page.inner_text('#status')
    page.get_by_text('Whole scene').click()

    assert style(page, '#after .scene', 'transform') == whole
    assert page.locator('.crop').count() == 0


def test_the_map_moves_and_zooms(page):
    def zoom():
        return page.eval_on_selector('#after .scene', 'e => new DOMMatrix(getComputedStyle(e).transform).a')

    def left():
        return page.eval_on_selector('#after .scene', 'e => new DOMMatrix(getComputedStyle(e).transform).e')

    start = zoom()
    page.click('#in')
    assert zoom() == pytest.approx(1.5 * start)
    page.focus('#stage')
    page.keyboard.press('+')
    assert zoom() == pytest.approx(2.25 * start)
    at = left()
    page.keyboard.press('ArrowRight')
    assert left() == pytest.approx(at - 60)
    stage = box(page, '#stage')
    page.mouse.move(stage['x'] + 100, stage['y'] + 200)
    page.mouse.down()
    page.mouse.move(stage['x'] + 140, stage['y'] + 200)
    page.mouse.up()
    assert left() == pytest.approx(at - 20)
    page.mouse.wheel(0, -200)
    assert zoom() > 2.25 * start
    page.focus('#stage')
    page.keyboard.press('0')
    assert zoom() == pytest.approx(start)


def test_every_control_is_reached_by_tab(page):
    reached = set()
    for _ in range(14):
        page.keyboard.press('Tab')
        reached.add(page.evaluate('document.activeElement.id || document.activeElement.name || '
                                  'document.activeElement.textContent'))

    assert {'overlay', 'opacity', 'out', 'in', 'fit', 'stage', 'swipe'} <= reached
    assert sum('probability' in name for name in reached if len(name) < 60) == 3  # the changes


@pytest.mark.parametrize('width', [1280, 390])
def test_nothing_sticks_out_sideways(page, width):
    page.set_viewport_size({'width': width, 'height': 800})

    assert page.evaluate('document.documentElement.scrollWidth') <= width


def test_the_place_under_the_pointer_is_worded(page):
    stage = page.query_selector('#stage').bounding_box()
    assert page.inner_text('#where').startswith('Middle of the map: 400750.0, 5599600.0 (50.5')

    page.mouse.move(stage['x'] + stage['width'] / 2, stage['y'] + stage['height'] / 2 + 1)
    words = page.inner_text('#where')
    assert words.startswith('Pointer: 400750.') and '; column 150' in words

    page.mouse.move(1, 1)
    assert page.inner_text('#where').startswith('Middle of the map')
    assert '13.599' in words and '° E)' in words
    assert page.is_visible('#north')
    assert page.inner_text('#changes .place >> nth=0').startswith('50.53')


@pytest.fixture(scope='module')
def kinds_report(tmp_path_factory):
    """The page of two kinds of changes, side by side."""
    import rasterio

    from schanger_mm.scene.kinds import ClassRasters
    from schanger_mm.scene.legend import Legend
    from schanger_mm.scene.sketch import Sketch
    folder = tmp_path_factory.mktemp('kinds')
    before, after = np.zeros((2, 1, 100, 200), np.uint8)
    after[:, 40:60, 20:40], before[:, 40:60, 150:160] = 1, 1
    change = before | after
    bands = dict(a=np.full((3, 100, 200), 90, np.uint8), b=np.full((3, 100, 200), 120, np.uint8), change=change,
                 probability=change * 200, before=before, after=after)
    for name, values in bands.items():
        with rasterio.open(folder / f'{name}.tif', 'w', driver='GTiff', width=200, height=100, dtype='uint8',
                           count=len(values), crs='EPSG:32633',
                           transform=rasterio.Affine(0.5, 0, 4e5, 0, -0.5, 5.6e6)) as raster:
            raster.write(values)
    paths = {name: folder / f'{name}.tif' for name in bands}
    legend, sketch = Legend(('other', 'building'), 'building'), Sketch(200, 100, 2048)
    classes = ClassRasters(paths['change'], paths['before'], paths['after'], legend)
    rasters = paths['change'], paths['probability']
    found = write_polygons(*rasters, folder / 'change.gpkg', classes=classes, sketch=sketch)
    return write_page(folder / 'report.html', PairSpec(str(paths['a']), str(paths['b'])), *rasters,
                      folder / 'change.gpkg', dict(polygons=found), legend=legend, sketch=sketch)


def test_kinds_are_switched_on_the_map_and_in_the_list(browser, kinds_report):
    page = browser.new_page()
    said = []
    page.on('pageerror', lambda error: said.append(str(error)))
    page.goto(kinds_report.as_uri())
    assert page.locator('#changes li').count() == page.locator('#changes li:visible').count() == 2
    assert page.locator('#overlay img[data-group]:visible').count() == 2
    page.click('input[name=group][value="1"]')  # demolished
    assert page.locator('#changes li:visible').inner_text().split('\n')[1:3] == ['100 m²', 'new']
    assert page.locator('#overlay img[data-group]:visible').count() == page.locator('.pin:visible').count() == 1
    page.click('#changes li:visible button')
    assert page.inner_text('#status').startswith('Change 1: new, 100 m²')
    assert page.locator('#overlay img.crop[data-group]:visible').count() == 1
    page.click('input[name=group][value="1"]')
    assert page.locator('#changes li:visible').count() == 2 and said == []
    page.close()
