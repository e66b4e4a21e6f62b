"""Markdown tables of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from prettytable import PrettyTable, TableStyle

from schanger_mm.benchmark.machine import DTYPES
from schanger_mm.benchmark.variants import PLAIN


def format_benchmark(facts: Mapping) -> str:
    """Draw the results of :func:`schanger_mm.benchmark.run.benchmark`: where they come from, one table for each."""
    ceilings = '; '.join(f'{name} {" and ".join(f"{value / 1e9:.4g}" for value in values)} '
                         f'{"GB/s" if name == "copy" else "GFLOP/s"}' for name, values in facts['ceilings'].items())
    lines = [*(f'- {name}: {value}' for name, value in facts['machine'].items() if value),
             f'- ceilings at the start and at the end, the larger of which counts: {ceilings}', '',
             'Differences are those of probabilities from plain, on the pairs of --data or else on random inputs; '
             'docs/performance.md explains the columns.']
    best = {name: max(values) for name, values in facts['ceilings'].items()}
    return '\n\n'.join(['\n'.join(lines), *(_format_result(result, best) for result in facts['results'])]) + '\n'


def _format_result(result: Mapping, best: Mapping[str, float]) -> str:
    last = 'difference' if result['task'] == 'inference' else 'loss'
    scored = ['F1'] if result.get('data') and result['task'] == 'inference' else []
    header = ['variant', 'malloc', 'median ms', 'min - max', 'speed-up', 'peak MiB', 'of plain', 'pairs/s', 'MP/s',
              'kernels', 'matrix product', 'copy', *scored, last]
    table = PrettyTable(header, align='r')
    table.set_style(TableStyle.MARKDOWN)
    table.align['variant'] = table.align['malloc'] = 'l'
    plain = next((row for row in result['variants'] if row['name'] == PLAIN and not row['failure']), None)
    for row in result['variants']:
        cells = ['no result', *['-'] * (len(header) - 3)] if row['failure'] else _cells(row, plain, result, best)
        table.add_row([row['name'], row['malloc'], *cells])
    heading = ('### {network}, {task}, batch {batch} of {size} x {size} px; {threads} threads, {rounds} rounds, '
               'checkpoint: {checkpoint}').format(**result)
    failures = '\n'.join(f'- {row["name"]}: {failure}' for row in result['variants']
                         for failure in [row['failure'], *row['problems']] if failure)
    return '\n\n'.join(filter(None, [heading, table.get_string(), failures]))


def _cells(row: Mapping, plain: Mapping | None, result: Mapping, best: Mapping[str, float]) -> list[str]:
    seconds, pairs = median(row['seconds']), result['batch'] / median(row['seconds'])
    moved = result['values'] * DTYPES[row['precision']].itemsize
    difference = row['loss'] if result['task'] == 'train' else row['difference']
    return [
        f'{1e3 * seconds:.4g}', f'{1e3 * min(row["seconds"]):.4g} - {1e3 * max(row["seconds"]):.4g}',
        f'{median(plain["seconds"]) / seconds:.2f}x' if plain else '-', f'{row["peak_bytes"] / 2**20:.0f}',
        f'{row["peak_bytes"] / plain["peak_bytes"]:.2f}x' if plain and plain['peak_bytes'] else '-',
        f'{pairs:.3g}', f'{pairs * result["size"]**2 / 1e6:.3g}',
        '-' if row.get('launches') is None else f'{row["launches"]}',
        f'{result["flops"] / seconds / best[row["precision"]]:.0%}',
        f'{moved / seconds / best["copy"]:.0%}',
        *(['-' if row['f1'] is None else f'{row["f1"]:.2f}']
          if result.get('data') and result['task'] == 'inference' else []),
        '-' if difference is None else f'{difference:{".5f" if result["task"] == "train" else ".1e"}}']
