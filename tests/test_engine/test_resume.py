"""Checkpoints of our own trainings under the loader that runs no code, and what such a file may make a run do."""

import copy
import os
import shutil

import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from schanger_mm.apis import build_runner, resume_from
from schanger_mm.config.loading import ConfigError
from schanger_mm.engine.resume import latest_checkpoint, refuse_earlier_run

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


WHOLE = dict(meta={}, message_hub={}, state_dict={'w': torch.ones(3)}, optimizer={})


@pytest.fixture
def folder(tmp_path):
    """A work directory with three checkpoints, the last one named by ``last_checkpoint``."""
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    for age, step in enumerate((30, 20, 10)):
        torch.save(WHOLE, work_dir / f'iter_{step}.pth')
        os.utime(work_dir / f'iter_{step}.pth', (1000 - age, 1000 - age))
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'iter_30.pth'))
    return work_dir


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


def test_an_empty_folder_has_none(tmp_path):
    assert latest_checkpoint(tmp_path) is None and latest_checkpoint(tmp_path / 'nowhere') is None


def test_the_pointer_is_followed_even_to_an_older_one(folder):
    assert latest_checkpoint(folder).path == folder / 'iter_30.pth'
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_10.pth'))  # another run was here before
    assert latest_checkpoint(folder).path == folder / 'iter_10.pth'


@pytest.mark.parametrize('pointer', [None, '', '\0\0\0', 'iter_40.pth', '/elsewhere/iter_40.pth'])
def test_without_a_good_pointer_it_is_the_newest(folder, pointer):
    (folder / 'last_checkpoint').unlink()
    if pointer is not None:
        (folder / 'last_checkpoint').write_text(pointer)
    assert latest_checkpoint(folder).path == folder / 'iter_30.pth'


def test_damaged_ones_are_passed_over(folder):
    cut(folder / 'iter_30.pth')
    assert latest_checkpoint(folder).path == folder / 'iter_20.pth'
    torch.save(dict(state_dict={}), folder / 'iter_20.pth')  # weights only
    assert latest_checkpoint(folder).path == folder / 'iter_10.pth'


def test_best_and_half_written_files_are_never_taken(folder):
    for path in folder.glob('iter_*'):
        path.unlink()
    for name in ('best_changed_F1_iter_9.pth', '.iter_9.pth.7.partial', 'iter_9_det.pth'):
        torch.save(WHOLE, folder / name)
    (folder / 'last_checkpoint').unlink()
    assert latest_checkpoint(folder) is None


def test_a_moved_folder_is_resumed_where_it_is(folder, tmp_path):
    shutil.move(folder, tmp_path / 'moved')
    assert latest_checkpoint(tmp_path / 'moved').path == tmp_path / 'moved/iter_30.pth'


def test_if_all_are_damaged_the_run_does_not_start_anew_in_silence(folder):
    for path in folder.glob('*.pth'):
        cut(path)
    with pytest.raises(ConfigError, match=r'no checkpoint of .*run can be resumed from: .*iter_30\.pth.*--resume FILE'):
        latest_checkpoint(folder)


def test_a_new_run_does_not_replace_the_checkpoints_of_another(folder, tmp_path):
    with pytest.raises(ConfigError, match=r'run holds iter_10\.pth, \.\.\. and 2 more of .*--resume.*--overwrite'):
        refuse_earlier_run(folder)
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/my_weights.pth').touch()
    refuse_earlier_run(tmp_path / 'other')
    refuse_earlier_run(tmp_path / 'none')
    (tmp_path / 'other/best_changed_F1_iter_10.pth').touch()
    with pytest.raises(ConfigError, match=r'other holds best_changed_F1_iter_10\.pth of an earlier run'):
        refuse_earlier_run(tmp_path / 'other')
