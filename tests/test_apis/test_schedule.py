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
