"""Folders of a comparison."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schanger_mm.config.loading import load_config
from schanger_mm.experiments.compare_data import Data, content_of, read_images
from schanger_mm.utils.errors import DatasetError


def test_names_are_in_natural_order(tmp_path):
    for path in ('train/A/10.png', 'train/A/9.png', 'train/B/9.png', 'train/label/9.png', 'val/A/x.jpg', 'val/B/x.jpg',
                 'val/label/x.png', 'images/a.tif'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    data = Data(tmp_path / 'train', tmp_path / 'val', tmp_path / 'images')
    assert data.names() == {'train': ['9', '10'], 'labelled': ['9'], 'val': ['x'], 'images': ['a']}
    assert Data(tmp_path / 'train', tmp_path / 'val').names() == {
        'train': ['9', '10'], 'labelled': ['9'], 'val': ['x']}


def test_lossy_masks_have_a_threshold_everywhere_but_where_labels_are_not_read():
    data = Data(Path('t'), Path('v'), Path('i'), Path('m'), label_threshold=128)
    assert data.pairs('x', data.train)['x.label_threshold'] == data.singles('x')['x.label_threshold'] == 128
    assert data.pairs('x', data.train, labelled=False) == {
        'x.data_root': Path('t'), 'x.before': 'A', 'x.after': 'B', 'x.ann_file': ''}


def test_content_is_that_of_the_files_under_their_names_and_folders(tmp_path):
    for path in ('A/1.png', 'A/2.png', 'B/1.png'):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    folders = tmp_path / 'A', tmp_path / 'B'
    first = content_of(*folders)
    assert first.startswith('3 files, ') and len(first) == len('3 files, ') + 64
    assert content_of(*reversed(folders)) != first
    (tmp_path / 'A/notes.txt').write_text('no image')
    assert content_of(*folders) == first
    (tmp_path / 'A/2.png').rename(tmp_path / 'A/3.png')
    assert content_of(*folders) != first
    (tmp_path / 'A/3.png').rename(tmp_path / 'A/2.png')
    (tmp_path / 'B/1.png').write_text('B/2.png')
    assert content_of(*folders) != first


@pytest.fixture
def data(tmp_path):
    """Return folders of three training pairs, two validation pairs and two single images, all different."""
    for folder, names in (('train', 'A/1 A/2 A/10 B/1 B/2 B/10'), ('val', 'A/2 A/10 B/2 B/10'), ('images', '1 2')):
        for name in names.split():
            path = tmp_path / folder / f'{name}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{folder} {name}')
    return Data(tmp_path / 'train', tmp_path / 'val', tmp_path / 'images')


def test_validation_pairs_of_their_own_are_accepted(data):
    data.refuse_overlap()
    Data(data.train, data.val).refuse_overlap()


@pytest.mark.parametrize('trained', ['train/A/10.png', 'train/B/1.png', 'images/2.png'])
@pytest.mark.parametrize('scored', ['val/A/2.png', 'val/B/2.png'])
def test_an_image_of_either_date_that_is_trained_on_under_any_name_is_named(scored, trained, data, tmp_path):
    (tmp_path / scored).write_text((tmp_path / trained).read_text())
    with pytest.raises(DatasetError) as caught:
        data.refuse_overlap()
    assert str(caught.value) == (
        '--val: 1 of its 4 images are trained on, by the content of their files; the first is '
        f'{tmp_path / scored}, the same as {tmp_path / trained}. Scores on them say little about new '
        'images: remove them from --val, or from --train and --images.')


def test_the_first_is_named_in_natural_order(data, tmp_path):
    for name in ('A/10', 'A/2'):
        (tmp_path / f'val/{name}.png').write_text(f'train {name}')
    with pytest.raises(DatasetError, match=r'^--val: 2 of its 4 images .* the first is .*val/A/2\.png'):
        data.refuse_overlap()


@pytest.mark.parametrize(('top', 'told'), [(0, False), (255, True)])
def test_an_image_of_several_training_pairs_counts_unless_it_is_empty(top, told, data, tmp_path):
    """As in schanger test: a date of a series is a place, an empty tile is none."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0] = top
    for name in ('train/A/1', 'train/A/2', 'val/A/2'):
        Image.fromarray(pixels).save(tmp_path / f'{name}.png')
    with pytest.raises(DatasetError, match=r'the same as .*train/A/.\.png') if told else nullcontext():
        data.refuse_overlap()


