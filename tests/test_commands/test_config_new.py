"""``schanger config new``: from a folder of pairs to a training, in a folder that has nothing else."""

import cv2
import numpy as np
import pytest

from schanger_mm.demo.scenes import draw_pair


@pytest.fixture
def data(tmp_path):
    """Four drawn pairs without splits."""
    folder, rng = tmp_path / 'my data', np.random.default_rng(0)
    for index in range(4):
        for name, image in zip(('A', 'B', 'label'), draw_pair(rng, 64)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f'{index}.png'), image)
    return folder


def test_what_it_writes_trains_in_any_folder(run, data, tmp_path):
    here = tmp_path / 'here'
    here.mkdir()
    said = run('config new', '--data', '../my data', cwd=here)
    assert 'train: 3 pairs in ' in said and 'my_data.py: inherits schanger_mm::schanger/custom.py; next:' in said
    assert {path.name for path in here.iterdir()} == {'my_data.py', 'my_data_splits'}
    shown = run('config show', 'my_data.py', cwd=here)
    assert f"'{data}'" in shown and 'max_iters=3000' in shown
    text = run('train', 'my_data.py', '--max-iters', 1, '--cfg-options', 'train_dataloader.num_workers=0',
               'val_dataloader.num_workers=0', 'train_dataloader.batch_size=2', cwd=here)
    assert 'changed/F1' in text and (here / 'work_dirs/my_data/iter_1.pth').is_file()
    error = run('config new', '--data', '../my data', cwd=here, fails=2)
    assert error == 'error: my_data.py exists already; nothing was written. Choose another name, or pass --overwrite ' \
                    'to replace it.\n'


def test_class_maps_of_both_dates_train(run, demo_set, tmp_path):
    said = run('config new', '--data', demo_set, '--label', 'none', '--classes', 'other=0', 'building=255', '--out',
               'own.py', cwd=tmp_path)
    assert 'class maps have 2 classes' in said and 'inherits schanger_mm::semantic/semantic_custom.py; next:' in said
    text = run('train', 'own.py', '--max-iters', 2, '--cfg-options', 'train_dataloader.num_workers=0',
               'val_dataloader.num_workers=0', 'train_dataloader.batch_size=1', cwd=tmp_path)
    assert 'Sek: ' in text and 'building' in text and (tmp_path / 'work_dirs/own/iter_2.pth').is_file()


def test_images_of_four_bands_train(run, tmp_path):
    rasterio, rng = pytest.importorskip('rasterio'), np.random.default_rng(0)
    for index in range(3):
        *dates, label = draw_pair(rng, 64)
        for name, image in zip('AB', dates):
            path = tmp_path / f'city/{name}/{index}.tif'
            path.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(path, 'w', driver='GTiff', count=4, height=64, width=64, dtype='uint16') as file:
                file.write(30 * image[..., [0, 1, 2, 1]].transpose(2, 0, 1).astype(np.uint16))
        (tmp_path / 'city/label').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'city/label/{index}.png'), label)
    run('config new', '--data', 'city', cwd=tmp_path)
    short = ['--max-iters', 2, '--cfg-options', 'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0',
             'train_dataloader.batch_size=2']
    run('train', 'city.py', *short, cwd=tmp_path)
    checkpoint = tmp_path / 'work_dirs/city/iter_2.pth'
    assert 'changed/F1' in run('test', 'city.py', checkpoint, '--cfg-options', 'test_dataloader.num_workers=0',
                               cwd=tmp_path)
    error = run('train', 'city.py', *short, 'model.backbone.in_channels=3', f'load_from={checkpoint}', '--work-dir',
                'other', cwd=tmp_path, fails=2)
    assert 'is for images of 4 bands, and model.backbone.in_channels is 3. Use weights for as many bands, or' in error
    error = run('train', 'city.py', *short, 'model.backbone.in_channels=3', '--work-dir', 'other', cwd=tmp_path,
                fails=2)
    assert error.startswith('error: SiameseEncoderDecoder got 8 channels; expected 6')


def test_what_is_not_there_is_one_line(run, tmp_path):
    (tmp_path / 'empty').mkdir()
    assert 'no folder nowhere; expected the folder of a data set' in run('config new', '--data', 'nowhere', fails=2)
    error = run('config new', '--data', tmp_path / 'empty', '--out', tmp_path / 'a.py', fails=2)
    assert error.startswith(f'error: {tmp_path}/empty: expected the folders A and B') and error.count('\n') == 1
