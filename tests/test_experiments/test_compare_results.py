"""Table, numbers, curves and page of a comparison."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from schanger_mm.experiments.compare_results import Outcome, results_table, write_results

PLAIN = Outcome(
    arm='scratch', seed=1, config='finetune_schanger', labelled=6, unlabelled=0, iterations=20, batch_size=4,
    pretraining=dict(configs=[], iterations=[], core_minutes=0.0, minutes=0.0),
    scores=dict(F1=50.0, precision=60.0, recall=42.84), steps=[10, 20], f1=[40.0, 50.0], core_minutes=[5.0, 10.0],
    minutes=[6.0, 12.0], pictures=['seed_1/scratch_6/pictures/a.png'])
AGAIN = replace(PLAIN, seed=2, scores=dict(F1=54.0, precision=60.0, recall=44.84), f1=[42.0, 54.0],
                core_minutes=[5.0, 12.0], pictures=[])
PRETRAINED = replace(
    PLAIN, arm='sadl-semi', unlabelled=24, iterations=10, batch_size=8, steps=[10], f1=[70.06], core_minutes=[8.0],
    minutes=[9.0], pretraining=dict(configs=['sadl_schanger'], iterations=[7], core_minutes=3.0, minutes=4.0),
    scores=dict(F1=70.06, precision=70.0, recall=70.0), pictures=['seed_1/sadl-semi_6/pictures/a.png'])
PROTOCOL = dict(pairs=30, val_pairs=5, single_images=28, seeds=[1, 2], threads=1, clock='core_minutes', budget={},
                configs='few_labels')


def test_table():
    assert results_table([PLAIN, AGAIN, PRETRAINED], 'core_minutes') == (
        '| arm | labelled | unlabelled | F1 | precision | recall | iterations | pairs drawn '
        '| pre-training, core-minutes | on pairs, core-minutes |\n'
        '|---|---|---|---|---|---|---|---|---|---|\n'
        '| scratch | 6 | 0 | 52.0 ± 2.8 | 60.0 ± 0.0 | 43.8 ± 1.4 | 20 | 80 | 0.0 | 11.0 |\n'
        '| sadl-semi | 6 | 24 | 70.1 | 70.0 | 70.0 | 10 | 80 | 3.0 | 8.0 |\n'
        '\nPairs drawn: iterations times batch size. A pair without its label counts once, although a semi-supervised '
        'iteration runs it in three views.\n')


def test_on_a_gpu_minutes_are_those_of_the_clock():
    assert results_table([PRETRAINED], 'minutes').splitlines()[0].endswith('GPU-minutes | on pairs, GPU-minutes |')
    assert results_table([PRETRAINED], 'minutes').splitlines()[2].endswith('| 4.0 | 9.0 |')


@pytest.fixture
def written(tmp_path, monkeypatch):
    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, 'savefig', lambda self, *args, **kwargs: figures.append(self) or save(
        self, *args, **kwargs))
    for file in (PLAIN.pictures[0], PRETRAINED.pictures[0]):
        (tmp_path / file).parent.mkdir(parents=True)
        Image.new('RGB', (16, 8)).save(tmp_path / file)
    write_results(tmp_path, [PLAIN, AGAIN, PRETRAINED], PROTOCOL, torch.device('cpu'))
    return tmp_path, figures[0]


def test_curves_are_means_over_the_seeds_and_begin_after_the_pretraining(written):
    by_time, by_steps = written[1].axes
    lines = [{line.get_label(): np.column_stack(line.get_data()).tolist() for line in axes.lines}
             for axes in (by_time, by_steps)]
    assert lines[0] == {'scratch, 6 labelled': [[5.0, 41.0], [11.0, 52.0]], 'sadl-semi, 6 labelled': [[11.0, 70.06]]}
    assert lines[1] == {'scratch, 6 labelled': [[10.0, 41.0], [20.0, 52.0]], 'sadl-semi, 6 labelled': [[10.0, 70.06]]}
    assert by_time.get_xlabel() == 'core-minutes, pre-training included'
    assert (written[0] / 'results.png').read_bytes().startswith(b'\x89PNG')


def test_numbers_hold_the_protocol_the_machine_and_the_hours(written):
    found = json.loads((written[0] / 'results.json').read_text())
    assert found['protocol'] == PROTOCOL and found['machine']['gpu'] == 'not used'
    assert found['hours'] == pytest.approx((12 + 12 + 4 + 9) / 60)
    assert [arm['scores']['F1'] for arm in found['arms']] == [50.0, 54.0, 70.06]
    assert (written[0] / 'results.md').read_text(encoding='utf-8') == results_table(
        [PLAIN, AGAIN, PRETRAINED], 'core_minutes')


def test_the_page_shows_the_arms_of_a_pair_one_after_the_other(written):
    page = (written[0] / 'results.html').read_text(encoding='utf-8')
    assert page.index('a: scratch, 6 labelled</figcaption>') < page.index('a: sadl-semi, 6 labelled</figcaption>')
    assert 'counts once, although a semi-supervised iteration runs it in three views' in page
    assert page.count('<img') == 2 and 'core-minutes, pre-training included' in page
    assert 'no weights were selected on them' in page and '0.6 hours of training' in page
