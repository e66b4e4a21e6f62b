"""Bad input for every command: one error for the user, status 2, and no traceback."""

import importlib

import pytest

from schanger_mm.commands import cli
from schanger_mm.commands.table import COMMANDS, module_of

DEMO = 'configs/schanger/demo.py'
CONFIGS = ['train', 'browse', 'benchmark-dataset', 'flops', 'config show']
"""Commands that need nothing but a config."""
CHECKPOINTS = {
    'test': [DEMO, 'FILE', '--work-dir', 'w'], 'thresholds': [DEMO, 'FILE', '--work-dir', 'w'],
    'export': [DEMO, 'FILE', '--format', 'onnx', '--out', 'net.onnx'], 'convert': ['FILE', 'ours.pth'],
    'predict': ['FILE', 'a.tif', 'b.tif', '--out', 'out', '--device', 'cpu'], 'transfer': ['FILE', DEMO, 'det.pth'],
    'benchmark-scene': ['FILE', 'a.tif', 'b.tif'], 'to-safetensors': ['FILE', 'plain.safetensors'],
    'publish': ['FILE', 'published'], 'benchmark': ['--arch', 'small', '--checkpoint', 'FILE']}
FOLDERS = {'verify': ['FOLDER'], 'stats': ['FOLDER'], 'tile': ['FOLDER', 'tiles'],
           'split': ['FOLDER', '--out', 'splits', '--val', '1'], 'foreground': ['FOLDER', '--out', 'list.txt'],
           'curves': ['FOLDER']}
OTHERS = {
    'from-rasters': [['no.tif', 'no.tif', 'no.gpkg', '--out', 'o'], ['text', 'text', 'text', '--out', 'o'],
                     ['no.tif', 'no.tif', 'no.gpkg', '--out', 'o', '--scale', 'p9:p1']],
    'correct': [['no.gpkg', 'no.tif', 'no.tif', '--out', 'o'], ['text', 'text', 'text', '--out', 'o'],
                ['no.gpkg', 'no.tif', 'no.tif', '--out', 'o', '--margin', '-1']],
    'predict': [['no.pth', 'table.csv', '--out', 'o'], ['levir-huge', 'a.tif', 'b.tif', '--out', 'o']],
    'fetch': [['levir', 'base', '--base-url', 'nowhere', '--out', 'o.pth'],
              ['levir', 'base', '--sha256', 'xyz', '--out', 'o.pth']],
    'study': [['--seeds', 'x'], ['--jobs', '0'], ['--out', 'text']],
    'compare': [['--train', 'nowhere', '--val', 'nowhere'], ['--train', '.', '--val', '.', '--arms', 'x']],
    'benchmark': [['--rounds', '0'], ['--sizes', '0'], ['--arch', 'x'], ['--device', 'nowhere'], ['no.py']],
    'benchmark-startup': [['--rounds', '0']],
    'split': [['.', '--out', 'o', '--val', 'x'], ['.', '--out', 'o', '--val', '1', '--group-by', '('],
              ['.', '--out', 'o', '--val', '1', '--from-list', 'no.txt']],
    'flops': [[DEMO, '--shape', '0'], [DEMO, '--cfg-options', 'model.backbone=None'],
              [DEMO, '--cfg-options', 'model.backbone.type=Nothing'], [DEMO, '--cfg-options', 'model.backbone.arc=1']],
    'train': [[DEMO, '--cfg-options', 'model=5'], [DEMO, '--cfg-options', 'a'], [DEMO, '--max-iters', '-1'],
              [DEMO, '--launcher', 'slurm'],
              *([DEMO, '--work-dir', 'w', '--cfg-options', word] for word in (
                  'train_dataloader.batch_size=0', 'train_dataloader.num_workers=x', 'train_cfg.max_iters=many',
                  'randomness.seed=x', 'env_cfg=None', 'log_level=LOUD', 'load_from=5'))],
    'demo': [['--out', 'text']],
    'area': [['nowhere.gpkg', '--draw', '9'], ['text', '--draw', '9', '--map', 'text'], ['text', 'table.csv'],
             ['text']],
    'completion': [['tcsh']],
    'config new': [['--data', 'empty'], ['--data', 'nowhere'], ['--data', 'empty', '--out', 'a.json']],
}
CASES = [
    *((name, [file]) for name in CONFIGS
      for file in ('no.py', 'text.py', 'zero.py', 'list.yaml', 'half.yaml', '.', '')),
    *((name, [file if word == 'FILE' else word for word in words]) for name, words in CHECKPOINTS.items()
      for file in ('no.pth', 'text.pth', '.')),
    *((name, [folder if word == 'FOLDER' else word for word in words]) for name, words in FOLDERS.items()
      for folder in ('nowhere', 'empty', 'text')),
    *((name, words) for name, lines in OTHERS.items() for words in lines)]


@pytest.fixture
def folder(tmp_path, monkeypatch, root):
    """A working directory with files that are not what their names promise."""
    for name in ('text', 'text.py', 'text.pth'):
        (tmp_path / name).write_text('this is text\n')
    (tmp_path / 'zero.py').write_text('a = 1 / 0\n')
    (tmp_path / 'half.yaml').write_text('a: [1\n')
    (tmp_path / 'list.yaml').write_text('- 1\n')
    (tmp_path / 'table.csv').write_text('one,two\n1,2\n')
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path)
    return root


def test_every_command_is_tried():
    assert {name for name, _ in CASES} == set(COMMANDS)


@pytest.mark.parametrize(('name', 'words'), CASES, ids=str)
def test_bad_input_is_one_error(name, words, folder, capsys):
    words = [str(folder / word) if word == DEMO else word for word in words]
    try:
        status = cli.run(importlib.import_module(module_of(name)), words)
    except SystemExit as end:  # argparse's
        status = end.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.count('error: ') == 1 and 'Traceback' not in said, said
