"""Semi-supervised trainings: they resume exactly, and their checkpoints are those of the plain detector."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from schanger_mm.apis import build_runner, load_config, resume_from, scoring
from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.checkpoints.lineage import read_lineage
from schanger_mm.config.loading import ConfigError
from schanger_mm.deploy.model import SceneModel
from schanger_mm.engine.runner import train

CONFIGS = Path(__file__).parents[2] / 'configs'
SEMI = CONFIGS / 'semi/unimatch-v2_schanger-small_levir256.py'
TINY = (4, 4, 6, 8, 10, 12)
STRAIGHT: dict = {}
PARTS = ('state_dict', 'ema_state_dict', 'optimizer', 'exact_resume')


class NoIteration(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        pytest.fail('an iteration has started')


@pytest.fixture
def prepared(small, monkeypatch):
    """Return a function that shrinks a config: two or four iterations of a network of a few weights."""
    # each checkpoint holds the text of the config, which yapf takes a second to lay out
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **kwargs: (text, True))

    def prepare(work_dir, config=SEMI, iters=2, **semi):
        cfg = small(config, work_dir)
        cfg.experiment_name = work_dir.name
        cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
        cfg.train_cfg.update(max_iters=iters, val_interval=100)
        cfg.default_hooks.checkpoint.update(interval=2, max_keep_ckpts=3, save_best=None, rule=None)
        cfg.default_hooks.logger.interval = 1
        cfg.param_scheduler = None
        if cfg.get('semi'):
            cfg.semi.update({'threshold': 0.5, **semi})
        return cfg
    return prepare


@pytest.fixture
def straight(prepared, tmp_path_factory):
    """Return the folder of a training of four iterations with an averaged teacher, made once, and what it logged."""
    if not STRAIGHT:
        folder = tmp_path_factory.mktemp('straight')
        STRAIGHT[folder] = logged(prepared(folder, iters=4, teacher='ema'))
    return next(iter(STRAIGHT.items()))


def logged(cfg, resumed=None):
    """Train, and return the last values of the log and its text."""
    runner = build_runner(cfg, resumed)
    train(runner)
    scalars = {name.removeprefix('train/'): values.current()
               for name, values in runner.message_hub.log_scalars.items() if len(values.data[0])}
    return scalars, Path(runner.log_dir, f'{runner.timestamp}.log').read_text()


def end(folder, number):
    return torch.load(folder / f'iter_{number}.pth', weights_only=False)


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_a_resumed_run_is_the_one_that_never_stopped(straight, prepared, tmp_path):
    folder, (scalars, _) = straight
    cfg = prepared(tmp_path, iters=4, teacher='ema')
    again, text = logged(cfg, resume_from(cfg, str(folder / 'iter_2.pth')))
    one, other = end(folder, 4), end(tmp_path, 4)
    assert all(same(one[part], other[part]) for part in PARTS)
    assert one['exact_resume']['ratio'] == 1 and one['exact_resume']['drawn'] == 16
    assert 'not bit for bit' not in text
    names = {'loss', 'decode.loss_bce_dice', 'loss_strong_1', 'loss_strong_2', 'confident'}
    assert names <= scalars.keys() and 'pseudo_F1' not in scalars and scalars['confident'] == 1
    assert all(scalars[name] == again[name] for name in names)
    assert scalars['loss'] == pytest.approx(sum(value for key, value in scalars.items() if 'loss_' in key), rel=1e-4)


def test_another_ratio_is_reported(straight, prepared, tmp_path):
    cfg = prepared(tmp_path, iters=4, teacher='ema')
    cfg.train_dataloader.sampler.ratio = 2
    cfg.train_dataloader.batch_size = 3
    _, text = logged(cfg, resume_from(cfg, str(straight[0] / 'iter_2.pth')))
    assert 'there were 1 unlabelled pairs per labelled one and are 2, so pairs are skipped or repeated' in text


def test_its_checkpoint_is_that_of_the_plain_detector(straight, prepared, tmp_path):
    """Tested by the semi-supervised config and by the detector's own; predicted from the checkpoint alone."""
    checkpoint = str(straight[0] / 'iter_4.pth')
    scores = []
    for config in (SEMI, CONFIGS / 'schanger/levir_small.py'):
        cfg = prepared(tmp_path / config.stem, config)
        cfg.test_dataloader = prepared(tmp_path).test_dataloader
        scoring.test_only(cfg, checkpoint)
        scores.append(scoring.evaluate(cfg)['changed/OA'])
    assert scores[0] == scores[1] and 0 <= scores[0] <= 100
    assert [(entry.labels, entry.images) for entry in read_lineage(read_checkpoint(checkpoint).content)] == [
        (True, 2), (False, 2)]
    for names, how in (('labelled', 'with labels'), ('unlabelled', 'without labels')):
        cfg.test_dataloader.dataset.ann_file = f'{names}.txt'
        with pytest.raises(ConfigError, match=f'2 of the 2 scored images were trained on, {how} by UniMatch'):
            scoring.evaluate(copy.deepcopy(cfg))
    model = SceneModel.load(checkpoint)
    assert type(model.network).__name__ == 'SiameseEncoderDecoder'
    pair = 255 * np.random.default_rng(0).random((1, 2, 3, 40, 40), np.float32)
    cfg = load_config(CONFIGS / 'schanger/levir_small.py')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    np.testing.assert_array_equal(model.predict(pair), SceneModel(cfg, checkpoint, 'plain').predict(pair))


