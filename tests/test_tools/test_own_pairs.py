"""The README's five minutes with own pairs, word for word."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from schanger_mm.datasets.synthetic import draw_pair

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()


@pytest.fixture(scope='module')
def city(tmp_path_factory):
    """Draw pairs as a city might keep them, and write the README's config beside them; return its path."""
    folder, rng = tmp_path_factory.mktemp('city'), np.random.default_rng(0)
    data = folder / 'data/my_city'
    lines = []
    for index, split in enumerate(['train'] * 4 + ['val'] * 2 + ['test'] * 2):
        for name, suffix, image in zip(('2019', '2023', 'masks'), ('.jpg', '.jpg', '.png'), draw_pair(rng, 72)):
            (data / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(data / name / f'block {index}{suffix}'), image)
        lines.append(f'block {index}.jpg,{split}')
    (data / 'split.csv').write_text('\n'.join(lines))
    text = re.search(r'```python\n(# my_city\.py\n.*?)```', README, re.DOTALL).group(1)
    config = folder / 'my_city.py'
    text = text.replace('configs/schanger', f'{ROOT}/configs/schanger')
    config.write_text(text.replace("'data/", f"'{folder}/data/"))
    return config


def command(start):
    """Return the README's words for a command, without ``python`` and comments."""
    lines = README.replace('\\\n', '').splitlines()
    line = next(line for line in lines if line.startswith(f'python {start}'))
    return shlex.split(line, comments=True)[1:]


def test_own_pairs_from_check_to_score(city, run):
    folder = city.parent
    place = {'my_city.py': city, 'data/my_city': folder / 'data/my_city', 'results/my_city': folder / 'results',
             'data/my_city/split.csv': folder / 'data/my_city/split.csv'}
    words = [place.get(word, word) for word in command('tools/dataset_tools/verify.py data/my_city')]
    text = run(*words)
    assert '8 samples checked, nothing wrong' in text and text.count('lossless') == 3
    words = [place.get(word, word) for word in command('tools/dataset_tools/stats.py data/my_city')]
    text = run(*words)
    assert re.search(r'2019 +\| 4 ', text) and 'data_preprocessor = dict(' in text
    run(*[place.get(word, word) for word in command('tools/browse_dataset.py my_city')], '--out', folder / 'browse',
        '--number', 2)
    text = run(*[place.get(word, word) for word in command('tools/train.py my_city')], '--work-dir', folder / 'work',
               '--max-iters', 2, '--cfg-options', 'train_dataloader.num_workers=0')
    assert 'changed/F1' in text
    best = next((folder / 'work').glob('best_changed_F1_iter_*.pth'), folder / 'work/iter_2.pth')
    place['work_dirs/my_city/best_changed_F1_iter_*.pth'] = best
    run(*[place.get(word, word) for word in command('tools/test.py my_city')], '--work-dir', folder / 'scored')
    assert sorted(p.name for p in (folder / 'results/predictions').iterdir()) == ['block 6.png', 'block 7.png']
