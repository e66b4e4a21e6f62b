import logging
import re

from schanger_mm.apis import build_runner
from schanger_mm.engine.console import quiet


def test_long_records_go_to_the_file_only_and_warnings_everywhere(tmp_path, capsys):
    logger = logging.Logger('console', logging.INFO)
    logger.addHandler(screen := logging.StreamHandler())
    logger.addHandler(file := logging.FileHandler(tmp_path / 'run.log'))
    quiet(logger)
    quiet(logger)
    assert (len(screen.filters), len(file.filters)) == (1, 0)
    logger.info('\n----\nSystem environment:\n    sys.platform: linux')
    logger.info('Config:\nmodel = dict()')
    logger.warning('Config: a warning is shown whatever it begins with')
    logger.info('Saving checkpoint at 6 iterations')
    shown = capsys.readouterr().err
    assert shown == 'Config: a warning is shown whatever it begins with\nSaving checkpoint at 6 iterations\n'
    assert len((tmp_path / 'run.log').read_text().splitlines()) == 8


def test_a_training_says_in_few_lines_what_it_does_and_the_log_file_has_everything(root, small, tmp_path, capfd):
    cfg = small(root / 'configs/schanger/demo.py', tmp_path / 'work')
    cfg.model.backbone.arch = cfg.model.decode_head.arch = (8, 8, 12, 16, 20, 24)
    cfg.default_hooks.logger.interval = 1
    cfg.train_cfg.val_interval = 10
    build_runner(cfg).train()
    lines = ''.join(capfd.readouterr()).splitlines()
    first = next(place for place, line in enumerate(lines) if 'Iter(train)' in line)
    assert first <= 30
    text = '\n'.join(lines[:first])
    for part in (r'config +\S+configs/schanger/demo\.py',
                 r'network +SiameseEncoderDecoder, [\d,]{6,} parameters, on cpu',
                 r'training +2 images, 2 to validate; batches of 2', r'length +iteration 0 to 2',
                 rf'saves to +{tmp_path}/work', r'log file +\S+\.log'):
        assert re.search(part, text), part
    assert 'eta: ' in lines[first]
    (log, ) = (tmp_path / 'work').glob('*/*.log')
    assert all(part in log.read_text() for part in ('System environment', 'Hooks will be executed'))
