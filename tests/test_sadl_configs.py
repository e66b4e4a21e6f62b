"""Every config in configs/sadl means what it says; that it runs is tested in test_config_battery.py."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from schanger_mm.apis import build_runner, load_config, shorten, train
from schanger_mm.checkpoints.transfer import transfer_file
from schanger_mm.commands.cli import report_errors
from schanger_mm.registry import DATASETS, MODELS, PARAM_SCHEDULERS

FOLDER = Path(__file__).parents[1] / 'configs/sadl'
CONFIGS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob('*.py'))
SETS = ('levir', 'whu', 'gz')


def of_sadl(name):
    return load_config(FOLDER / name)


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
    """Initial weights of the detector, from a SaDL checkpoint of full size."""
    folder = tmp_path_factory.mktemp('converted')
    cfg = of_sadl('sadl_r18-fpn_inria.py')
    cfg.model.backbone.init_cfg = None
    torch.save(dict(state_dict=MODELS.build({**cfg.model, 'data_preprocessor': None}).state_dict()),
               folder / 'sadl.pth')
    detector = 'fpn-cd_r18_levir.py'
    report = transfer_file(str(folder / 'sadl.pth'), detector, of_sadl(detector), str(folder / 'det.pth'))
    assert 'new:   decode_head (14 entries)' in report
    return folder / 'det.pth'


@pytest.fixture
def write_tiles(tmp_path):
    """Write two images with masks, listed in both splits; sizes are (h, w)."""
    def write(size=(64, 64), mask_size=(64, 64), mask_values=(0, 255)):
        rng = np.random.default_rng(0)
        (tmp_path / 'tiles/splits').mkdir(parents=True)
        for split in ('train', 'val'):
            (tmp_path / f'tiles/splits/{split}.txt').write_text('0\n1\n')
        for index in range(2):
            mask = np.full(mask_size, mask_values[0], np.uint8)
            mask[8:-8, 8:-8] = mask_values[1]
            for folder, array in (('images', rng.integers(0, 255, (*size, 3), np.uint8)), ('gt', mask)):
                (tmp_path / 'tiles/train' / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(tmp_path / 'tiles/train' / folder / f'{index}.png')
        return tmp_path / 'tiles'
    return write


@pytest.mark.parametrize('name', ['sadl_r18-fpn_inria.py', 'simsiam_r18-fpn_inria.py'])
def test_pretraining_draws_its_features(name, small, tmp_path):
    cfg = small(FOLDER / name, tmp_path)
    assert cfg.model.backbone.init_cfg.checkpoint == 'torchvision://resnet18'
    cfg.model.backbone.init_cfg = None
    build_runner(cfg).train()
    assert (tmp_path / 'features/iter_2.png').is_file()


def test_fine_tuning_from_sadl_says_what_is_new(small, converted, tmp_path):
    cfg = small(FOLDER / 'fpn-cd_r18_levir_sadl.py', tmp_path)
    cfg.load_from = str(converted)
    build_runner(cfg).train()
    (log, ) = tmp_path.glob('*/*.log')
    assert 'new: decode_head (14 entries); left: none' in log.read_text()


@pytest.mark.parametrize('name', ['sadl_r18-fpn_inria.py', 'sadl_scn-base_inria.py', 'simsiam_r18-fpn_inria.py',
                                  'supervised_r18-fpn_inria.py'])
def test_schedule_is_the_papers(name):
    cfg = of_sadl(name)
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4)
    assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=200)
    assert cfg.train_dataloader.batch_size == (16 if 'scn' in name else 64)
    assert cfg.train_dataloader.sampler.shuffle and cfg.train_dataloader.drop_last
    (schedule, ) = cfg.param_scheduler
    assert (schedule.by_epoch, schedule.convert_to_iter_based, schedule.end) == (True, True, 200)

    shorten(cfg, 1000)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = PARAM_SCHEDULERS.build({**cfg.param_scheduler[0], 'optimizer': optimizer})
    rates = [optimizer.param_groups[0]['lr']]
    for _ in range(999):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]['lr'])
    for step in (0, 250, 500, 900, 999):
        assert rates[step] == pytest.approx((0.01 - 1e-5) * (1 - step / 999)**0.9 + 1e-5), step
    assert rates[-1] == pytest.approx(1e-5)


def test_the_network_is_the_papers():
    cfg = of_sadl('sadl_r18-fpn_inria.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build({**cfg.model, 'data_preprocessor': None})
    layers = [[tuple(m.weight.shape) for m in mlp if isinstance(m, torch.nn.Linear)]
              for mlp in (model.projector, model.predictor)]
    assert layers == [[(2048, 256), (1024, 2048)], [(256, 1024), (1024, 256)]]
    for mlp in (model.projector, model.predictor):
        assert [type(m).__name__ for m in mlp] == ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    assert (type(model.neck.dropout), model.neck.dropout.p) == (torch.nn.Dropout2d, 0.2)
    assert (model.sampler.num_points, model.discrimination_weight, model.synthetic_weight) == (16, 1.0, 0.5)
    assert model.extract_feat(torch.zeros(1, 3, 256, 256)).shape == (1, 256, 64, 64)
    assert model.views.size == (256, 256)


def test_the_monitor_reads_images_that_are_held_back():
    watched = {}
    for name in CONFIGS:
        cfg = of_sadl(name)
        for hook in cfg.get('custom_hooks', []):
            if hook.type == 'FeatureMonitorHook':
                watched[name] = [(part.get('ann_file'), *part.data_prefix.values())
                                 for part in (cfg.train_dataloader.dataset, hook.dataset)]
                assert hook.dataset.data_root == cfg.train_dataloader.dataset.data_root
    inria = [(f'splits/{split}.txt', 'train/images', 'train/gt') for split in ('train', 'val')]
    drawn = [(None, f'pretrain/{split}/images', f'pretrain/{split}/masks') for split in ('train', 'val')]
    assert watched == {
        'sadl_r18-fpn_inria.py': inria, 'sadl_scn-base_inria.py': inria, 'sadl_scn-small_inria.py': inria,
        'simsiam_r18-fpn_inria.py': inria,
        'study/sadl_r18.py': drawn, 'study/sadl_scn-tiny.py': drawn, 'study/simsiam_r18.py': drawn}


def test_images_enter_as_in_the_paper():
    """RGB in [0, 1], then mean and std 0.5; the controls and the detectors see the same values."""
    values = torch.tensor([0., 127.5, 255.])[:, None, None].expand(3, 32, 32)  # B, G, R
    for name in CONFIGS:
        cfg = of_sadl(name)
        if cfg.model.type == 'SiameseEncoderDecoder' and cfg.model.backbone.type == 'mmseg.ResNet':
            dates = cfg.model.get('num_dates', 2)
            processor = MODELS.build({**cfg.data_preprocessor, 'swap_prob': 0.0} if dates == 2
                                     else cfg.data_preprocessor)
            data = processor(dict(inputs=[values.repeat(dates, 1, 1)], data_samples=None))
            seen = data['inputs']
        elif 'views' in cfg.model:
            unit = MODELS.build(cfg.data_preprocessor)(dict(inputs=[values], data_samples=None))['inputs']
            seen = (unit - 0.5) / 0.5
        else:
            continue
        assert seen[0, :3, 0, 0].tolist() == pytest.approx([1, 0, -1]), name


@pytest.mark.parametrize('name', SETS)
def test_starts_differ_in_nothing_else(name):
    plain, imagenet, sadl = (of_sadl(f'fpn-cd_r18_{name}{start}.py') for start in ('', '_imagenet', '_sadl'))
    assert plain.get('load_from') is None and not plain.get('custom_hooks')
    plain.merge_from_dict({'model.backbone.init_cfg': dict(type='Pretrained', checkpoint='torchvision://resnet18')})
    assert imagenet._cfg_dict == plain._cfg_dict
    assert sadl.load_from == 'work_dirs/sadl_r18-fpn_inria/epoch_200_det.pth'
    assert sadl.custom_hooks == [dict(type='LoadReportHook', expected_new=['decode_head'])]
    sadl.load_from, plain.model.backbone = None, sadl.model.backbone
    sadl._cfg_dict.pop('custom_hooks')
    plain.load_from = None
    assert sadl._cfg_dict == plain._cfg_dict


def test_the_supervised_control_has_the_encoder_and_the_images_of_sadl():
    sadl, control = of_sadl('sadl_r18-fpn_inria.py'), of_sadl('supervised_r18-fpn_inria.py')
    assert (control.model.backbone, control.model.neck) == (sadl.model.backbone, sadl.model.neck)
    flips, colours = control.train_dataloader.dataset.pipeline[3:5]  # SaDL draws its own on the batch
    assert (flips.type, flips.prob) == ('mmseg.RandomFlip', 0.5)
    assert (colours.prob, colours.transforms[0].type) == (0.8, 'ColourJitter')
    del control.train_dataloader.dataset.pipeline[3:5]
    assert control.train_dataloader == sadl.train_dataloader
    simsiam = of_sadl('simsiam_r18-fpn_inria.py')
    simsiam.model.type = 'SaDL'
    assert simsiam._cfg_dict == sadl._cfg_dict


@pytest.mark.parametrize('values, message', [
    ((0, 7), 'expected a mask of 0 and 1, or of 0 and 255, found 2 values: 0, 7'), ((0, 1), None), ((0, 255), None)])
def test_mask_values(values, message, small, write_tiles, tmp_path):
    root = write_tiles(mask_values=values)
    cfg = small(FOLDER / 'sadl_r18-fpn_inria.py', tmp_path / 'work', lambda kind: str(root))
    if message is None:
        labels = [sample['data_samples'].gt_sem_seg.data.unique().tolist()
                  for sample in DATASETS.build(cfg.train_dataloader.dataset)]
        assert labels == [[0, 1], [0, 1]]
    else:
        with pytest.raises(ValueError, match=message):
            DATASETS.build(cfg.train_dataloader.dataset)


def test_masks_of_another_size(small, write_tiles, tmp_path):
    root = write_tiles(mask_size=(64, 48))
    cfg = small(FOLDER / 'sadl_r18-fpn_inria.py', tmp_path / 'work', lambda kind: str(root))
    with pytest.raises(ValueError, match=r'(?s)2 samples .* different size.*s/0.png is 64x64, .*t/0.png is 48x64'):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_an_empty_mask_folder(small, write_tiles, tmp_path):
    root = write_tiles()
    for mask in (root / 'train/gt').iterdir():
        mask.unlink()
    cfg = small(FOLDER / 'sadl_r18-fpn_inria.py', tmp_path / 'work', lambda kind: str(root))
    with pytest.raises(ValueError, match=r'train/gt: expected files ending in .*, found 0 other files'):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_fewer_images_than_a_batch_end_in_one_error(small, tmp_path, capsys):
    """The paper's batch of 64 with two images: an epoch would have no batch."""
    cfg = small(FOLDER / 'sadl_r18-fpn_inria.py', tmp_path)
    cfg.train_dataloader.batch_size = 64
    cfg.model.backbone.init_cfg = None
    assert report_errors(lambda: train(build_runner(cfg))) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith('error: train_dataloader: an epoch has no batch')


