import dataclasses
import json

import pytest

from schanger_mm.deploy import DeployError, read_card
from schanger_mm.deploy.deepness import deepness_metadata


def test_the_plugin_finds_its_keys(trained):
    card = dataclasses.replace(read_card(trained.files['program']), tile=512, gsd=0.25, threshold=0.4)
    found = {key: json.loads(value) for key, value in deepness_metadata(card).items()}
    assert found == dict(
        model_type='Segmentor', class_names={'0': 'unchanged', '1': 'changed'}, resolution=25.0, tiles_size=512,
        tiles_overlap=25, standardization_mean=pytest.approx([90 / 255, 100 / 255, 110 / 255, 120 / 255, 130 / 255,
                                                              140 / 255]),
        standardization_std=pytest.approx([40 / 255, 45 / 255, 50 / 255, 55 / 255, 60 / 255, 65 / 255]),
        seg_thresh=0.4, seg_small_segment=0)
    with pytest.raises(DeployError, match='add --gsd METRES'):
        deepness_metadata(dataclasses.replace(card, gsd=None))
