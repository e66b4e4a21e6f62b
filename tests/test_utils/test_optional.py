import os
import re
import sys
from types import SimpleNamespace

import pytest

from schanger_mm.utils.optional import keep_silent, require


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


@pytest.mark.parametrize('chosen', [None, '0'])
@pytest.mark.parametrize('package', ['huggingface_hub', 'transformers'])
def test_the_hub_is_silent_even_if_another_package_imported_it_unless_the_user_chose(package, chosen, monkeypatch):
    constants = SimpleNamespace(HF_HUB_DISABLE_TELEMETRY=False)
    monkeypatch.setitem(sys.modules, 'huggingface_hub.constants', constants)
    monkeypatch.setenv('HF_HUB_DISABLE_TELEMETRY', chosen or '')  # so that it is put back
    if chosen is None:
        monkeypatch.delenv('HF_HUB_DISABLE_TELEMETRY')
    keep_silent(package)
    assert constants.HF_HUB_DISABLE_TELEMETRY == (chosen is None)
    assert os.environ['HF_HUB_DISABLE_TELEMETRY'] == (chosen or '1')
