"""Check what a release needs, and build it: python .ci/release_check.py. Used by `make release-check`.

The files are left in ``dist/``. ``RELEASE_TAG`` names the tag that is released, if there is one.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ('schanger_mm/py.typed', 'schanger_mm/.mim/model-index.yml', 'schanger_mm/.mim/configs/schanger/levir.py',
          'schanger_mm/.mim/tools/train.py', 'dist-info/entry_points.txt', 'dist-info/licenses/LICENSE')
BUILD = 'import sys; from setuptools import build_meta; getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])'


def find(pattern: str, text: str) -> str | None:
    """Return the first group of the first match, None without one."""
    match = re.search(pattern, text, re.M)
    return match and match.group(1)


def version_of(root: Path) -> str:
    """Return the version that the package states."""
    return find(r"^__version__ = '(.+)'$", (root / 'schanger_mm/version.py').read_text(encoding='utf-8')) or ''


def wrong_versions(root: Path, tag: str | None = None) -> list[str]:
    """List where another version stands than in ``schanger_mm/version.py``, or none."""
    version, problems = version_of(root), []
    cited = find(r'^version: (.+)$', (root / 'CITATION.cff').read_text(encoding='utf-8'))
    if cited != version:
        problems.append(f'CITATION.cff: expected version {version}, found {cited}')
    heading = find(r'^## \[(.+)$', (root / 'CHANGELOG.md').read_text(encoding='utf-8')) or ''
    if not heading.startswith(f'{version}]'):
        problems.append(f'CHANGELOG.md: expected [{version}] in the first heading, found [{heading}')
    elif not re.fullmatch(r'.+\] - \d{4}-\d\d-\d\d', heading):
        found = heading.split('] - ')[-1]
        problems.append(f'CHANGELOG.md: [{version}] needs a date such as 2026-01-31, found {found!r}')
    if tag and tag != f'v{version}':
        problems.append(f'tag {tag}: expected v{version}')
    return problems


def changed_files(root: Path) -> list[str]:
    """List what differs from the last commit."""
    done = subprocess.run(['git', 'status', '--porcelain'], cwd=root, capture_output=True, text=True)
    if done.returncode:
        return [f'git: {done.stderr.strip()}']
    return [f'not committed: {line[3:]}' for line in done.stdout.splitlines()]


def wrong_contents(names: Iterable[str]) -> list[str]:
    """List what a wheel lacks, and what it should not hold."""
    names = list(names)
    lacking = [f'the wheel lacks {name}' for name in NEEDED if not any(found.endswith(name) for found in names)]
    extra = [name for name in names if name.startswith('tests/') or name.endswith('.pyc') or 'opencd_patch' in name]
    return lacking + [f'the wheel holds {name}' for name in extra]


def build(root: Path) -> list[str]:
    """Build the archive, the wheel from it, and return their problems."""
    dist = root / 'dist'
    shutil.rmtree(dist, ignore_errors=True)
    version = version_of(root)
    subprocess.run([sys.executable, '-c', BUILD, 'sdist', 'dist'], cwd=root, check=True, stdout=subprocess.DEVNULL)
    archive = dist / f'schanger_mm-{version}.tar.gz'
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', dist,
                    archive], cwd=root, check=True)
    wheel = dist / f'schanger_mm-{version}-py3-none-any.whl'
    checked = subprocess.run([sys.executable, '-m', 'twine', 'check', '--strict', archive, wheel], cwd=root)
    with zipfile.ZipFile(wheel) as content:
        problems = wrong_contents(content.namelist())
    return problems + (['twine check failed, see above'] if checked.returncode else [])


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    problems = changed_files(ROOT) + wrong_versions(ROOT, os.environ.get('RELEASE_TAG')) + build(ROOT)
    for problem in problems:
        print(f'error: {problem}', file=sys.stderr)
    if not problems:
        print(f'schanger-mm {version_of(ROOT)} in dist/ is ready')
    return bool(problems)


if __name__ == '__main__':
    sys.exit(main())
