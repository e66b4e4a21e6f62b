"""The table of commands, and what each of them has in common: quick help, and choices that the package has."""

import importlib
import os
import shlex
import subprocess
import sys

import pytest

from schanger_mm.commands import arguments, benchmark, export, fetch, study, test, to_safetensors, train, transfer
from schanger_mm.commands.benchmark_startup import TARGET, command_lines, measure
from schanger_mm.commands.table import COMMANDS, PROGRAM, SCRIPTS, module_of, named_by_script

NO_COMMANDS = {'__init__', 'arguments', 'cli', 'main', 'table'}
NO_TOOLS = {'dist_launch', 'misc/make_opencd_patch'}
HEAVY = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmseg', 'cv2', 'PIL', 'rasterio', 'matplotlib')


def test_every_command_stands_in_the_table(root):
    files = {path.stem for path in (root / 'schanger_mm/commands').glob('*.py')} - NO_COMMANDS
    assert files == {module_of(name).rpartition('.')[2] for name in COMMANDS}


def test_every_tool_runs_a_command_of_the_table(root):
    tools = {path.relative_to(root / 'tools').with_suffix('').as_posix() for path in (root / 'tools').rglob('*.py')
             if 'opencd_patch' not in path.parts}
    assert tools - NO_TOOLS == set(SCRIPTS.values())
    for name, script in SCRIPTS.items():
        text = (root / f'tools/{script}.py').read_text()
        assert f'from schanger_mm.commands import {module_of(name).rpartition(".")[2]}\n' in text
        assert len(text.splitlines()) < 12


def test_a_command_is_found_by_the_name_of_its_script():
    assert [named_by_script(word) for word in ('get_flops', 'tools/model_converters/sadl2det.py', 'train', 'none', '')
            ] == ['flops', 'transfer', 'train', None, None]


EVERY_HELP = """
import contextlib, io, runpy, sys
from schanger_mm.commands import main, table
heavy = {heavy!r}

def usage(call):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        status = call()
        assert not status, status
    loaded = sorted(set(sys.modules) & set(heavy))
    assert not loaded, loaded
    return text.getvalue().split(' [-h]')[0].removeprefix('usage: ')

for name in table.COMMANDS:
    sys.argv = ['bin/schanger', *name.split(), '--help']
    print(usage(main.main))
for script in table.SCRIPTS.values():
    sys.argv = [f'tools/{script}.py', '--help']
    print(usage(lambda: runpy.run_path(sys.argv[0], run_name='__main__') and 0))
"""


def test_help_needs_the_standard_library_alone_and_says_what_was_typed(root):
    done = subprocess.run([sys.executable, '-c', EVERY_HELP.replace('{heavy!r}', repr(HEAVY))], cwd=root,
                          env={**os.environ, 'PYTHONPATH': str(root)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*(f'{PROGRAM} {name}' for name in COMMANDS),
                                        *(f'{script.rpartition("/")[2]}.py' for script in SCRIPTS.values())]


def test_help_is_quick():
    """Three times the target, for machines that have much else to do; tools/benchmark_startup.py prints the times."""
    lines = {name: words for name, words in command_lines().items() if words[:2] == ['-m', 'schanger_mm']}
    assert len(lines) == len(COMMANDS) + 1
    slow = {name: lines[name] for name, seconds in measure(lines, rounds=1).items() if seconds > 3 * TARGET}
    assert {name: seconds for name, seconds in measure(slow, rounds=3).items() if seconds > 3 * TARGET} == {}


@pytest.mark.parametrize('name', COMMANDS)
def test_a_command_describes_itself(name):
    module = importlib.import_module(module_of(name))
    assert module.parser().description and callable(module.main)
    assert module.__doc__.endswith('.') and not COMMANDS[name].help.endswith('.')


@pytest.mark.parametrize('name', COMMANDS)
def test_an_example_is_what_its_command_reads(name):
    assert importlib.import_module(module_of(name)).parser().parse_args(shlex.split(COMMANDS[name].example))


def test_choices_are_those_of_the_package():
    """Parsers repeat them, as the modules that define them take seconds to import."""
    from schanger_mm.apis import MODES
    from schanger_mm.benchmark.variants import VARIANTS
    from schanger_mm.checkpoints import fetch as fetching
    from schanger_mm.checkpoints.quarantine import TRUST
    from schanger_mm.checkpoints.transfer import ENCODER
    from schanger_mm.deploy.card import BACKENDS
    from schanger_mm.engine.visual_backends import BACKENDS as VIS
    from schanger_mm.experiments.study import SEEDS
    from schanger_mm.models.detectors.siamese_encoder_decoder import PRECISIONS
    assert tuple(MODES) == test.MODES
    assert tuple(BACKENDS) == export.FORMATS and test.BACKENDS == tuple(name for name in BACKENDS if name != 'program')
    assert tuple(VIS) == train.VIS
    assert tuple(PRECISIONS) == arguments.PRECISIONS
    assert {task: tuple(variants) for task, variants in VARIANTS.items()} == benchmark.VARIANTS
    assert ENCODER == transfer.PARTS and SEEDS == study.SEEDS and TRUST == to_safetensors.TRUST
    assert [getattr(fetching, name) for name in ('SETS', 'SIZES', 'PAGE', 'URL_VARIABLE')] == [
        fetch.SETS, fetch.SIZES, fetch.PAGE, fetch.URL_VARIABLE]
