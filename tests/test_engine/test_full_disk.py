"""Log lines and scalars on a full disk: ``/dev/full`` refuses every byte."""

import io
import logging
import os
from pathlib import Path

import pytest

from schanger_mm.apis import build_runner, train
from schanger_mm.commands.cli import report_errors
from schanger_mm.engine.full_disk import outlive_full_disk

pytestmark = pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')


def test_records_are_lost_with_one_warning(capfd):
    logger = logging.Logger('full', logging.INFO)
    logger.addHandler(logging.FileHandler('/dev/full'))
    outlive_full_disk(logger)
    for _ in range(3):
        logger.info('a line')
    assert capfd.readouterr().err == ('warning: /dev/full: No space left on device; records are lost until there is '
                                      'room. Training goes on.\n')
    logger.info('%d', 'a mistake in the program is still shown')
    assert 'TypeError' in capfd.readouterr().err


def test_a_stream_is_wrapped_once_and_a_closed_one_is_left_closed():
    logger = logging.Logger('again', logging.INFO)
    stream = io.StringIO()
    logger.addHandler(logging.StreamHandler(stream))
    stream.close()
    outlive_full_disk(logger)
    wrapped = logger.handlers[0].stream
    outlive_full_disk(logger)
    assert logger.handlers[0].stream is wrapped and stream.closed


def test_a_training_goes_on_and_saves(root, small, tmp_path, capfd):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = (8, 8, 12, 16, 20, 24)
    cfg.default_hooks.logger.interval = 1
    cfg.visualizer.name = str(tmp_path)  # of its own: mmengine hands out one of another test by its name
    runner = build_runner(cfg)
    (folder, ) = (path for path in (tmp_path / 'work').iterdir() if path.is_dir())
    scalars = Path(folder, 'vis_data/scalars.json')
    scalars.unlink(missing_ok=True)
    scalars.symlink_to('/dev/full')
    (file, ) = (handler for handler in runner.logger.handlers if isinstance(handler, logging.FileHandler))
    file.setStream(open('/dev/full', 'w'))
    outlive_full_disk(runner.logger)
    train(runner)
    said = capfd.readouterr()
    assert said.err.count('No space left on device; records are lost') == 2  # the log and the scalars
    assert 'Traceback' not in said.err and 'Iter(train) [2/2]' in said.out
    assert (tmp_path / 'work/iter_2.pth').is_file()


def test_any_other_file_on_a_full_disk_is_one_line(capsys):
    def write():
        with open('/dev/full', 'w') as file:
            file.write('a config')

    assert report_errors(write) == 2
    assert capsys.readouterr().err == 'error: No space left on device: make room and run the command again.\n'
