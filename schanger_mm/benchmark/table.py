"""Markdown tables of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prettytable import PrettyTable, TableStyle

from schanger_mm.benchmark.measure import Comparison, Row
from schanger_mm.benchmark.memory import MIB

_EMPTY = '-'
NOTE = """\
One process per variant; they take turns, one call each per round. Median, shortest and longest call. Speed-up: median
of plain / median of the variant. Peak: growth of the process's memory during its calls, without network and inputs.
MP/s: of one date. Matrix product: the network's arithmetic per second as a share of the fastest matrix product, of the
variant's precision. Copy: bytes that its convolutions would move if they ran one after the other, each reading input
and weights and writing its output once, per second, as a share of copying memory; fused forms move less. Difference:
the largest of the probabilities to plain, on random inputs; random weights, which are used where no checkpoint is
named, amplify it more than trained ones. Malloc: the C library's default; tuned to keep all freed memory; limited,
tuned to keep as much as the tools let it keep for inference."""


def format_comparison(comparison: Comparison, ceilings: Mapping[str, float]) -> str:
    """Draw one table under a heading; below it why variants have no result."""
    inference = comparison.task == 'inference'
    inputs = 'pair' if comparison.cost.dates == 2 else 'image'
    columns = ['variant', 'malloc', 'median ms', 'min - max', 'speed-up', 'peak MiB', 'of plain', f'{inputs}s/s',
               'MP/s', 'matrix product', 'copy', 'difference' if inference else 'loss']
    table = PrettyTable(columns)
    table.set_style(TableStyle.MARKDOWN)
    table.align = 'r'
    table.align['variant'] = table.align['malloc'] = 'l'
    for row in comparison.rows:
        table.add_row(_cells(comparison, row, ceilings))
    failures = [f'- {row.variant.title}: {row.failure}' for row in comparison.rows if row.failure]
    heading = (f'### {comparison.subject.name}, {comparison.task}, {comparison.batch} '
               f'{inputs}{"s" * (comparison.batch > 1)} of {comparison.size} x {comparison.size} px')
    kept = [] if comparison.kept else [
        'Memory did not suffice for all variants at once: each gave it back after its turn, and made an untimed call '
        'before the next.']
    return '\n\n'.join([heading, table.get_string(), *(['\n'.join(failures)] if failures else []), *kept])


def format_header(command: str, machine: Mapping[str, Any], versions: Mapping[str, str], threads: int, rounds: int,
                  ceilings: Mapping[str, list[float]]) -> str:
    """Say what was measured where: the command, the machine, the versions, its ceilings at the start and the end."""
    where = [f'{machine["processor"]}, {machine["usable_cores"]} of {machine["cores"]} cores, '
             f'{machine["memory_gib"]} GiB']
    if machine['gpu']:
        where.append(f'{machine["gpu"]}, {machine["gpu_memory_gib"]} GiB')
    where.append(f'{threads} thread{"s" * (threads > 1)}; {rounds} rounds; load before {machine["load_average"]}')
    if machine['allocator_environment']:
        where.append('allocator settings of the environment: ' + ', '.join(
            f'{name}={value}' for name, value in machine['allocator_environment'].items()))
    units = [f'{name} {" and ".join(f"{value / 1e9:.4g}" for value in values)} '
             f'{"GB/s" if name == "copy" else "GFLOP/s"}' for name, values in ceilings.items()]
    return '\n'.join((
        f'`{command}`', '', f'- {"; ".join(where)}',
        f'- {", ".join(f"{name} {version}" for name, version in versions.items())}',
        f'- ceilings at the start and at the end, the larger of which counts: {"; ".join(units)}', '', NOTE))


def _cells(comparison: Comparison, row: Row, ceilings: Mapping[str, float]) -> list[str]:
    figures = comparison.figures(row, dict(ceilings))
    median = figures['median']
    if median is None:
        text = 'out of memory' if str(row.failure).startswith('out of memory') else 'no result'
        return [row.variant.title, row.malloc, text, *[_EMPTY] * 9]
    last = _show(row.difference, '.1e') if comparison.task == 'inference' else _show(row.loss, '.5f')
    spread = f'{_milliseconds(figures["min"])} - {_milliseconds(figures["max"])}'
    return [row.variant.title, row.malloc, _milliseconds(median), spread, _show(figures['speed_up'], '.2f', 'x'),
            _show(None if row.peak is None else row.peak / MIB, '.0f'), _show(figures['peak_ratio'], '.2f', 'x'),
            _show(figures['pairs_per_second'], '.3g'), _show(figures['megapixels_per_second'], '.3g'),
            _show(figures['matmul_share'], '.0%'), _show(figures['copy_share'], '.0%'), last]


def _milliseconds(seconds: float | None) -> str:
    return _show(seconds and 1e3 * seconds, '.1f' if seconds and seconds < 0.1 else '.0f')


def _show(value: float | None, form: str, unit: str = '') -> str:
    return _EMPTY if value is None else f'{value:{form}}{unit}'
