"""The benchmark, typed as a user types it."""

import json

import pytest


def test_mistakes_are_one_line_and_files_are_not_overwritten(run, tmp_path):
    out = tmp_path / 'out.json'
    out.write_text('{}')
    error = run('tools/benchmark.py', '--arch', 'small', '--out', out, fails=2)
    assert error.startswith(f'error: {out} exists already') and '--overwrite' in error and out.read_text() == '{}'
    error = run('tools/benchmark.py', '--arch', 'small', '--variants', 'quick', 'plain', fails=2)
    assert error.startswith('error: --variants quick: unknown on --device cpu; expected of ')


@pytest.mark.long
def test_tables_and_numbers_are_written(run, tmp_path):
    text = run('tools/benchmark.py', '--arch', '4,4,6,8,10,12', '--task', 'inference', 'train', '--sizes', '32',
               '--rounds', '2', '--threads', '1', '--variants', 'plain', 'fast', 'recompute',
               '--out', tmp_path / 'out.json', '--markdown', tmp_path / 'out.md')
    table = (tmp_path / 'out.md').read_text()
    assert table.strip() in text and table.count('### 4,4,6,8,10,12, ') == 2
    facts = json.loads((tmp_path / 'out.json').read_text())
    assert facts['command'].startswith('python tools/benchmark.py --arch 4,4,6,8,10,12 --task inference train')
    names = [[variant['name'] for variant in result['variants']] for result in facts['results']]
    assert names == [['plain', 'fast'], ['plain', 'recompute']]
    plain, recompute = facts['results'][1]['variants']
    assert plain['loss'] == pytest.approx(recompute['loss'], rel=5e-3)  # dropout draws in the order of memory
    assert all(len(values) == 2 for values in facts['ceilings'].values())
