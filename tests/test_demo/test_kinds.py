import json

import cv2
import numpy as np
import pytest

from schanger_mm.demo.scenes import draw_kind_pair, write_kind_pair
from schanger_mm.demo.scenes.kinds import KINDS
from schanger_mm.utils.errors import ExistsError


@pytest.fixture(scope='module')
def pair():
    return draw_kind_pair(np.random.default_rng(5), 200)


def test_masks_are_what_the_kind_of_each_site_says(pair):
    before, after = (mask > 0 for mask in pair.masks)
    found = set()
    for number, kind in pair.kinds.items():
        here = pair.sites == number
        was, now = before[here].mean(), after[here].mean()
        if kind in ('new', 'demolished'):
            assert (was, now) == ((0, 1) if kind == 'new' else (1, 0))
        elif kind == 'replaced':
            assert was > 0.2 and now > 0.2 and ((before | after)[here]).mean() > 0.97
        else:
            assert {was, now} == {0, 1}  # the part; the building that stays touches it
            around = cv2.dilate(here.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            assert (before & after & around).any()
        found.add(kind)
    assert found == set(KINDS)


def test_only_sites_differ_between_the_dates(pair):
    differing = (pair.masks[0] != pair.masks[1])
    assert differing.any() and not (differing & (pair.label == 0)).any()
    np.testing.assert_array_equal(pair.label > 0, pair.sites > 0)
    assert all(image.shape == (200, 200, 3) and image.dtype == np.uint8 for image in pair.images)


def test_rates_choose_the_kinds():
    pair = draw_kind_pair(np.random.default_rng(0), 160, (0, 0, 0.5, 0))
    assert set(pair.kinds.values()) == {'replaced'}
    assert not draw_kind_pair(np.random.default_rng(0), 96, (0, 0, 0, 0)).label.any()


def test_a_pair_is_written_with_its_truth(tmp_path, pair):
    write_kind_pair(tmp_path / 'pair', pair)
    names = ['A.png', 'B.png', 'label.png', 'label_a.png', 'label_b.png', 'sites.json', 'sites.png']
    assert sorted(path.name for path in (tmp_path / 'pair').iterdir()) == names
    sites = cv2.imread(str(tmp_path / 'pair/sites.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(sites, pair.sites)
    truth = json.loads((tmp_path / 'pair/sites.json').read_text())
    assert {one['site']: one['kind'] for one in truth} == pair.kinds
    assert all(one['pixels'] == (sites == one['site']).sum() for one in truth)
    with pytest.raises(ExistsError):
        write_kind_pair(tmp_path / 'pair', pair)
