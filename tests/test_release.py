"""What a release rests on: one version, workflows, templates, hooks, the image, and the check before a tag."""

import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

from schanger_mm.version import __version__

ROOT = Path(__file__).resolve().parents[1]
CHECK = runpy.run_path(str(ROOT / '.ci/release_check.py'))
WORKFLOWS = {path.stem: path for path in (ROOT / '.github/workflows').glob('*.yml')}


def read(name):
    return (ROOT / name).read_text(encoding='utf-8')


def workflow(name):
    content = yaml.safe_load(WORKFLOWS[name].read_text(encoding='utf-8'))
    return content, content[True]  # YAML 1.1 reads the key `on` as true


def commands(job):
    return ' '.join(step.get('run', '') for step in job['steps'])


def test_the_version_is_written_in_one_place():
    """And in the two files that are read without Python, which another test compares."""
    holders = [path for path in (ROOT / 'schanger_mm').rglob('*.py')
               if re.search(rf"['\"]{re.escape(__version__)}['\"]", path.read_text(encoding='utf-8'))]
    assert [path.name for path in holders] == ['version.py']
    for name in ('setup.py', 'pyproject.toml', 'Makefile', '.ci/run', 'Dockerfile'):
        assert not re.search(rf'(?<![\d.]){re.escape(__version__)}(?![\d.])', read(name)), name


def test_classifiers_name_what_ran():
    lines = re.findall(r"^ +'((?:Programming|Operating).+)',$", read('setup.py'), re.M)
    assert lines == ['Operating System :: POSIX :: Linux', 'Programming Language :: Python :: 3 :: Only',
                     'Programming Language :: Python :: 3.11']


@pytest.mark.parametrize('name', ['ci', 'docs', 'release'])
def test_a_workflow_is_complete_and_asks_for_little(name):
    content, _ = workflow(name)
    assert content['permissions'] == {'contents': 'read'}
    for job in content['jobs'].values():
        assert job['runs-on'] and job['steps']
        for step in job['steps']:
            assert ('uses' in step) != ('run' in step), step
            assert '@' in step.get('uses', '@')
            assert '${{ github.event' not in step.get('run', '')  # text of strangers in a shell


def test_ci_tries_three_systems_and_four_versions():
    content, on = workflow('ci')
    assert 'pull_request' in on
    tried = set()
    for name in ('fast', 'windows'):
        job = content['jobs'][name]
        matrix = job['strategy']['matrix']
        tried |= {(system.partition('-')[0], python) for system in matrix.get('os', [job['runs-on']])
                  for python in matrix['python']}
    assert tried == {(system, python) for system in ('ubuntu', 'macos', 'windows')
                     for python in ('3.11', '3.12', '3.13', '3.14')}
    assert commands(content['jobs']['everything']).split() == ['.ci/run']
    assert commands(content['jobs']['fast']).split() == ['make', 'test']


def test_windows_installs_and_runs_what_make_does():
    content, _ = workflow('ci')
    said, makefile = commands(content['jobs']['windows']), read('Makefile')
    install = makefile[makefile.index('$(STAMP): setup.py'):].split('\n\n')[0]
    lists = set(re.findall(r'-r (requirements\S*\.txt)', install))
    assert len(lists) >= 7 and set(re.findall(r'-r (requirements\S*\.txt)', said)) == lists
    assert '--no-build-isolation --no-deps -e .' in install and '--no-build-isolation --no-deps -e .' in said
    (arguments,) = re.findall(r'^PYTEST_ARGS \?= (.+)$', makefile, re.M)
    assert f'python -m pytest -m "not long" {arguments}' in said


def test_make_targets_of_the_workflows_exist():
    targets = set(re.findall(r'^([a-z-]+):', read('Makefile'), re.M))
    used = {target for path in WORKFLOWS.values()
            for target in re.findall(r'run: make ([a-z-]+)', path.read_text(encoding='utf-8'))}
    assert {'test', 'release-check'} <= used
    assert used - {'docs'} <= targets


def test_a_tag_is_checked_and_published_without_a_password():
    content, on = workflow('release')
    assert on == {'push': {'tags': ['v*']}}
    build, publish = content['jobs']['build'], content['jobs']['publish']
    (step,) = (step for step in build['steps'] if step.get('run') == 'make release-check')
    assert step['env'] == {'RELEASE_TAG': '${{ github.ref_name }}'}
    assert publish['needs'] == 'build' and publish['permissions'] == {'id-token': 'write'}
    assert publish['environment']['name'] == 'pypi'
    last = publish['steps'][-1]
    assert last['uses'].startswith('pypa/gh-action-pypi-publish@') and 'with' not in last
    assert 'secrets.' not in read('.github/workflows/release.yml')


