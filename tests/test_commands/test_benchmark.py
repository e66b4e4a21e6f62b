"""The benchmark, typed as a user types it."""

import json

import pytest

from schanger_mm.benchmark import run as measuring
from schanger_mm.commands import benchmark, cli


def test_mistakes_are_one_line_and_files_are_not_overwritten(run, tmp_path):
    out = tmp_path / 'out.json'
    out.write_text('{}')
    error = run('tools/benchmark.py', '--arch', 'small', '--out', out, fails=2)
    assert error.startswith(f'error: {out} exists already') and '--overwrite' in error and out.read_text() == '{}'
    error = run('tools/benchmark.py', '--arch', 'small', '--variants', 'quick', 'plain', fails=2)
    assert error.startswith('error: --variants quick: unknown on --device cpu; expected of ')


def test_without_any_figure_it_fails_after_the_tables(monkeypatch, tmp_path, capsys):
    rows = [dict(name=name, failure=failure, problems=[], malloc='')
            for name, failure in (('plain', 'KeyError: x'), ('fast', 'no'))]
    result = dict(network='n', task='inference', batch=1, size=32, threads=1, rounds=1, checkpoint=None, variants=rows)
    monkeypatch.setattr(measuring, 'benchmark', lambda *args, keep, **kwargs: keep(facts) or facts)
    facts = dict(machine={}, ceilings=dict(copy=[1.0]), results=[result])
    words = ['--arch', 'small', '--markdown', str(tmp_path / 'out.md')]
    assert cli.run(benchmark, words) == 2
    out, error = capsys.readouterr()
    assert error == 'error: no variant could be measured; the first, plain: KeyError: x\n'
    assert '- fast: no' in out and '- fast: no' in (tmp_path / 'out.md').read_text()
    rows[1].update(failure=None, seconds=[1.0], peak_bytes=1, precision='fp32', difference=None)
    result.update(values=1, flops=1)
    facts['ceilings']['fp32'] = [1.0]
    assert cli.run(benchmark, [*words, '--overwrite']) == 0


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