@pytest.fixture
def read(root, tmp_path):
    """Return a function that reads two pairs, of which the second may be unlabelled, as an arm does."""
    for name in '12':
        for folder in ('A', 'B', 'label'):
            (tmp_path / folder).mkdir(exist_ok=True)
            picture = Image.new('L', (70, 70)) if folder == 'label' else Image.new('RGB', (70, 70), (int(name), 0, 0))
            picture.save(tmp_path / folder / f'{name}.png')
        (tmp_path / f'{name}.txt').write_text(f'{name}\n')
    data, place, cache = Data(tmp_path, tmp_path), 'train_dataloader.dataset', tmp_path / 'decoded'
    few, others = f'{place}.labelled', f'{place}.unlabelled'

    def read(name):
        steps = [f'{place}.pipeline.0', f'{place}.pipeline.1']
        options = data.pairs(place, tmp_path)
        if name.startswith('semi'):
            steps = [f'{few}.pipeline.0', f'{few}.pipeline.1', f'{others}.pipeline.0']
            options = {**data.pairs(few, tmp_path), f'{few}.ann_file': tmp_path / '1.txt',
                       **data.pairs(others, tmp_path, labelled=False), f'{others}.ann_file': tmp_path / '2.txt'}
        options |= {f'{step}.cache_dir': cache for step in steps}
        options |= data.pairs('val_dataloader.dataset', tmp_path)
        read_images(load_config(root / f'configs/few_labels/{name}.py'), options)
        return len(list(cache.rglob('*.npy')))
    return read


@pytest.mark.parametrize('name, cached', [('finetune_schanger', 6), ('semi_schanger', 5), ('upernet', 6)])
def test_images_are_read_once_into_the_cache(name, cached, read):
    assert read(name) == cached  # of the unlabelled pair no label


def test_a_broken_image_and_a_missing_label_are_found(read, tmp_path):
    (tmp_path / 'B/2.png').write_bytes(b'no image')
    with pytest.raises(DatasetError, match=r'B/2\.png'):
        read('finetune_schanger')
    Image.new('RGB', (70, 70)).save(tmp_path / 'B/2.png')
    (tmp_path / 'label/2.png').unlink()
    with pytest.raises(DatasetError, match=r'1 missing in .*label \(seg_map_path\): 2'):
        read('finetune_schanger')


@pytest.mark.parametrize('name', ['A/2.png', 'label/2.png'])
def test_what_is_broken_in_a_validation_pair_is_found_without_a_cache(root, tmp_path, name):
    for place, folder in enumerate(f'{part}/{one}' for part in ('train', 'val') for one in ('A', 'B', 'label')):
        (tmp_path / folder).mkdir(parents=True)
        for number in '12':
            colour = Image.new('RGB', (70, 70), (place, int(number), 9))
            (Image.new('L', (70, 70)) if folder.endswith('label') else colour).save(tmp_path / folder / f'{number}.png')
    broken = tmp_path / 'val' / name
    broken.write_bytes(broken.read_bytes()[:-30])
    data = Data(tmp_path / 'train', tmp_path / 'val')
    cfg = load_config(root / 'configs/few_labels/finetune_schanger.py')
    for step in cfg.train_dataloader.dataset.pipeline:
        step.pop('cache_dir', None)
    with pytest.raises(DatasetError, match=rf'val/{name}'):
        read_images(cfg, {**data.pairs('train_dataloader.dataset', data.train),
                          **data.pairs('val_dataloader.dataset', data.val)})
