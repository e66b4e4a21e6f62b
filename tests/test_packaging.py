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

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image
from rasterio.transform import from_origin

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {'.gitattributes', '.gitignore'}  # of use to git alone
LIGHT = 450_000_000
"""Bytes that all packages of an install that only predicts may take on the disk."""
FIRST_RESULT = 20
"""Processor seconds until such an install has mapped a first pair of 128 px; 1.2 were measured."""
BUILD = 'import sys; from setuptools import build_meta; getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])'


def call(*words, cwd):
    """Run a program where nothing leads to this checkout, and return what it prints."""
    env = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PYTHONHOME')}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env={**env, 'OMP_NUM_THREADS': '1'}, capture_output=True,
                          text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def run(*words, cwd, python=sys.executable):
    return call(python, *words, cwd=cwd)


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
    return names, source, wheel, archive


def programs(home):
    """The folder of an environment that holds its python and the commands of its packages."""
    return home / ('Scripts' if os.name == 'nt' else 'bin')


def environment(home, wheel, extras, *options):
    """Make an empty environment, and let pip install a wheel into it, with the versions that were tested."""
    run('-m', 'venv', '--without-pip', home, cwd=home)
    run('-m', 'pip', '--python', programs(home) / 'python', 'install', '--quiet', *options, '-c',
        ROOT / 'requirements/constraints.txt', f'{wheel}[{extras}]', cwd=home)
    return programs(home)


@pytest.fixture(scope='module')
def installed(made, tmp_path_factory):
    """The wheel in an environment of its own, which borrows what the tests' environment has, but not this package.

    Folders that a .pth file names are searched, but their own .pth files are not read: an editable install stays out.
    """
    home = tmp_path_factory.mktemp('env')
    run('-m', 'venv', '--without-pip', home, cwd=home)
    python = programs(home) / 'python'
    site = Path(run('-c', 'import sysconfig; print(sysconfig.get_path("purelib"))', cwd=home, python=python).strip())
    with zipfile.ZipFile(made[2]) as wheel:  # a pure wheel is installed by unpacking it
        wheel.extractall(site)
    (site / 'borrowed.pth').write_text('\n'.join(dict.fromkeys(sysconfig.get_paths()[key]
                                                                for key in ('purelib', 'platlib'))))
    away = tmp_path_factory.mktemp('away')
    return lambda *words: run(*words, cwd=away, python=python), site / 'schanger_mm', away


@pytest.mark.long
def test_the_archive_holds_every_file_of_the_repository(made):
    names, source, *_ = made
    packed = {path.relative_to(source).as_posix() for path in source.rglob('*') if path.is_file()}
    assert names - packed == LEFT_OUT & names
    assert {'SECURITY.md', 'model-index.yml', 'docs/scenes.md', 'tests/data/sadl_pieces.safetensors'} <= packed
    assert not [name for name in packed if name.endswith('.pyc')]


@pytest.mark.long
def test_the_wheel_holds_the_package_and_what_mim_reads(made):
    names, _, wheel, _ = made
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    package = {name for name in names if name.startswith('schanger_mm/')}
    mim = {f'schanger_mm/.mim/{name}' for name in names
           if name == 'model-index.yml' or (name.startswith(('configs/', 'tools/')) and 'opencd_patch' not in name)}
    assert inside == package | mim


@pytest.mark.long
def test_the_archive_builds_the_wheel_of_the_checkout(made, tmp_path):
    names, source, wheel, _ = made
    shutil.copytree(source.parents[1] / 'copy', tmp_path / 'copy')
    run('-c', BUILD, 'wheel', tmp_path, cwd=tmp_path / 'copy')
    (direct,) = tmp_path.glob('*.whl')
    with zipfile.ZipFile(direct) as ours, zipfile.ZipFile(wheel) as theirs:
        assert direct.name == wheel.name and len(ours.namelist()) > len([n for n in names if n.endswith('.py')]) / 3
        assert {name: ours.read(name) for name in ours.namelist()} == {
            name: theirs.read(name) for name in theirs.namelist()}


@pytest.mark.long
def test_a_package_index_takes_both_files(made):
    said = run('-m', 'twine', 'check', '--strict', *made[2:], cwd=made[2].parent)
    assert said.count('PASSED') == 2, said


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
        from schanger_mm.deploy.model_files import published_config
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


@pytest.mark.long
def test_the_wheel_brings_the_command_and_its_configs_by_name(made, installed):
    (entry, ) = [name for name in zipfile.ZipFile(made[2]).namelist() if name.endswith('entry_points.txt')]
    assert 'schanger = schanger_mm.commands.main:main' in zipfile.ZipFile(made[2]).read(entry).decode()
    python, package, _ = installed
    start = 'import sys; from schanger_mm.commands.main import main; sys.argv[0] = "schanger"; sys.exit(main())'
    assert python('-c', start).startswith('usage: schanger COMMAND')
    found = python('-c', 'from schanger_mm.config.names import locate; print(locate("levir_small"))')
    assert Path(found.strip()).samefile(package / '.mim/configs/schanger/levir_small.py')
    assert '607305' in python('-m', 'schanger_mm', 'flops', 'levir_small')


