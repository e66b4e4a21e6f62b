"""SaDL from masks to a fine-tuned detector, typed as a user types it."""

from pathlib import Path

import pytest
import torch

from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.models import SCN

ROOT = Path(__file__).parents[2]
SIZES = DemoSizes(pretrain_train=4, pretrain_val=1, train=4, val=2, test=2)
ENCODER = 'backbone=dict(stem_channels=8, base_channels=8), neck=dict(in_channels=[8, 16, 32, 64], out_channels=16)'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Drawn pairs, and their single images under the names of Inria."""
    root = tmp_path_factory.mktemp('sadl') / 'data'
    write_demo_set(root, SIZES, image_size=64)
    (root / 'inria').mkdir()
    (root / 'pretrain/train').rename(root / 'inria/train')
    (root / 'inria/train/masks').rename(root / 'inria/train/gt')
    return root


@pytest.fixture(scope='module')
def lists(data, run):
    root = data / 'inria'
    text = run('tools/dataset_tools/foreground.py', root / 'train/gt', '--least', 0, '--out', root / 'pos.txt')
    assert '4 of 4 names, those with 0% foreground or more' in text
    text = run('tools/dataset_tools/split.py', root / 'train/images', '--from-list', root / 'pos.txt', '--val', 2,
               '--out', root / 'splits')
    assert 'val.txt: 2 names' in text
    return root


@pytest.fixture(scope='module')
def pretrained(lists, run, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('pretrained')
    text = run('tools/train.py', 'configs/sadl/sadl_r18-fpn_inria.py', '--work-dir', work_dir, '--max-iters', 2,
               '--cfg-options', f'train_dataloader.dataset.data_root={lists}',
               f'custom_hooks.0.dataset.data_root={lists}', 'train_dataloader.num_workers=0',
               'train_dataloader.batch_size=2', 'model.views.size=(64,64)', 'model.backbone.init_cfg=None',
               'model.backbone.stem_channels=8', 'model.backbone.base_channels=8',
               'model.neck.in_channels=[8,16,32,64]', 'model.neck.out_channels=16', 'model.projector.in_channels=16')
    for name in ('loss_consistency', 'loss_discrimination', 'loss_synthetic', 'projection_std', 'probe_accuracy'):
        assert f'{name}: ' in text
    assert (work_dir / 'features/iter_2.png').is_file()
    return work_dir / 'iter_2.pth'


@pytest.mark.long
@pytest.mark.stack
def test_a_detector_starts_from_the_pretrained_encoder(data, pretrained, run, tmp_path):
    config = tmp_path / 'narrow.py'
    config.write_text(f"_base_ = '{ROOT}/configs/sadl/fpn-cd_r18_levir_sadl.py'\n"
                      f'model = dict({ENCODER}, decode_head=dict(in_channels=16))\n')
    text = run('tools/model_converters/sadl2det.py', pretrained, config, tmp_path / 'det.pth')
    assert '128 of 142 entries' in text and 'new:   decode_head (14 entries)' in text and 'Warning' not in text
    text = run('tools/train.py', config, '--work-dir', tmp_path / 'work', '--max-iters', 1, '--cfg-options',
               f'load_from={tmp_path}/det.pth', 'train_dataloader.batch_size=2',
               *(f'{split}_dataloader.{key}' for split in ('train', 'val')
                 for key in (f'dataset.data_root={data}', 'num_workers=0')), 'train_dataloader.dataset.pipeline.0.'
               'cache_dir=None', 'train_dataloader.dataset.pipeline.1.cache_dir=None')
    assert '128 of 142 entries taken; new: decode_head (14 entries); left: none' in text
    assert 'changed/F1' in text

    error = run('tools/model_converters/sadl2det.py', pretrained, config, tmp_path / 'det.pth', fails=2)
    assert error == (f'error: {tmp_path}/det.pth exists already; nothing was written. Choose another name, or pass '
                     '--overwrite to replace it.\n')


def test_options_change_the_network_and_stand_in_the_line_to_use(run, tmp_path):
    encoder = {f'backbone.{name}': value for name, value in SCN('small', stride=2).state_dict().items()}
    torch.save(dict(meta={}, state_dict=encoder), tmp_path / 'half.pth')
    words = ('tools/model_converters/sadl2det.py', tmp_path / 'half.pth', 'configs/schanger/levir_small.py',
             tmp_path / 'det.pth')
    assert 'trained with model.backbone.stride=2, and that of the config has 1' in run(*words, fails=2)
    text = run(*words, '--cfg-options', 'model.backbone.stride=2')
    assert text.rstrip().endswith(f'--cfg-options load_from={tmp_path / "det.pth"} model.backbone.stride=2')
