import pytest

from schanger_mm.evaluation.protocol import Protocol

AUTHORS = '256 px tiles, no TTA, threshold 0.5'
TILES = dict(window=(256, 256), stride=(256, 256))
OVERLAP = dict(window=(256, 256), stride=(128, 128))
WHOLE = dict(window=None, stride=None)


def protocol(window, stride, tta='', resized=False, threshold=0.5):
    return Protocol(window, stride, tta, resized, threshold)


@pytest.mark.parametrize(('settings', 'tiles'), [(TILES, 160), (TILES, 10), (WHOLE, 10), (OVERLAP, 10)])
def test_the_authors_protocol_and_what_equals_it_on_images_of_one_tile(settings, tiles):
    assert protocol(**settings).describe(tiles, images=10) == f"authors' ({AUTHORS})"


@pytest.mark.parametrize(('settings', 'tiles', 'words'), [
    (WHOLE, 160, 'whole images'),
    (OVERLAP, 160, 'windows of 256 px every 128 px'),
    (dict(window=(512, 256), stride=(512, 256)), 160, 'windows of 512 x 256 px every 512 x 256 px'),
    (dict(window=(64, 64), stride=(64, 64)), 10, 'windows of 64 px every 64 px'),
    (dict(TILES, tta='TTA over 4 flips'), 160, 'TTA over 4 flips'),
    (dict(TILES, resized=True), 160, 'resized images'),
    (dict(WHOLE, tta='TTA', threshold=0.4), 160, 'whole images, TTA, threshold 0.4'),
])
def test_what_differs_is_named(settings, tiles, words):
    assert protocol(**settings).describe(tiles, images=10) == f"not the authors' ({AUTHORS}): {words}"
