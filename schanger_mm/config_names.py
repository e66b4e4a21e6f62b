"""Configs of other packages by name, such as ``_base_ = 'opencd::_base_/datasets/levir_cd.py'``.

mmengine takes such names from a fixed list of packages only, looks them up
under the name of the distribution (the maintained packages have others), and
knows the folder that a wheel carries but not that of a checkout. Can go when
mmengine looks configs up by module.
"""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path

from mmengine.config import Config

PACKAGES = {
    'schanger_mm': 'pip install schanger-mm',
    'opencd': 'Open-CD is not on PyPI: install it from a checkout (`pip install -e .` there), or name the checkout in '
              'PYTHONPATH',
    'mmseg': 'pip install -r requirements.txt',
}
"""Modules whose configs are found here, and how to install them."""
FOLDERS = '.mim/configs', '../configs'
"""Below the module, of an installed package; beside it, of a checkout."""


class ConfigNameError(ValueError):
    """A name ``package::path`` leads to no config."""


def is_name(config: object) -> bool:
    """Whether it has the form ``package::path`` with a package of :data:`PACKAGES`."""
    return str(config).partition('::')[0] in PACKAGES and '::' in str(config)


def find_config(name: str) -> Path:
    """Path of the config that a name such as ``'schanger_mm::schanger/levir.py'`` stands for; ``.py`` may be left out.

    Raises:
        ConfigNameError: the package is not installed, carries no configs, or has none of that name.
    """
    package, _, rest = name.partition('::')
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigNameError(f'{name}: no module {package} is installed here; {PACKAGES[package]}.')
    module = Path(next(iter(spec.submodule_search_locations)))
    places = [(module / folder).resolve() for folder in FOLDERS]
    folders = [place for place in places if place.is_dir()]
    if not folders:
        raise ConfigNameError(f'{name}: {module} carries no configs, neither {" nor ".join(map(str, places))} is '
                              f'there. Put a checkout of {package} first in PYTHONPATH, or install from one.')
    for folder in folders:
        for file in (folder / rest, folder / f'{rest}.py'):
            if file.is_file():
                return file
    there = [path.relative_to(folders[0]).as_posix() for path in folders[0].rglob('*.py')]
    near = difflib.get_close_matches(rest, there, n=1)
    raise ConfigNameError(f'{name}: {" and ".join(map(str, folders))} holds no {rest}'
                          + (f'; did you mean {package}::{near[0]}?' if near else '.'))


def teach_mmengine() -> None:
    """Let mmengine's ``_base_`` find these names; names of other packages stay with mmengine."""
    theirs = Config._get_cfg_path
    if getattr(theirs, 'knows_names', False):
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if is_name(cfg_path):
            return str(find_config(cfg_path)), cfg_path.partition('::')[0]
        return theirs(cfg_path, filename)

    get_cfg_path.knows_names = True  # type: ignore[attr-defined]
    Config._get_cfg_path = staticmethod(get_cfg_path)