def pairs_of(source, target, count):
    """Copy the first pairs of a split of the demo, as a user has them: three folders and no lists."""
    for folder in ('A', 'B', 'label'):
        (target / folder).mkdir(parents=True)
        for path in sorted((source / folder).iterdir())[:count]:
            shutil.copy(path, target / folder)


def as_geotiff(picture, path):
    pixels = np.asarray(Image.open(picture).convert('RGB')).transpose(2, 0, 1)
    with rasterio.open(path, 'w', driver='GTiff', width=pixels.shape[2], height=pixels.shape[1], count=3,
                       dtype='uint8', crs='EPSG:32633', transform=from_origin(500_000, 5_000_000, 0.5, 0.5)) as raster:
        raster.write(pixels)


def probability(folder):
    with rasterio.open(folder / 'probability.tif') as raster:
        return raster.read(1)


@pytest.fixture(scope='module')
def first_minutes(made, tmp_path_factory):
    """What a user of pip has after the first minutes: an environment, a folder, and in it the results.

    pip takes the packages from where it is told to, such as an index or its cache; without that this fails.
    """
    folder = tmp_path_factory.mktemp('work')
    programs = environment(tmp_path_factory.mktemp('full'), made[2], 'mm,geo,export', '--no-compile')

    def schanger(*words):
        return call(programs / 'schanger', *words, cwd=folder)
    schanger('demo', '--out', 'demo', '--max-iters', 1)
    (best,) = (folder / 'demo/finetuned').glob('best_changed_F1_iter_*.pth')
    picture = min((folder / 'demo/data/test/A').iterdir())
    as_geotiff(picture, folder / 'before.tif')
    as_geotiff(picture.parents[1] / 'B' / picture.name, folder / 'after.tif')
    schanger('predict', best, 'before.tif', 'after.tif', '--out', 'by_checkpoint')
    schanger('export', 'schanger_mm::schanger/demo.py', best, '--format', 'onnx', '--out', 'demo.onnx')
    schanger('predict', 'demo.onnx', 'before.tif', 'after.tif', '--out', 'by_export')
    pairs_of(folder / 'demo/data/train', folder / 'my_city', 6)
    schanger('config', 'new', '--data', 'my_city')
    schanger('train', 'my_city.py', '--max-iters', 1, '--cfg-options', 'train_dataloader.batch_size=2')
    return programs, folder


@pytest.mark.long
def test_a_user_of_pip_has_a_network_and_a_map_in_minutes(first_minutes):
    _, folder = first_minutes
    assert (folder / 'demo/report.html').is_file()
    for name in ('by_checkpoint', 'by_export'):
        assert {path.name for path in (folder / name).iterdir()} == {
            'change.tif', 'probability.tif', 'change.gpkg', 'summary.json', 'report.html'}
    ours, exported = (probability(folder / name).astype(int) for name in ('by_checkpoint', 'by_export'))
    with Image.open(min((folder / 'demo/data/test/A').iterdir())) as picture:
        assert ours.shape == picture.size[::-1]
    assert abs(ours - exported).max() <= 1 and (ours < 255).all()
    config = (folder / 'my_city.py').read_text(encoding='utf-8')
    assert '_base_' in config and str(ROOT) not in config
    assert (folder / 'work_dirs/my_city/iter_1.pth').is_file()


@pytest.mark.long
def test_predict_alone_is_light_and_maps_the_same(made, first_minutes, tmp_path_factory):
    _, folder = first_minutes
    home = tmp_path_factory.mktemp('light')
    programs = environment(home, made[2], 'predict')
    (site,) = {path.parent for path in home.rglob('schanger_mm') if path.parent.name == 'site-packages'}
    names = {path.name.partition('-')[0].lower() for path in site.glob('*.dist-info')}
    assert {'numpy', 'pillow', 'rasterio', 'shapely', 'pyogrio', 'pyproj', 'onnxruntime'} <= names
    assert names & {'torch', 'onedl_mmengine', 'onedl_mmcv', 'onnx', 'opencv_python', 'geopandas', 'pandas', 'scipy',
                    'matplotlib', 'scikit_image'} == set()
    assert sum(path.stat().st_size for path in site.rglob('*') if path.is_file()) <= LIGHT
    start = os.times()
    call(programs / 'schanger', 'predict', 'demo.onnx', 'before.tif', 'after.tif', '--out', 'by_light', cwd=folder)
    took = os.times()
    seconds = took.children_user + took.children_system - start.children_user - start.children_system  # 0 on Windows
    assert seconds < FIRST_RESULT
    tool = site / 'schanger_mm/.mim/tools/predict.py'
    call(programs / 'python', tool, 'demo.onnx', 'before.tif', 'after.tif', '--out', 'by_tool', cwd=folder)
    for name in ('change.tif', 'probability.tif'):
        first, *others = ((folder / run / name).read_bytes() for run in ('by_export', 'by_light', 'by_tool'))
        assert others == [first, first], name
