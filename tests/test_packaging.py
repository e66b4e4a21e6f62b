"""What is given away: the source archive and the wheel, made from a copy and used where no checkout is near."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {'.gitattributes', '.gitignore'}  # of use to git alone
BUILD = 'import sys; from setuptools import build_meta; getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])'


def run(*words, cwd, python=sys.executable):
    env = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PYTHONHOME')}
    done = subprocess.run([str(python), *map(str, words)], cwd=cwd, env={**env, 'OMP_NUM_THREADS': '1'},
                          capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def tracked():
    """Files that git keeps or would keep; where there is no git, as in the archive itself, none are known."""
    if not (ROOT / '.git').exists() or not shutil.which('git'):
        pytest.skip('not a git checkout')
    names = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout
    return {name for name in names.split('\0') if name and (ROOT / name).is_file()}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The archive of a copy, unpacked, and the wheel that is built from it: what a package index does."""
    folder = tmp_path_factory.mktemp('dist')
    names = tracked()
    for name in names:
        (folder / 'copy' / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / 'copy' / name)
    run('-c', BUILD, 'sdist', folder, cwd=folder / 'copy')
    (archive,) = folder.glob('*.tar.gz')
    with tarfile.open(archive) as tar:
        tar.extractall(folder / 'unpacked', filter='data')
    (source,) = (folder / 'unpacked').iterdir()
    run('-c', BUILD, 'wheel', folder, cwd=source)
    (wheel,) = folder.glob('*.whl')
    return names, source, wheel


@pytest.fixture(scope='module')
def installed(made, tmp_path_factory):
    """The wheel in an environment of its own, which borrows what the tests' environment has, but not this package.

    Folders that a .pth file names are searched, but their own .pth files are not read: an editable install stays out.
    """
    home = tmp_path_factory.mktemp('env')
    run('-m', 'venv', '--without-pip', home, cwd=home)
    python = home / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    site = Path(run('-c', 'import sysconfig; print(sysconfig.get_path("purelib"))', cwd=home, python=python).strip())
    with zipfile.ZipFile(made[2]) as wheel:  # a pure wheel is installed by unpacking it
        wheel.extractall(site)
    (site / 'borrowed.pth').write_text('\n'.join(dict.fromkeys(sysconfig.get_paths()[key]
                                                                for key in ('purelib', 'platlib'))))
    away = tmp_path_factory.mktemp('away')
    return lambda *words: run(*words, cwd=away, python=python), site / 'schanger_mm', away


@pytest.mark.long
def test_the_archive_holds_every_file_of_the_repository(made):
    names, source, _ = made
    packed = {path.relative_to(source).as_posix() for path in source.rglob('*') if path.is_file()}
    assert names - packed == LEFT_OUT & names
    assert {'SECURITY.md', 'model-index.yml', 'docs/scenes.md', 'tests/data/sadl_pieces.safetensors'} <= packed
    assert not [name for name in packed if name.endswith('.pyc')]


@pytest.mark.long
def test_the_wheel_holds_the_package_and_what_mim_reads(made):
    names, _, wheel = made
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    package = {name for name in names if name.startswith('schanger_mm/')}
    mim = {f'schanger_mm/.mim/{name}' for name in names
           if name == 'model-index.yml' or name.startswith(('configs/', 'tools/'))}
    assert inside == package | mim


def look_up(package):
    """The model index as mim reads it: every metafile that it imports, with the files that those name."""
    mim = package / '.mim'
    for metafile in yaml.safe_load((mim / 'model-index.yml').read_text())['Import']:
        content = yaml.safe_load((mim / metafile).read_text())
        yield from ((mim / collection['README'], None) for collection in content['Collections'])
        yield from ((mim / model['Config'], model['Name']) for model in content['Models'])


@pytest.mark.long
@pytest.mark.stack
def test_mim_finds_every_model_config_and_tool(installed):
    python, package, _ = installed
    # mim's and mmengine's look-up: distribution -> top_level.txt -> folder -> .mim
    found = python('-c', 'from mmengine.utils import get_installed_path; print(get_installed_path("schanger-mm"))')
    assert Path(found.strip()).samefile(package)
    entries = list(look_up(package))
    assert {'schanger_base_levir', 'schanger_small_whu'} <= {name for _, name in entries}
    assert [str(path) for path, _ in entries if not path.is_file()] == []
    assert {path.name for path in (package / '.mim/tools').glob('*.py')} >= {'train.py', 'test.py', 'predict.py'}


@pytest.mark.long
@pytest.mark.stack
def test_the_wheel_works_where_no_checkout_is(installed):
    python, package, away = installed
    (away / 'mine.py').write_text("_base_ = 'schanger_mm::schanger/levir.py'\nload_from = None\n")
    said = python('-c', textwrap.dedent("""
        import schanger_mm
        from mmengine.config import Config
        from schanger_mm.registry import MODELS
        cfg = Config.fromfile('mine.py')
        model = MODELS.build({'_scope_': 'schanger_mm', **cfg.model, 'data_preprocessor': cfg.data_preprocessor})
        print(schanger_mm.__file__)
        print(type(model).__name__, sum(p.numel() for p in model.parameters()))
        from schanger_mm.scene.model_files import published_config
        print(published_config('levir-small'))
    """)).splitlines()
    assert Path(said[-3]).samefile(package / '__init__.py')
    assert said[-2] == 'SiameseEncoderDecoder 2369995'
    assert Path(said[-1]).samefile(package / '.mim/configs/schanger/levir_small.py')


@pytest.mark.long
@pytest.mark.stack
def test_tools_of_the_wheel_run(installed):
    python, package, _ = installed
    assert '--cfg-options' in python(package / '.mim/tools/train.py', '--help')
    text = python(package / '.mim/tools/analysis_tools/print_config.py', package / '.mim/configs/schanger/levir.py')
    assert re.search(r"type='SpatialConsistencyHead'", text)
