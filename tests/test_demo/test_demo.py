"""`make demo`, at its full length."""

import json
import os
import resource
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from schanger_mm import apis
from schanger_mm.apis import ChangeDetector
from schanger_mm.checkpoints import read_weights
from schanger_mm.demo.demo import Demo
from schanger_mm.demo.scenes import draw_pair
from schanger_mm.registry import MODELS


def largest_difference_of_forms(root, out):
    """Probabilities of the trained network on four test pairs: plain against the inference form, both in float32."""
    cfg = apis.load_config(root / 'configs/schanger/demo.py')
    model = MODELS.build(cfg.model).eval()
    (weights, ) = (out / 'finetuned').glob('best_changed_F1_iter_*.pth')
    model.load_state_dict(read_weights(weights))
    mean, std = (torch.tensor(cfg.data_preprocessor[key]).view(6, 1, 1) for key in ('mean', 'std'))
    images = [torch.cat([torch.from_numpy(cv2.imread(str(out / 'data/test' / date / f'{n:04}.png'))[..., ::-1].copy())
                         for date in 'AB'], dim=2).permute(2, 0, 1) for n in range(4)]
    x = torch.stack([(image - mean) / std for image in images])
    with torch.no_grad():
        plain, fast = (net(x, mode='tensor').sigmoid() for net in (model, model.for_inference()))
    assert plain.max() > 0.9  # it has learnt something
    return (fast - plain).abs().max().item()


@pytest.mark.long
def test_demo_in_time_with_pre_training_ahead_of_scratch_and_both_of_the_colour_difference(root, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = before.ru_utime + before.ru_stime
    result = subprocess.run([sys.executable, str(root / 'tools/demo.py'), '--out', str(tmp_path)],
                            env={**os.environ, 'PYTHONPATH': str(root)}, capture_output=True, text=True)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime - start < 2 * 12 * 60  # two cores, twelve minutes
    scores = {row['run']: row['F1'] for row in json.loads((tmp_path / 'results.json').read_text())['rows']}
    tuned, scratch, difference = scores.values()
    assert tuned > scratch > difference
    assert tuned > 50 and difference < 45
    assert 'pre-trained, then fine-tuned' in result.stdout and '598 of 638 entries taken' in result.stdout
    pictures = sorted((tmp_path / 'pictures/finetuned').glob('*.png'))
    assert len(pictures) == 48 and cv2.imread(str(pictures[0])).shape[1] > 4 * 128
    assert largest_difference_of_forms(root, tmp_path) <= 1e-5
    page = (tmp_path / 'report.html').read_text()
    assert page.count('<img') >= 8 and 'http://' not in page.replace('http://www.w3.org', '')
    check_windows_against_whole_images(tmp_path / 'finetuned/iter_300.pth')


def check_windows_against_whole_images(checkpoint):
    """The bound of docs/scenes.md, on scenes larger than any image of the training."""
    detector = ChangeDetector(checkpoint, device='cpu')
    for seed in range(3):
        before, after, _ = draw_pair(np.random.default_rng(seed), 512)
        whole = detector.predict_array(before, after, window=512, overlap=0)
        windows = detector.predict_array(before, after)
        assert 0.01 < whole.changed.mean() < 0.5
        assert np.abs(windows.probability - whole.probability).mean() < 0.015
        assert (windows.changed != whole.changed).mean() < 0.015


@pytest.mark.long
@pytest.mark.stack
def test_demo_shortened(root, tmp_path):
    """Every step and file of the demo, in a folder whose name needs quotes; the numbers mean nothing."""
    out = tmp_path / "it's mine, all of it"
    result = subprocess.run(
        [sys.executable, str(root / 'tools/demo.py'), '--out', str(out), '--max-iters', '2', '--seed', '1'],
        env={**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    assert '$ schanger train pretrain_demo' in result.stdout
    assert (out / 'report.html').is_file() and (out / 'results.json').is_file()


def test_a_page_of_somebody_else_stays(root, tmp_path):
    (tmp_path / 'report.html').write_text('mine')
    with pytest.raises(ValueError, match=r'it holds report\.html, and is not a folder of an earlier demo'):
        Demo(root, tmp_path).run()
    assert (tmp_path / 'report.html').read_text() == 'mine' and not (tmp_path / 'data').exists()
