import pytest

from schanger_mm.apis import load_config, shorten


def test_phases_and_the_memory_of_the_average_keep_their_share(root):
    cfg = load_config(root / 'configs/schanger/levir.py')
    ema = next(h for h in cfg.custom_hooks if h.type == 'EMAHook')
    share = ema.interval / ema.momentum / cfg.train_cfg.max_iters
    shorten(cfg, 6600)
    assert cfg.train_cfg.max_iters == 6600 and cfg.train_cfg.val_interval == 1320
    assert [(s.begin, s.end) for s in cfg.param_scheduler] == [(0, 330), (330, 6600)]
    assert ema.interval == 1
    assert ema.interval / ema.momentum / 6600 == pytest.approx(share)
    assert cfg.default_hooks.checkpoint.interval == 1320


def test_full_length_changes_nothing_but_the_log(root):
    cfg = load_config(root / 'configs/schanger/levir.py')
    before = cfg.to_dict()
    shorten(cfg, 660_000)
    assert cfg.to_dict() == before


def test_needs_iterations(root):
    cfg = load_config(root / 'configs/schanger/levir.py')
    with pytest.raises(ValueError, match='--max-iters 0: needs a positive number'):
        shorten(cfg, 0)


def test_a_phase_that_vanishes_is_left_out(root):
    cfg = load_config(root / 'configs/schanger/levir.py')
    shorten(cfg, 5)
    assert [(s.type, s.begin, s.end) for s in cfg.param_scheduler] == [('CosineAnnealingLR', 0, 5)]


def test_checkpoints_never_become_rarer(root):
    cfg = load_config(root / 'configs/schanger/pretrain_inria.py')
    shorten(cfg, 500_000)
    assert cfg.default_hooks.checkpoint.interval == 5000


def test_single_schedulers_and_hooks_with_defaults(root):
    cfg = load_config(root / 'configs/schanger/levir.py')
    cfg.param_scheduler = cfg.param_scheduler[1]
    cfg.custom_hooks = [dict(type='EMAHook')]
    shorten(cfg, 66_000)
    assert cfg.param_scheduler[0].end == 66_000
    assert (cfg.custom_hooks[0].interval, cfg.custom_hooks[0].momentum) == (1, pytest.approx(2e-3))


def test_training_by_epochs_becomes_training_by_iterations(root):
    cfg = load_config(root / 'configs/sadl/sadl_r18-fpn_inria.py')
    shorten(cfg, 1000)
    assert cfg.train_cfg == dict(type='IterBasedTrainLoop', max_iters=1000, val_interval=200)
    assert cfg.train_dataloader.sampler == dict(type='SeededInfiniteSampler', shuffle=True)
    assert cfg.param_scheduler == [
        dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=1000, by_epoch=False)]
    checkpoint = cfg.default_hooks.checkpoint
    assert (checkpoint.by_epoch, checkpoint.interval) == (False, 50)  # 10 of 200 epochs
    assert (cfg.default_hooks.logger.interval, cfg.default_hooks.logger.log_metric_by_epoch) == (50, False)


@pytest.mark.parametrize('every, iterations', [(None, 5), (20, 100), (180, 200)])
def test_validation_by_epochs_keeps_its_share(root, every, iterations):
    cfg = load_config(root / 'configs/sadl/sadl_r18-fpn_inria.py')
    cfg.val_cfg = dict(type='ValLoop')
    if every:
        cfg.train_cfg.val_interval = every
    cfg.default_hooks.checkpoint.interval = 200
    shorten(cfg, 1000)
    assert cfg.train_cfg.val_interval == iterations
    assert cfg.default_hooks.checkpoint.interval == iterations


def test_a_run_of_a_few_iterations_from_many_epochs(root):
    cfg = load_config(root / 'configs/sadl/sadl_r18-fpn_inria.py')
    shorten(cfg, 2)
    assert (cfg.train_cfg.max_iters, cfg.default_hooks.checkpoint.interval) == (2, 1)
    assert [(s.begin, s.end) for s in cfg.param_scheduler] == [(0, 2)]
