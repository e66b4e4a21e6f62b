"""Compare a network with its plain form: time, memory, and their share of the machine's peak rates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from schanger_mm.benchmark.machine import describe_machine, measure_ceilings
from schanger_mm.benchmark.measure import Job
from schanger_mm.benchmark.network import build, count_cost, dates, holds_weights, load
from schanger_mm.benchmark.quality import read_tiles
from schanger_mm.benchmark.variants import PLAIN, VARIANTS
from schanger_mm.utils.devices import find_device
from schanger_mm.utils.errors import SettingError

_ROOT = str(Path(__file__).parents[2])


def benchmark(jobs: Sequence[Job], variants: Sequence[str] | None = None, timeout: float = 3600,
              say: Callable[[str], None] = print, keep: Callable[[dict], None] = lambda so_far: None) -> dict:
    """Measure jobs, which share rounds, threads and device, in variants (None: all that the device supports).

    Mistakes in the request raise a ValueError before anything is measured. The machine's peak rates are measured
    before and after, since it may be shared. ``keep`` receives the results so far after each job, so that an
    interruption does not lose them. A process may take ``timeout`` seconds.
    """
    device = find_device(jobs[0].device, 'measure on')
    names = {job.task: [name for name, variant in VARIANTS[job.task].items() if variant.device in (None, device.type)]
             for job in jobs}
    if unknown := set(variants or ()) - {name for some in names.values() for name in some}:
        raise SettingError(f'--variants {" ".join(sorted(unknown))}: unknown on --device {device.type}; expected of '
                           + '; '.join(f'{task}: {", ".join(some)}' for task, some in names.items()))
    chosen = {task: [name for name in some if name in (variants or some)] for task, some in names.items()}
    results = [_count(job) for job in jobs]
    precisions = dict.fromkeys(['fp32', *(VARIANTS[task][name].precision for task in chosen for name in chosen[task])])
    ceilings = {name: [value] for name, value in measure_ceilings(device, jobs[0].threads, precisions).items()}
    facts: dict[str, Any] = dict(machine=describe_machine(device), ceilings=ceilings, results=[])
    for number, (job, result) in enumerate(zip(jobs, results), 1):
        what = f'{number} of {len(jobs)}: {job.network}, {job.task}, {job.batch} x {job.size} px'
        result['variants'] = compare(job, chosen[job.task], timeout, lambda text: say(f'{what}: {text}'))  # noqa: B023
        facts['results'].append(result)
        keep(facts)
    for name, value in measure_ceilings(device, jobs[0].threads, precisions).items():
        ceilings[name].append(value)
    keep(facts)
    return facts


def compare(job: Job, names: Sequence[str], timeout: float, say: Callable[[str], None]) -> list[dict]:
    """Measure variants, each in its own processes, one at a time.

    In one process the first variant would affect all others: an allocator cannot be reset to its default, and memory
    freed by one variant makes the next look frugal and fast. Each variant has two processes with half of
    the calls each, the second time in reverse order, so that a change in load affects all of them alike.
    In the rows, ``failure`` says why a variant that raised an error, was killed or took too long has no figures, and
    ``problems`` why one that was timed lacks its kernels or F1.
    """
    rows = [dict(asdict(VARIANTS[job.task][name]), name=name, failure=None, problems=[], seconds=[], peak_bytes=0)
            for name in names]
    with tempfile.TemporaryDirectory(prefix='benchmark-') as folder:
        for rounds, order in ((job.rounds - job.rounds // 2, rows), (job.rounds // 2, rows[::-1])):
            for row in order if rounds else ():
                if row['failure'] is None:
                    say(f'{row["name"]}, {rounds} calls')
                    answer = _run(replace(job, variant=row['name'], rounds=rounds), Path(folder), timeout)
                    row.update(answer, seconds=row['seconds'] + answer.get('seconds', []),
                               peak_bytes=max(row['peak_bytes'], answer.get('peak_bytes', 0)))
        found = {path.stem: np.load(path) for path in Path(folder).glob('*.npy')}
    for row in rows:
        both = row['name'] in found and PLAIN in found
        row['difference'] = float(np.abs(found[row['name']] - found[PLAIN]).max()) if both else None
    return rows


def _run(job: Job, folder: Path, timeout: float) -> dict:
    (folder / 'job.json').write_text(json.dumps(asdict(job)), encoding='utf-8')
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, [_ROOT, os.environ.get('PYTHONPATH')]))}
    try:
        done = subprocess.run([sys.executable, '-m', 'schanger_mm.benchmark.measure', str(folder)], env=env,
                              timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return dict(failure=f'no answer in {timeout:g} s')
    if done.returncode == -9:
        return dict(failure='killed by signal 9 (out of memory?)')
    if done.returncode:
        return dict(failure=f'ended with status {done.returncode}: {done.stderr[-300:]}')
    return json.loads((folder / 'result.json').read_text(encoding='utf-8'))


def _count(job: Job) -> dict:
    """Check a job and count what a call costs; training takes a forward and two backward passes."""
    for option in ('size', 'batch', 'rounds', 'threads'):
        if getattr(job, option) < 1:
            raise SettingError(f'{option} {getattr(job, option)}: expected 1 or more.')
    model = load(job.network, job.checkpoint) if job.checkpoint else build(job.network)
    divisor = getattr(model, 'size_divisor', 1)
    if job.size % divisor:
        raise SettingError(f'size {job.size}: {job.network} works on multiples of {divisor} px, to which prediction '
                           'pads others; measure those.')
    if job.data is not None and not holds_weights(job.network):
        raise SettingError(f'--data {job.data}: {job.network} has no trained weights and statistics; name a checkpoint '
                           'that holds its config, or hf://ORG/NAME.')
    if job.data is not None:
        read_tiles(job.data, job.size, job.network, model)  # a bad folder is found before anything is timed
    cost, passes = count_cost(model, job.batch, job.size, job.size), 3 if job.task == 'train' else 1
    return dict(asdict(job), dates=dates(model), flops=passes * cost['flops'], values=passes * cost['values'])