def test_issues_ask_for_what_is_needed():
    form = yaml.safe_load(read('.github/ISSUE_TEMPLATE/bug.yml'))
    fields = {field['id']: field for field in form['body'] if 'id' in field}
    required = {name for name, field in fields.items() if field.get('validations', {}).get('required')}
    assert {'version', 'command', 'log'} <= required and {'config', 'raster'} <= set(fields)
    assert 'gdalinfo' in fields['raster']['attributes']['description']
    for path in (ROOT / '.github/ISSUE_TEMPLATE').glob('[!c]*.yml'):
        form = yaml.safe_load(path.read_text(encoding='utf-8'))
        assert form['name'] and form['description'] and all('type' in field for field in form['body'])


def test_hooks_before_a_commit_are_the_linters_of_the_pins():
    pins = dict(line.split('==') for line in read('requirements/constraints.txt').splitlines() if '==' in line)
    repos = yaml.safe_load(read('.pre-commit-config.yaml'))['repos']
    assert {hook['id']: repo['rev'] for repo in repos for hook in repo['hooks']} == {
        'ruff-check': f'v{pins["ruff"]}', 'mypy': f'v{pins["mypy"]}'}


def test_the_citation_has_what_its_format_asks_for():
    """Citation File Format 1.2.0."""
    content = yaml.safe_load(read('CITATION.cff'))
    assert content['cff-version'] == '1.2.0' and content['type'] == 'software' and content['license'] == 'Apache-2.0'
    assert content['message'] and content['title'] and content['authors']
    for reference in content['references']:
        assert reference['type'] == 'article' and reference['title'] and reference['authors']
        assert re.fullmatch(r'10\.\d{4,}/\S+', reference['doi'])
        assert all(set(author) & {'family-names', 'name'} for author in reference['authors'])


def test_the_image_predicts_and_holds_no_more():
    lines = [line for line in read('Dockerfile').splitlines() if not line.startswith('#')]
    assert len(lines) <= 8 and lines[0] == 'FROM python:3.11-slim'
    assert any('-c /src/requirements/constraints.txt "/src[predict]"' in line for line in lines)
    assert lines[-1] == 'ENTRYPOINT ["schanger", "predict"]'


@pytest.fixture
def release(tmp_path):
    """A repository that is ready, all committed."""
    for name, text in (('schanger_mm/version.py', "__version__ = '1.2.3'\n"), ('CITATION.cff', 'version: 1.2.3\n'),
                       ('CHANGELOG.md', '# Changelog\n\n## [1.2.3] - 2026-01-31\n\n## [1.2.2] - 2025-01-31\n')):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for words in (['init', '-q'], ['add', '-A'], ['-c', 'user.name=x', '-c', 'user.email=x@y', 'commit', '-qm', 'x']):
        subprocess.run(['git', *words], cwd=tmp_path, check=True)
    return tmp_path


def test_a_release_that_is_ready(release):
    assert CHECK['wrong_versions'](release, 'v1.2.3') == [] and CHECK['changed_files'](release) == []


@pytest.mark.parametrize(('file', 'text', 'message'), [
    ('CITATION.cff', 'version: 1.2.2\n', 'CITATION.cff: expected version 1.2.3, found 1.2.2'),
    ('CHANGELOG.md', '## [1.2.2] - 2025-01-31\n',
     'CHANGELOG.md: expected [1.2.3] in the first heading, found [1.2.2] - 2025-01-31'),
    ('CHANGELOG.md', '## [1.2.3] - unreleased\n',
     "CHANGELOG.md: [1.2.3] needs a date such as 2026-01-31, found 'unreleased'")])
def test_a_version_that_differs_is_named(release, file, text, message):
    (release / file).write_text(text)
    assert CHECK['wrong_versions'](release) == [message]
    assert CHECK['changed_files'](release) == [f'not committed: {file}']


def test_another_tag_is_named(release):
    assert CHECK['wrong_versions'](release, 'v1.2.4') == ['tag v1.2.4: expected v1.2.3']


def test_contents_of_a_wheel_are_checked():
    good = [f'x/{name}' for name in CHECK['NEEDED']]
    assert CHECK['wrong_contents'](good) == []
    assert CHECK['wrong_contents']([*good[1:], 'tests/test_a.py', 'a/b.pyc']) == [
        'the wheel lacks schanger_mm/py.typed', 'the wheel holds tests/test_a.py', 'the wheel holds a/b.pyc']
