import sys

import pytest

from schanger_mm.commands import benchmark_scene, from_rasters, predict
from schanger_mm.commands.arguments import command_line


@pytest.mark.parametrize('command', [predict, from_rasters, benchmark_scene])
@pytest.mark.parametrize('rule', ['-25:0', '-.5:1', '-25:0,-20:5', 'p2:p98', '0:1'])
def test_a_rule_may_begin_with_a_minus(command, rule):
    words = ['a', 'b', 'c', *([] if command is benchmark_scene else ['--out', 'd'])]
    for given in (['--scale', rule], [f'--scale={rule}']):
        assert command.parser().parse_args([*words, *given]).scale == rule


def test_a_number_below_0_is_a_value_and_an_option_stays_one():
    parsed = predict.parser().parse_args(['m', 'a', 'b', '--nodata', '-9999', '--align', '--out', '-1d'])
    assert (parsed.nodata, parsed.align, parsed.out) == (-9999, True, '-1d')
    with pytest.raises(SystemExit):
        predict.parser().parse_args(['m', 'a', 'b', '--out', 'd', '--scale', '-x:0'])


@pytest.mark.parametrize('typed, kept', [
    (['tools/study.py', '--out', 'my data'], "python tools/study.py --out 'my data'"),
    (['/somewhere/bin/schanger', 'study'], 'schanger study'),
    (['/there/schanger_mm/__main__.py', 'study'], 'python -m schanger_mm study')])
def test_the_command_line_is_kept_as_it_was_typed(typed, kept, monkeypatch):
    monkeypatch.setattr(sys, 'argv', typed)
    assert command_line() == kept
