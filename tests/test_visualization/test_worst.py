"""Panels of the worst images, drawn from the files."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from schanger_mm.datasets import BiTemporalDataset
from schanger_mm.evaluation.confusion import Confusion
from schanger_mm.evaluation.report import ImageCounts
from schanger_mm.visualization import worst
from schanger_mm.visualization.colours import FALSE_ALARM, MISSED, POSITIVE

NAMES = ('paris/tile_1', 'rome/tile_1')


@pytest.fixture
def runner(tmp_path):
    """Two pairs of 16 px with masks of 0/128/255, and predictions that miss the mask by two rows."""
    for name in NAMES:
        mask = np.zeros((16, 16), np.uint8)
        mask[2:6], mask[6:10] = 255, 128
        prediction = np.roll((mask > 0) * np.uint8(255), 2, axis=0)
        for folder, image in (('A', np.full((16, 16, 3), 10, np.uint8)), ('B', np.full((16, 16, 3), 200, np.uint8)),
                              ('label', mask), ('predictions', prediction)):
            file = tmp_path / folder / f'{name}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)
    dataset = BiTemporalDataset(data_root=str(tmp_path), label_threshold=128, test_mode=True,
                                pipeline=[dict(type='LoadBiTemporalImages'), dict(type='LoadChangeLabel')])
    return SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset))


def counts(name):
    return ImageCounts(name, 1, Confusion(tp=96, fp=32, fn=32, tn=96))


def test_panels_are_numbered_in_order_and_named_without_folders(runner, tmp_path):
    worst.draw_worst(tmp_path / 'worst', tmp_path / 'predictions', [counts(name) for name in NAMES[::-1]], runner)
    assert sorted(f.name for f in (tmp_path / 'worst').iterdir()) == ['01_rome_tile_1.png', '02_paris_tile_1.png']


def test_a_panel_shows_both_dates_and_the_errors_against_the_data_sets_own_truth(runner, tmp_path):
    worst.draw_worst(tmp_path / 'worst', tmp_path / 'predictions', [counts(NAMES[0])], runner)
    panel = np.asarray(Image.open(tmp_path / 'worst/01_paris_tile_1.png'))

    def pixels(colour):
        return int((panel == np.array(colour)).all(axis=2).sum())

    cell = 16 * 16  # a pixel is enlarged to 16 x 16
    assert pixels((10, 10, 10)) >= 256 * cell and pixels((200, 200, 200)) >= 256 * cell
    legend = 40 * 40
    assert 32 * cell <= pixels(FALSE_ALARM) <= 32 * cell + legend
    assert 32 * cell <= pixels(MISSED) <= 32 * cell + legend
    assert (128 + 96) * cell <= pixels(POSITIVE) <= (128 + 96) * cell + legend


def test_nothing_wrong_draws_nothing(runner, tmp_path):
    worst.draw_worst(tmp_path / 'worst', tmp_path / 'predictions', [], runner)
    assert not (tmp_path / 'worst').exists()


def test_a_truth_that_cannot_be_read_again_is_said(runner, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(worst, 'print_log', lambda text, **kw: said.append(text))
    runner.test_dataloader.dataset.pipeline.transforms.pop()
    worst.draw_worst(tmp_path / 'worst', tmp_path / 'predictions', [counts(NAMES[0])], runner)
    assert len(said) == 1 and 'no LoadChangeLabel' in said[0] and not (tmp_path / 'worst').exists()
