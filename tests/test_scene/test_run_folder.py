import errno
import os

import numpy as np
import pytest

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.polygons import write_polygons
from schanger_mm.scene.run_folder import FOLDER, Journal, Outputs

BINDING = dict(inputs=dict(before=dict(files=[dict(path='a.tif', sha256='1')])),
               settings=dict(window=256, bands=(1, 2)))


@pytest.fixture
def block():
    return np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_finished_blocks_survive(tmp_path, block):
    journal = Journal(tmp_path, BINDING)
    journal.store(7, block)
    journal.store(2, block + 1)
    again = Journal(tmp_path, BINDING, resume=True)
    assert sorted(again.done) == [2, 7]
    np.testing.assert_array_equal(again.load(2), block + 1)
    again.remove()
    assert list(tmp_path.iterdir()) == []
    assert Journal(tmp_path, BINDING, resume=True).done == {}  # nothing to go on with is no mistake


def test_an_interrupted_run_is_not_replaced_by_accident(tmp_path, block):
    Journal(tmp_path, BINDING).store(0, block)
    with pytest.raises(SceneError, match='1 finished blocks of an interrupted run; use --resume to continue it, or'):
        Journal(tmp_path, BINDING)


@pytest.mark.parametrize(('change', 'message'), [
    (dict(settings=dict(window=512, bands=(1, 2))), 'settings.window was 256, now 512'),
    (dict(settings=dict(window=256, bands=(1, 3))), r'settings.bands was \[1, 2\], now \[1, 3\]'),
    (dict(inputs=dict(before=dict(files=[dict(path='a.tif', sha256='2')]))),
     'inputs.before.files.0.sha256 was 1, now 2'),
    (dict(model=dict(sha256='x')), "model was None, now {'sha256': 'x'}"),
])
def test_a_changed_input_or_setting_is_named(tmp_path, block, change, message):
    Journal(tmp_path, BINDING).store(0, block)
    with pytest.raises(SceneError, match=message):
        Journal(tmp_path, {**BINDING, **change}, resume=True)
    assert list(Journal(tmp_path, BINDING, resume=True).done) == [0]


@pytest.mark.parametrize('tail', ['\n5', '\n5 12', '\n5 123456789', '\n5 123456789 ', '\n\xff\x00'])
def test_a_line_that_a_kill_cut_short_does_not_count(tmp_path, block, tail):
    Journal(tmp_path, BINDING).store(0, block)
    listing = tmp_path / FOLDER / 'done.txt'
    listing.write_bytes(listing.read_bytes() + tail.encode('latin1'))
    journal = Journal(tmp_path, BINDING, resume=True)
    assert list(journal.done) == [0]
    journal.store(5, block)
    assert sorted(Journal(tmp_path, BINDING, resume=True).done) == [0, 5]


def test_a_damaged_block_is_made_again(tmp_path, block):
    journal = Journal(tmp_path, BINDING)
    journal.store(0, block)
    journal.store(1, block)
    file = tmp_path / FOLDER / 'blocks/000001.npy'
    file.write_bytes(file.read_bytes()[:-1] + b'?')
    assert list(Journal(tmp_path, BINDING, resume=True).done) == [0]


def test_a_run_killed_before_its_first_word_leaves_nothing(tmp_path, block):
    (tmp_path / FOLDER / 'blocks').mkdir(parents=True)
    (tmp_path / f'{FOLDER}-finished/blocks').mkdir(parents=True)
    Journal(tmp_path, BINDING).store(0, block)
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_a_full_disk_is_said_and_costs_no_block(tmp_path, block, monkeypatch):
    journal = Journal(tmp_path, BINDING)
    journal.store(0, block)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(SceneError, match='No space left on device.*the same command with --resume continues'):
            journal.store(1, block)
    assert [path.name for path in (tmp_path / FOLDER / 'blocks').iterdir()] == ['000000.npy']
    journal = Journal(tmp_path, BINDING, resume=True)
    assert list(journal.done) == [0]
    journal.store(1, block)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(SceneError, match='file/out/.journal: cannot be written'):
        Journal(tmp_path / 'file/out', BINDING)


@pytest.mark.parametrize('name', ['a!b', 'x!y/a', 'a\n', 'a\x01'])
def test_a_folder_whose_polygons_would_go_elsewhere_is_refused_first(tmp_path, name):
    with pytest.raises(SceneError, match=r'^--out .* would be taken for .*choose a path without `!`'):
        Outputs(tmp_path / name)
    with pytest.raises(SceneError, match='would be taken for'):
        write_polygons('no.tif', 'no.tif', tmp_path / name / 'change.gpkg')
    assert not list(tmp_path.iterdir())


def test_other_names_are_taken(tmp_path):
    for name in ('a b', 'a;b', 'a?b', 'a#b', 'a%20b', 'café', '北京', 'a:b', "a'b", '-a'):
        Outputs(tmp_path / name)
