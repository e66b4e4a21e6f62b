import re
import sys

import pytest

from schanger_mm.optional import require, require_named


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'kornia', None)
    with pytest.raises(ImportError, match=re.escape('TwoViews needs kornia, which is not installed: '
                                                    'pip install "schanger-mm[selfsup]"')):
        require('kornia', 'selfsup', 'TwoViews')


def test_a_package_that_lacks_one_of_its_own_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / 'halfinstalled.py').write_text('import nothing_of_that_name\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nothing_of_that_name'"):
        require('halfinstalled', 'geo', 'A part')


@pytest.mark.parametrize('model', [
    dict(type='SiameseEncoderDecoder', backbone=dict(type='mmpretrain.ResNet')),
    dict(type='SaDL', parts=[dict(backbone=dict(_scope_='mmpretrain', type='ResNet'))]),
])
def test_parts_of_mmpretrain_need_it(monkeypatch, model):
    monkeypatch.setitem(sys.modules, 'mmpretrain', None)
    with pytest.raises(ImportError, match=r"ResNet' needs mmpretrain, .* pip install \"schanger-mm\[mmpretrain\]\""):
        require_named(model)


def test_other_models_need_nothing_more(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmpretrain', None)
    require_named(dict(type='mmseg.ResNet', name='mmpretrain.x', layers=[1, dict(type='SCN')]))
