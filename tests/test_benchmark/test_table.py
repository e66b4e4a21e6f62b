"""Markdown of a benchmark."""

from schanger_mm.benchmark.table import format_benchmark

MACHINE = dict(processor='CPU 9, 4 cores', gpu='not used', versions='torch 2.13', allocator='')
PLAIN = dict(name='plain', malloc='default', precision='fp32', failure=None, problems=[], seconds=[0.4, 0.2, 0.3],
             peak_bytes=200 * 2**20, difference=0.0, launches=412)
FAST = dict(PLAIN, name='fast-bf16', malloc='limited', precision='bf16', seconds=[0.05, 0.1, 0.06],
            peak_bytes=50 * 2**20, difference=2e-6, launches=None)
BROKEN = dict(PLAIN, name='compile', failure='BackendCompilerFailed: no compiler', seconds=[], difference=None)


def tables(task, rows, **more):
    result = dict(**more, network='small', task=task, size=1000, batch=1, threads=2, rounds=3, checkpoint=None,
                  flops=6 * 10**9, values=75 * 10**6, variants=rows)
    text = format_benchmark(dict(machine=MACHINE, results=[result],
                                 ceilings=dict(fp32=[1e11, 9e10], bf16=[2e11, 1e11], copy=[9e9, 1e10])))
    return text, [[cell.strip() for cell in line.strip('|').split('|')]
                  for line in text.splitlines() if line.startswith('|')]


def test_each_variant_is_a_row_and_failures_say_why():
    text, (header, _, plain, fast, broken) = tables('inference', [PLAIN, FAST, BROKEN])
    assert '### small, inference, batch 1 of 1000 x 1000 px; 2 threads, 3 rounds' in text
    assert header[-1] == 'difference' and len(header) == 13
    assert plain == ['plain', 'default', '300', '200 - 400', '1.00x', '200', '1.00x', '3.33', '3.33', '412', '20%',
                     '10%', '0.0e+00']
    assert fast == ['fast-bf16', 'limited', '60', '50 - 100', '5.00x', '50', '0.25x', '16.7', '16.7', '-', '50%', '25%',
                    '2.0e-06']
    assert broken == ['compile', 'default', 'no result', *['-'] * 10]
    assert '- compile: BackendCompilerFailed: no compiler' in text
    assert '- processor: CPU 9, 4 cores' in text and 'fp32 100 and 90 GFLOP/s' in text and 'copy 9 and 10 GB/s' in text


def test_training_shows_losses():
    _, (header, _, row) = tables('train', [dict(PLAIN, loss=5.4321)])
    assert header[-1] == 'loss' and row[-1] == '5.43210'


def test_f1_on_pairs_stands_beside_the_difference():
    rows = [dict(PLAIN, f1=71.234), dict(FAST, f1=71.2), BROKEN]
    _, (header, _, plain, fast, broken) = tables('inference', rows, data='pairs')
    assert header[-2:] == ['F1', 'difference'] and plain[-2:] == ['71.23', '0.0e+00'] and fast[-2] == '71.20'
    assert len(broken) == len(header)


def test_what_was_timed_keeps_its_row_without_kernels_and_f1():
    fast = dict(FAST, f1=None, difference=None, problems=['kernels: RuntimeError: x', 'F1: ValueError: y'])
    text, (_, _, _, row) = tables('inference', [dict(PLAIN, f1=71.0), fast], data='pairs')
    assert row[:3] == ['fast-bf16', 'limited', '60'] and row[9] == row[-2] == row[-1] == '-'
    assert '- fast-bf16: kernels: RuntimeError: x\n- fast-bf16: F1: ValueError: y' in text
