"""Markdown of a comparison."""

from schanger_mm.benchmark.cost import Cost
from schanger_mm.benchmark.measure import Comparison, Row
from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.table import format_comparison, format_header
from schanger_mm.benchmark.variants import VARIANTS

CEILINGS = dict(fp32=1e11, bf16=2e11, copy=1e10)


def cells(text):
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')]


def test_each_variant_is_a_row_and_failures_say_why():
    variants = VARIANTS['inference']
    rows = [Row(variants['plain'], 'default', seconds=[0.4, 0.2, 0.3], peak=200 * 2**20, difference=0.0),
            Row(variants['fast'], 'tuned', seconds=[0.05, 0.1, 0.06], peak=50 * 2**20, difference=2e-6),
            Row(variants['compile'], 'tuned', failure='BackendCompilerFailed: no compiler'),
            Row(variants['onnx'], 'tuned', failure='out of memory: more than the limit of 1 GiB')]
    comparison = Comparison(Subject('net'), 'inference', 1000, 1, Cost(2, 6 * 10**9, 75 * 10**6), rows, kept=False)
    text = format_comparison(comparison, CEILINGS)
    header, rule, *lines = cells(text)
    assert text.startswith('### net, inference, 1 pair of 1000 x 1000 px\n')
    assert set(''.join(rule)) == {':', '-'} and len(header) == 12 and header[-1] == 'difference'
    assert lines[0] == ['plain', 'default', '300', '200 - 400', '1.00x', '200', '1.00x', '3.33', '3.33', '20%', '10%',
                        '0.0e+00']
    assert lines[1] == ['fast', 'tuned', '60.0', '50.0 - 100', '5.00x', '50', '0.25x', '16.7', '16.7', '100%', '50%',
                        '2.0e-06']
    assert lines[2][:3] == ['compile', 'tuned', 'no result'] and set(lines[2][3:]) == {'-'}
    assert lines[3][:3] == ['onnx', 'tuned', 'out of memory']
    assert '- compile: BackendCompilerFailed: no compiler\n- onnx: out of memory: more' in text
    assert 'each gave it back after its turn' in text


def test_training_shows_losses_and_single_images_are_called_so():
    row = Row(VARIANTS['train']['plain'], seconds=[1.0], peak=2**20, loss=5.4321)
    text = format_comparison(Comparison(Subject('net'), 'train', 64, 2, Cost(1, 1, 1), [row]), CEILINGS)
    header, _, line = cells(text)
    assert text.startswith('### net, train, 2 images of 64 x 64 px') and 'images/s' in header
    assert header[-1] == 'loss' and line[-1] == '5.43210'


def test_header_names_command_machine_versions_and_both_measurements():
    machine = dict(processor='CPU 9', cores=4, usable_cores=2, memory_gib=8.0, gpu='GPU 1', gpu_memory_gib=24.0,
                   load_average=0.5, allocator_environment=dict(LD_PRELOAD='jemalloc.so'))
    text = format_header('python tools/benchmark.py', machine, dict(torch='2.0', glibc='2.36'), 2, 7,
                         dict(fp32=[1.5e11, 1.4e11], copy=[2e10, 2.1e10]))
    assert '`python tools/benchmark.py`' in text
    assert 'CPU 9, 2 of 4 cores, 8.0 GiB; GPU 1, 24.0 GiB; 2 threads; 7 rounds; load before 0.5' in text
    assert 'LD_PRELOAD=jemalloc.so' in text and 'torch 2.0, glibc 2.36' in text
    assert 'fp32 150 and 140 GFLOP/s; copy 20 and 21 GB/s' in text
