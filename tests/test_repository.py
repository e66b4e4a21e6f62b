"""The repository keeps its own promises: versions, requirements, file sizes, config headers."""

import os
import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from schanger_mm.version import __version__

ROOT = Path(__file__).resolve().parents[1]
MINIMUM = runpy.run_path(str(ROOT / 'tests/minimum_versions.py'))
LISTS = ('runtime', 'torch', 'mm', 'openmmlab', 'mmpretrain', 'hub', 'dino', 'selfsup', 'geo', 'dask', 'export', 'test',
         'dev', 'docs')
SHARED_LISTS = ('runtime', 'torch', 'selfsup', 'geo', 'dask', 'export', 'hub', 'dino', 'test')  # what all have
TESTED_LISTS = {'constraints': (*SHARED_LISTS, 'mm', 'dev', 'docs'),
                'constraints-openmmlab': (*SHARED_LISTS, 'openmmlab')}
STACK = {'mmengine', 'mmcv', 'mmsegmentation', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation'}
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
MAX_LINES = 500


def read(name):
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text(encoding='utf-8')


def requirement_lines(name):
    """Return (requirement, comment) for every requirement in ``requirements/<name>.txt``."""
    for line in read(f'requirements/{name}.txt').splitlines():
        text, _, comment = line.partition('#')
        if text.strip():
            yield Requirement(text.strip()), comment.strip()


def pins(file='constraints'):
    """Return {canonical name: requirement} of a constraints file."""
    return {canonicalize_name(pin.name): pin for pin, _ in requirement_lines(file)}


def installed_closure(names):
    """Return every name that the installed distributions among ``names`` pull in, themselves included."""
    seen, todo = set(), [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name in seen or name.startswith(('nvidia-', 'cuda-', 'triton')):
            continue  # the CUDA build of torch brings its own, pinned by torch itself
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        seen.add(name)
        needs = (Requirement(text) for text in wanted)
        todo += [canonicalize_name(need.name) for need in needs
                 if need.marker is None or need.marker.evaluate({'extra': ''})]
    return seen


def test_version_is_the_same_in_citation_and_changelog():
    assert re.search(r'^version: (.+)$', read('CITATION.cff'), re.M).group(1) == __version__
    assert re.search(r'^## \[(.+?)\]', read('CHANGELOG.md'), re.M).group(1) == __version__


@pytest.mark.parametrize('name', LISTS)
def test_every_requirement_has_a_bound_and_a_reason(name):
    lines = list(requirement_lines(name))
    assert lines
    for requirement, reason in lines:
        assert requirement.specifier, f'requirements/{name}.txt: {requirement} has no version bound'
        assert len(reason) > 10, f'requirements/{name}.txt: {requirement} has no comment saying why'


def test_requirements_txt_is_the_package_and_the_maintained_stack():
    lines = [line for line in read('requirements.txt').splitlines() if line and not line.startswith('#')]
    assert lines == ['-r requirements/runtime.txt', '-r requirements/torch.txt', '-r requirements/mm.txt']


@pytest.mark.parametrize('file', TESTED_LISTS)
def test_constraints_are_exact_and_leave_the_torch_build_to_the_index(file):
    for name, pin in pins(file).items():
        assert re.fullmatch(r'==[0-9][0-9a-z.]*', str(pin.specifier)), f'{name} is not pinned exactly: {pin}'
    assert str(pins(file)['torch'].specifier) == '==2.13.0'


@pytest.mark.parametrize('file, name', [(file, name) for file, names in TESTED_LISTS.items() for name in names])
def test_constraints_pin_every_requirement_within_its_bounds(file, name):
    for requirement, _ in requirement_lines(name):
        pin = pins(file).get(canonicalize_name(requirement.name))
        assert pin is not None, f'requirements/{file}.txt does not pin {requirement.name}'
        version = next(iter(pin.specifier)).version
        assert requirement.specifier.contains(version), f'{pin} is outside {requirement}'


@pytest.mark.parametrize('file', TESTED_LISTS)
def test_constraints_pin_what_the_requirements_pull_in(file):
    names = [requirement.name for name in TESTED_LISTS[file] for requirement, _ in requirement_lines(name)]
    missing = installed_closure(names) - set(pins(file))
    assert not missing, f'requirements/{file}.txt does not pin {sorted(missing)}'


def test_both_constraints_pin_what_the_stacks_share_alike():
    main, original = pins(), pins('constraints-openmmlab')
    differing = {name for name in main.keys() & original.keys() if str(main[name]) != str(original[name])}
    assert differing <= {'setuptools'}
    assert original.keys() - main.keys() == {'mmengine', 'mmcv', 'mmsegmentation', 'ninja', 'wheel'}


def test_oldest_versions_are_the_highest_lower_bounds():
    bounds, oldest = MINIMUM['bounds'], MINIMUM['minimum'](LISTS)
    assert oldest['mmcv'] == '2.1.0' and oldest['mmsegmentation'] == '1.2.2'
    assert (bounds('runtime')['numpy'], oldest['numpy']) == ('1.23.2', '2.0.1')
    for name in LISTS:
        for requirement, _ in requirement_lines(name):
            if requirement.name in bounds(name):
                assert requirement.specifier.contains(bounds(name)[requirement.name])


def test_every_make_target_is_explained():
    targets = set(re.search(r'^\.PHONY: (.+)$', read('Makefile'), re.M).group(1).split())
    assert targets == set(re.findall(r'^([a-z-]+):.* ## ', read('Makefile'), re.M))
    pages = read('CONTRIBUTING.md')
    assert {target for target in targets if not re.search(rf'make {target}\b(?!-)', pages)} == set()


def test_ci_runs_every_test_target_that_needs_no_more_than_its_time():
    stages = re.findall(r'^stage ([a-z-]+)', read('.ci/run'), re.M)
    assert stages == ['install', 'lint', 'docs', 'test', 'test-long', 'test-minimum', 'test-openmmlab']


def test_installing_the_package_does_not_choose_a_stack(tmp_path):
    command = [sys.executable, 'setup.py', '-q', 'egg_info', '--egg-base', tmp_path]
    subprocess.run(command, cwd=ROOT, check=True)
    info = metadata.PathDistribution(next(tmp_path.glob('*.egg-info'))).metadata
    assert info['Version'] == __version__
    wanted = [Requirement(text) for text in info.get_all('Requires-Dist')]
    always = {need.name for need in wanted if need.marker is None or need.marker.evaluate({'extra': ''})}
    assert always == {'numpy', 'pillow', 'filelock', 'argcomplete'}
    for extra, stack in (('mm', 3), ('openmmlab', 3), ('geo', 0), ('export', 0), ('dask', 0), ('mmpretrain', 0),
                         ('hub', 0), ('dino', 0)):
        named = {need.name for need in wanted if need.marker and need.marker.evaluate({'extra': extra})}
        assert named and len(named & STACK) == stack, extra
        assert ({'torch', 'matplotlib', 'safetensors'} <= named) == (stack == 3), extra


def test_no_python_file_is_too_long():
    files = [ROOT / 'setup.py', *(path for folder in ('schanger_mm', 'tools', 'tests', 'configs', 'docs', 'qgis')
                                  for path in (ROOT / folder).rglob('*.py'))]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding='utf-8').splitlines())
               for path in files}
    assert {name: count for name, count in lengths.items() if count > MAX_LINES} == {}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.relative_to(ROOT / 'configs').as_posix())
def test_config_starts_with_the_command_that_runs_it(path):
    header = re.match(r'(#.*\n)+', path.read_text(encoding='utf-8'))
    command = f'python tools/train.py {path.relative_to(ROOT).as_posix()}'
    assert header, f'{path.name} does not start with a comment'
    assert command in header.group(), f'{path.name}: no line of its first comment says `{command}`'


def test_import_works_from_anywhere_and_prints_nothing(tmp_path):
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run([sys.executable, '-c', 'import schanger_mm'],
                          cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ''
