"""Open-CD where it is installed, else a stand-in with its interfaces."""

import importlib
import importlib.util
import shutil
import sys
from pathlib import Path

import mmengine.registry
import pytest

STAND_IN = Path(__file__).parent / 'stand_in'
HOW = ('Open-CD cannot be imported here; in an environment that has it: PYTHONPATH=OPEN-CD python -m pytest -m opencd '
       'tests/test_neighbours')


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition('.')[0] == 'opencd']:
        del sys.modules[name]
    for registry in vars(mmengine.registry).values():
        if isinstance(registry, mmengine.registry.Registry):
            registry.children.pop('opencd', None)


@pytest.fixture(scope='module', params=['stand-in', pytest.param('installed', marks=pytest.mark.opencd)])
def opencd(request, tmp_path_factory):
    """A checkout of Open-CD, on the path, with this project's configs/opencd in its configs."""
    spec = importlib.util.find_spec('opencd')
    if (spec is None) == (request.param == 'installed'):
        pytest.skip(HOW if spec is None else 'Open-CD is installed: it is tested instead of the stand-in')
    checkout = tmp_path_factory.mktemp('open-cd')
    source = STAND_IN if spec is None else Path(spec.origin).parents[1]
    shutil.copytree(source / 'configs', checkout / 'configs')
    shutil.copytree(Path(__file__).parents[2] / 'configs/opencd', checkout / 'configs/opencd',
                    dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        if spec is None:
            shutil.copytree(STAND_IN / 'opencd', checkout / 'opencd')
            patch.syspath_prepend(str(checkout))
            importlib.invalidate_caches()
        patch.setattr(sys, 'dont_write_bytecode', True)
        importlib.import_module('opencd.registry')
        yield checkout
        if spec is None:
            _forget()
