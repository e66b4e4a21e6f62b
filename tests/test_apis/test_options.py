import argparse

import pytest

from schanger_mm.apis.options import OptionsAction, option_word


def parse(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


@pytest.mark.parametrize('value', ['/my data/x, y', "it's", 'a"b', '[1,2]', r'C:\new', '1', 'é', '', 'a=b', None, True,
                                   3, 1e-3, '(', "'a','b'"])
def test_what_is_written_arrives_as_it_is(value):
    found = parse(option_word('a.b', value))
    assert found == {'a.b': value} and type(found['a.b']) is type(value)


def test_the_rest_is_read_as_mmengine_reads_it():
    assert parse('a=1', 'b=x,y', 'c=[(1,2),3]', 'd=none.pth', "e='a','b'", 'f=None', "g='open", 'h=(256,256)') == {
        'a': 1, 'b': ['x', 'y'], 'c': [(1, 2), 3], 'd': 'none.pth', 'e': ['a', 'b'], 'f': None, 'g': 'open',
        'h': (256, 256)}


@pytest.mark.parametrize('word', ['batch_size', '=4', ''])
def test_a_word_that_sets_nothing_is_said(word, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', 'a=1', word])
    assert f'--cfg-options {word}: expected KEY=VALUE' in capsys.readouterr().err
