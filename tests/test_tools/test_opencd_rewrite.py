import pytest
from opencd_patch.rewrite import RewriteError, rewrite

MODULES = {'schanger_mm.models.layers', 'schanger_mm.models.layers.arch'}


def changed(source):
    return rewrite(source, 'a.py', MODULES, {'SCN'})


def test_imports_and_scope_change_and_nothing_else():
    source = '''# déjà vu
from torch import nn

from schanger_mm.models import SCN
from schanger_mm.models.layers import (  # two
    ARCHS, resolve_arch as named)
from schanger_mm.registry import MODELS, SCOPE


x = {'_scope_': SCOPE, 'é': dict(type='schanger_mm.SCN', scope=SCOPE)}  # keeps   its layout
'''
    assert changed(source) == '''# déjà vu
from torch import nn

from opencd.models import SCN
from opencd.models.layers import ARCHS, resolve_arch as named
from opencd.registry import MODELS


x = {'_scope_': 'opencd', 'é': dict(type='opencd.SCN', scope='opencd')}  # keeps   its layout
'''
    assert changed('from schanger_mm.utils.errors import SettingError\nraise SettingError("a")\n') == (
        'raise ValueError("a")\n')
    assert changed('"""As :func:`~schanger_mm.models.layers.x`."""\n') == '"""As :func:`~opencd.models.layers.x`."""\n'
    assert changed('from schanger_mm.registry import SCOPE\nprint(SCOPE)\n') == "print('opencd')\n"
    assert changed('from schanger_mm.utils.errors import SettingError\nraise SettingError("x")\n') == \
        'raise ValueError("x")\n'


@pytest.mark.parametrize(('source', 'message'), [
    ('from schanger_mm.utils.files import whole_file\n',
     r'a.py, line 1: from schanger_mm.utils.files .* not carried over'),
    ('from schanger_mm.models.layers.other import x\n', 'line 1: .* not carried over'),
    ('from schanger_mm.models import SCN, SaDL\n', 'SCN, SaDL leads to what is not carried over'),
    ('from schanger_mm.utils.errors import DatasetError, SettingError\n', 'DatasetError, SettingError leads to'),
    ('from schanger_mm.registry import HOOKS\n', 'HOOKS leads to'),
    ('import os\nimport schanger_mm.registry\n', 'line 2: import schanger_mm.registry; expected `from'),
    ('def f():\n    from .arch import ARCHS\n', 'line 2: from .arch import ARCHS is relative'),
    ('"""As in schanger_mm."""\n', 'schanger_mm is left in line 1'),
    ('x = f"{1} schanger_mm.SCN"\n', 'schanger_mm is left in line 1'),
    ('raise ValueError("use SiameseEncoderDecoder")\n', 'SiameseEncoderDecoder is left in line 1'),
])
def test_what_is_not_carried_over_is_refused(source, message):
    with pytest.raises(RewriteError, match=message):
        changed(source)
