import pytest
from mmengine.config import Config

from schanger_mm.apis import load_config
from schanger_mm.checkpoints import config_values


def test_a_dumped_config_is_read_as_executing_it_would(root):
    text = load_config(root / 'configs/schanger/levir.py').pretty_text
    assert config_values(text) == Config.fromstring(text, '.py').to_dict()


@pytest.mark.parametrize('text', [
    'import os', 'a = open("f")', 'a = dict(**b)', 'a = [x for x in ()]', 'a.b = 1', 'a, b = 1, 2', 'a = f"{1}"',
    'a = dict(b=exec("1"))', 'a = 1 if b else 2', 'a = ' + '[' * 5000 + ']' * 5000, 'a = (', 'a = "\0"'])
def test_more_than_values_is_refused(text):
    with pytest.raises(ValueError):
        config_values(text)