def test_a_model_around_a_detector_is_the_same_as_semi(tmp_path):
    """As mmdetection writes it: ``model=dict(type='UniMatch', detector=...)``."""
    config = tmp_path / 'wrapped.py'
    config.write_text(f"_base_ = '{CONFIGS / 'semi/supervised_schanger-small_levir256.py'}'\n"
                      "model = dict(_delete_=True, type='UniMatch', threshold=0.5, detector=_base_.model)\n"
                      'train_dataloader = dict(sampler=dict(ratio=1))\n')
    cfg, plain = load_config(config, {'model.detector.backbone.arch': 'base'}), load_config(SEMI)
    assert cfg.semi == dict(type='UniMatch', threshold=0.5) and cfg.model.backbone.arch == 'base'
    cfg.model.backbone.arch = 'small'
    assert cfg.model == plain.model and cfg.train_dataloader == plain.train_dataloader


def test_labels_of_unlabelled_pairs_are_not_read_and_change_no_weight(prepared, tmp_path):
    cfg, data = prepared(tmp_path / 'one'), tmp_path / 'data'
    shutil.copytree(cfg.train_dataloader.dataset.labelled.data_root, data)
    for name in ('2', '3'):  # the unlabelled pairs of the list
        (data / f'label/{name}.png').write_bytes(b'no image')
    for part in ('labelled', 'unlabelled'):
        cfg.train_dataloader.dataset[part].data_root = str(data)
    read = prepared(tmp_path / 'read')
    read.train_dataloader.dataset.unlabelled.labelled = True  # for the log only
    (without, _), (scored, _) = logged(cfg), logged(read)
    one, other = (end(tmp_path / name, 2) for name in ('one', 'read'))
    assert same(one['state_dict'], other['state_dict']) and same(one['optimizer'], other['optimizer'])
    assert 'pseudo_F1' not in without and 0 <= scored['pseudo_F1'] <= 1 and 0 <= scored['pseudo_accuracy'] <= 1


def labelled_only(cfg):
    cfg.train_dataloader = dict(cfg.train_dataloader, dataset=cfg.train_dataloader.dataset.labelled,
                                sampler=dict(type='SeededInfiniteSampler'))


@pytest.mark.parametrize(('change', 'message'), [
    (lambda cfg: cfg.train_dataloader.update(batch_size=3),
     r'train_dataloader\.batch_size=3: expected a multiple of 2, since SemiSampler draws 1 unlabelled'),
    (lambda cfg: cfg.train_dataloader.sampler.update(ratio=0),
     r'sampler\.ratio=0: expected 1 or more .* for the supervised control set semi=None'),
    (lambda cfg: cfg.semi.update(partner='second'), r"ratio=1: expected an even number for semi\.partner='second'"),
    (lambda cfg: cfg.train_dataloader.dataset.unlabelled.pipeline[3].transforms[2].update(crop_size=(32, 32)),
     r'labelled crops have \(channels, height, width\) \(6, 64, 64\) and unlabelled ones \(6, 32, 32\)'),
    (lambda cfg: cfg.train_dataloader.dataset.unlabelled.update(pipeline=cfg.test_pipeline[::2]),
     r'unlabelled one 3; expected 3 .* StrongViews and PackViews'),
    (lambda cfg: cfg.train_dataloader.dataset.unlabelled.pipeline.pop(2),
     r"unlabelled samples do not say which pixels count; put dict\(type='AddIgnoreMask'\)"),
    (labelled_only,
     r'semi: train_dataloader has FolderCDDataset and SeededInfiniteSampler; expected dataset=dict\(type=SemiDataset'),
    (lambda cfg: (cfg.semi.update(teacher='ema'), cfg.update(custom_hooks=[])),
     r"semi\.teacher='ema': expected EMAHook in custom_hooks"),
])
def test_mistakes_are_reported_before_the_first_iteration(prepared, change, message, tmp_path):
    cfg = prepared(tmp_path)
    change(cfg)
    with pytest.raises((ConfigError, ValueError), match=message):
        runner = build_runner(cfg)
        runner.register_hook(NoIteration())
        train(runner)


def test_the_control_trains_with_labelled_pairs_alone(prepared, tmp_path):
    cfg = prepared(tmp_path, CONFIGS / 'semi/supervised_schanger-small_levir256.py')
    assert type(build_runner(copy.deepcopy(cfg)).model).__name__ == 'SiameseEncoderDecoder'
    scalars, _ = logged(cfg)
    assert 'confident' not in scalars and np.isfinite(scalars['loss'])


def test_a_training_in_which_nothing_is_confident_says_so(prepared, tmp_path):
    cfg = prepared(tmp_path, threshold=1.0, patience=2)
    cfg.model.decode_head.init_cfg = load_config('custom').model.decode_head.init_cfg  # all probabilities near 0.12
    scalars, _ = logged(cfg)
    assert scalars['confident'] == scalars['loss_strong_1'] == 0 and np.isfinite(scalars['loss'])
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'for 2 iterations no pixel of an unlabelled pair reached semi.threshold=1.0' in log