def test_a_batch_of_one_ends_in_one_error(small, tmp_path, capsys):
    cfg = small(FOLDER / 'sadl_r18-fpn_inria.py', tmp_path)
    cfg.train_dataloader.batch_size = 1
    cfg.model.backbone.init_cfg = None
    assert report_errors(build_runner(cfg).train) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith('error: SaDL: a batch of 1; batch norm and')


def test_images_smaller_than_the_crop_are_padded_where_no_point_is_drawn(small, write_tiles, tmp_path):
    """Tiles of 50 x 40 px under a crop of 256 px, padded to 64 x 64: points and probe stay on the pictures."""
    root = write_tiles(size=(50, 40), mask_size=(50, 40))
    cfg = small(FOLDER / 'sadl_r18-fpn_inria.py', tmp_path / 'work', lambda kind: str(root))
    cfg.model.backbone.init_cfg = None
    drawn, runner = [], build_runner(cfg)
    sampler = runner.model.sampler
    runner.model.sampler = lambda *args: drawn.append((args[0], *sampler(*args))) or drawn[-1][1:]
    runner.train()
    assert len(drawn) == 2
    for masks, points, valid in drawn:
        assert masks.shape == (2, 1, 64, 64) and valid.all()
        assert (masks[:, :, 50:] == 255).all() and (masks[..., 40:] == 255).all()
        assert points[..., 0].max() < 40 and points[..., 1].max() < 50
        assert points[..., 1].max() > 32
