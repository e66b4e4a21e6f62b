"""Short texts for messages."""

from schanger_mm.utils.text import nearest


def test_the_nearest_name_is_the_one_that_was_meant():
    assert nearest('trian', ['train', 'test', 'transfer']) == 'train'
    assert nearest('xyz', ['train', 'test']) is None and nearest('train', []) is None
    assert nearest('leivr', ['levir', 'sysu'], cutoff=0.9) is None and nearest('1', [1, 2]) == '1'
