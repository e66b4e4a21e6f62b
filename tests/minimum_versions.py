"""The oldest versions that the requirements allow, as constraints: python tests/minimum_versions.py LIST... > pins.txt.

``make test-minimum`` installs with them. Runs before anything is installed, so it needs nothing but Python.
"""

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / 'requirements'
BOUND = re.compile(r'([\w.-]+)\s*(>=|==|<)\s*([\d.]+)')


def bounds(name: str) -> dict[str, str]:
    """Return {package: oldest version} of ``requirements/<name>.txt``; a package with an upper bound alone has none.

    Raises:
        ValueError: a line has another form.
    """
    found = {}
    for line in (FOLDER / f'{name}.txt').read_text(encoding='utf-8').splitlines():
        text = line.partition('#')[0].strip()
        if not text:
            continue
        match = BOUND.match(text)
        if match is None:
            raise ValueError(f'requirements/{name}.txt: expected `package>=version`, `==` or `<`, found {text}')
        if match.group(2) != '<':
            found[match.group(1)] = match.group(3)
    return found


def minimum(names: list[str]) -> dict[str, str]:
    """Merge lists: where several bound a package, the highest of their lower bounds is the oldest version allowed."""
    merged: dict[str, str] = {}
    for name in names:
        for package, version in bounds(name).items():
            merged[package] = max(version, merged.get(package, version), key=_numbers)
    return merged


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split('.'))


if __name__ == '__main__':
    print(*(f'{package}=={version}' for package, version in minimum(sys.argv[1:]).items()), sep='\n')
