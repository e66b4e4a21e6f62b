"""Checkpoints of our own trainings under the loader that runs no code, and what such a file may make a run do."""

import copy

import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from schanger_mm.apis import ConfigError, build_runner, resume_from

TINY = (8, 8, 12, 16, 20, 24)


@pytest.fixture
def config(small, root, tmp_path):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = TINY
    cfg.train_cfg.val_interval = 1
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=5)
    for hook in cfg.custom_hooks:
        if hook.type == 'EMAHook':
            hook.update(begin_iter=0)
    return cfg


def test_a_training_resumes_and_does_what_its_file_may(config, tmp_path):
    """One training, as each costs seconds."""
    work, canary, theirs = tmp_path / 'work', tmp_path / 'canary', tmp_path / 'thesis.pth'
    build_runner(copy.deepcopy(config)).train()
    content = torch.load(work / 'iter_1.pth', weights_only=False)
    assert {'optimizer', 'param_schedulers', 'ema_state_dict', 'message_hub'} <= content.keys()
    code = f'open({str(canary)!r}, "w").close()'
    theirs.touch()
    content['meta'].update(config=code, cfg=code)
    content['message_hub']['runtime_info'].update(best_score=-1.0, best_ckpt=str(theirs), keep_ckpt_ids=['../x'])
    torch.save(content, work / 'iter_1.pth')

    cfg = copy.deepcopy(config)
    resume_from(cfg, str(work / 'iter_1.pth'))  # the length cannot be compared, and is not executed
    runner = build_runner(cfg)
    runner.train()
    assert runner.iter == 2 and not canary.exists()
    assert isinstance(runner.message_hub.get_scalar('train/loss'), HistoryBuffer)
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 2  # of both parts
    assert theirs.exists()  # a better one was found meanwhile
    assert runner.message_hub.get_info('best_ckpt').startswith(str(work))


def test_weights_alone_start_a_run_and_do_not_continue_one(config, tmp_path):
    runner = build_runner(config)
    state = {name: torch.rand_like(value) if value.is_floating_point() else value
             for name, value in runner.model.state_dict().items()}
    save_file(state, tmp_path / 'start.safetensors')
    config.load_from = str(tmp_path / 'start.safetensors')
    runner = build_runner(config)
    runner.call_hook('before_run')
    runner.load_or_resume()
    assert all(torch.equal(value, state[name]) for name, value in runner.model.state_dict().items())
    with pytest.raises(ConfigError, match=r'it has no meta, message_hub, optimizer.*load_from=FILE'):
        resume_from(config, str(tmp_path / 'start.safetensors'))
