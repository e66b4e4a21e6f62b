import os
import shutil

import pytest
import torch

from schanger_mm.apis.config import ConfigError
from schanger_mm.apis.latest import latest_checkpoint, refuse_earlier_run

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
    assert latest_checkpoint(folder) == str(folder / 'iter_30.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_10.pth'))  # another run was here before
    assert latest_checkpoint(folder) == str(folder / 'iter_10.pth')


@pytest.mark.parametrize('pointer', [None, '', '\0\0\0', 'iter_40.pth', '/elsewhere/iter_40.pth'])
def test_without_a_good_pointer_it_is_the_newest(folder, pointer):
    (folder / 'last_checkpoint').unlink()
    if pointer is not None:
        (folder / 'last_checkpoint').write_text(pointer)
    assert latest_checkpoint(folder) == str(folder / 'iter_30.pth')


def test_damaged_ones_are_passed_over(folder):
    cut(folder / 'iter_30.pth')
    assert latest_checkpoint(folder) == str(folder / 'iter_20.pth')
    torch.save(dict(state_dict={}), folder / 'iter_20.pth')  # weights only
    assert latest_checkpoint(folder) == str(folder / 'iter_10.pth')


def test_best_and_half_written_files_are_never_taken(folder):
    for path in folder.glob('iter_*'):
        path.unlink()
    for name in ('best_changed_F1_iter_9.pth', '.iter_9.pth.7.partial', 'iter_9_det.pth'):
        torch.save(WHOLE, folder / name)
    (folder / 'last_checkpoint').unlink()
    assert latest_checkpoint(folder) is None


def test_a_moved_folder_is_resumed_where_it_is(folder, tmp_path):
    shutil.move(folder, tmp_path / 'moved')
    assert latest_checkpoint(tmp_path / 'moved') == str(tmp_path / 'moved/iter_30.pth')


def test_if_all_are_damaged_the_run_does_not_start_anew_in_silence(folder):
    for path in folder.glob('*.pth'):
        cut(path)
    with pytest.raises(ConfigError, match=r'no checkpoint of .*run can be resumed from: .*iter_30\.pth.*--resume FILE'):
        latest_checkpoint(folder)


def test_a_new_run_does_not_replace_the_checkpoints_of_another(folder, tmp_path):
    with pytest.raises(ConfigError, match=r'run holds iter_10\.pth and 2 more of .*--resume.*--overwrite'):
        refuse_earlier_run(folder)
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/my_weights.pth').touch()
    refuse_earlier_run(tmp_path / 'other')
    refuse_earlier_run(tmp_path / 'none')
    (tmp_path / 'other/best_changed_F1_iter_10.pth').touch()
    with pytest.raises(ConfigError, match=r'other holds best_changed_F1_iter_10\.pth of an earlier run'):
        refuse_earlier_run(tmp_path / 'other')
