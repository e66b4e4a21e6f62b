import re
import sys

import pytest

from schanger_mm.utils.optional import require


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
