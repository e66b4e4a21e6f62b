"""Installing this package where a stack already is: nothing that is there moves, whatever extras are asked for."""

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from schanger_mm.version import __version__

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE', 'CHANGELOG.md', 'CITATION.cff',
           'model-index.yml', 'requirements.txt', 'requirements', 'configs', 'tools', 'schanger_mm')
HELD = ('torch', 'numpy')
ENV = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}  # it would show the checkout
STACKS = {'openmmlab': ('mmengine', 'mmcv', 'mmsegmentation'),
          'mm': ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation')}


def pip(*words):
    """Run this environment's pip."""
    done = subprocess.run([sys.executable, '-m', 'pip', *map(str, words)], env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def freeze(folder):
    """Return {distribution: version} as the Python of a virtual environment sees them."""
    code = 'from importlib.metadata import distributions\nfor d in distributions(): print(d.name, d.version)'
    done = subprocess.run([folder / 'bin/python', '-c', code], env=ENV, capture_output=True, text=True,
                          check=True)
    found = {}
    for line in done.stdout.splitlines():
        name, version = line.split()
        found.setdefault(name.lower().replace('_', '-'), version)  # the first on the path is the one imported
    return found


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    source, out = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / name, source)
    pip('wheel', '--quiet', '--no-index', '--no-deps', '--no-build-isolation', '-w', out, source)
    (file, ) = out.glob('*.whl')
    return file


@pytest.fixture
def beside(tmp_path):
    """An environment that sees all of this one's packages and takes in new ones of its own."""
    folder = tmp_path / 'beside'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder], check=True)
    (site, ) = folder.glob('lib/python*/site-packages')
    (site / 'beside.pth').write_text(sysconfig.get_path('purelib'))
    return folder


@pytest.mark.long
@pytest.mark.stack
@pytest.mark.parametrize('extras', ['', 'geo,export,dask,selfsup,STACK'])
def test_installing_the_wheel_moves_nothing(wheel, beside, extras):
    """Without an index: whatever pip wanted in another version than the one here would end in an error."""
    stack = next(name for name, parts in STACKS.items() if all(installed(part) for part in parts))
    before = freeze(beside)
    assert before.keys() >= {*STACKS[stack], *HELD}  # it does see them
    extras = extras.replace('STACK', stack)
    wanted = f'schanger-mm[{extras}] @ {wheel.as_uri()}' if extras else wheel
    pip('--python', beside / 'bin/python', 'install', '--quiet', '--no-index', wanted)
    after = freeze(beside)
    moved = {name for name in before | after if before.get(name) != after.get(name)} - {'schanger-mm'}
    assert moved == set()
    assert after['schanger-mm'] == __version__
    place = subprocess.run([beside / 'bin/python', '-c', 'import schanger_mm; print(schanger_mm.__file__)'],
                           cwd=beside, env=ENV, capture_output=True, text=True, check=True).stdout
    assert str(beside) in place
