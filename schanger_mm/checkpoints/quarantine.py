"""Turning any checkpoint into plain weights: without running code where that is possible, else apart and on demand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from schanger_mm.atomic import whole_file
from schanger_mm.checkpoints import quarantine_child
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.reading import read_checkpoint, read_weights, wanted
from schanger_mm.checkpoints.writing import write_safetensors

SECONDS = 600  # of the clock, for a file that waits instead of computing
TRUST = '--i-trust-this-file'


def to_safetensors(source: str | Path, target: str | Path, trust: bool = False, overwrite: bool = False) -> str:
    """Write the tensors of a checkpoint as ``.safetensors``; everything else is left behind.

    A file that our loader reads needs no trust. Any other one is unpickled in
    a process of its own: without environment, in an empty folder, with limits
    of time, memory and processes, and with processes, connections and writing
    elsewhere refused by an audit hook of Python and, where Linux allows it,
    without network. A determined attacker may get past that: ``trust`` means
    that its maker may run code as you.

    Args:
        source: checkpoint, or a pickled network.
        target: file to write.
        trust: unpickle it if nothing else helps.
        overwrite: replace ``target``.

    Returns:
        What was done, in words.

    Raises:
        CheckpointError: the file holds no tensors, or needs a trust that was
            not given; ``target`` exists; what ran failed or did what it may not.
    """
    source, target = Path(source), Path(target)
    if target.suffix != '.safetensors':
        raise CheckpointError(f'{target}: the file to write must end in .safetensors.')
    if target.exists() and not overwrite:
        raise CheckpointError(f'{target} exists; name another file or pass --overwrite.')
    if not source.is_file():
        raise CheckpointError(f'no checkpoint {source}.')
    try:
        state, left = quarantine_child.tensors_of(read_checkpoint(source))
    except CheckpointError as error:
        if not trust:
            names = wanted(source)
            raise CheckpointError(
                f'{error} (by which its maker could run code with your rights: the separate process makes that '
                'harder, not impossible).' if names else str(error)) from error
        return _apart(source, target)
    _write(source, state, target)
    return f'{target}: {len(state)} tensors of {source}, nothing of it executed. Left behind: {_few(left)}.'


def _apart(source: Path, target: Path) -> str:
    with tempfile.TemporaryDirectory(prefix='schanger_quarantine_') as folder:
        weights, answer = Path(folder, 'weights.safetensors'), Path(folder, 'answer.json')
        command = [sys.executable, '-I', quarantine_child.__file__, str(source.resolve()), str(weights), str(answer)]
        # Windows starts nothing without SYSTEMROOT; one thread, since processes and threads are forbidden later
        kept = {'SYSTEMROOT': os.environ['SYSTEMROOT']} if 'SYSTEMROOT' in os.environ else {}
        try:
            process = subprocess.run(command, cwd=folder, env={**kept, 'OMP_NUM_THREADS': '1'}, timeout=SECONDS,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired as error:
            raise CheckpointError(f'{source}: reading it took more than {SECONDS} s and was stopped.') from error
        done = _answer(answer)
        if not done:
            last = process.stderr.decode(errors='replace').strip().splitlines()[-1:] or ['no message']
            raise CheckpointError(f'{source}: the process that read it ended with status {process.returncode} '
                                  f'({_line(last[0])}); nothing was written.')
        if problem := done.get('problem'):
            raise CheckpointError(f'{source} could not be unpickled: {_line(problem)}. Nothing was written; a missing '
                                  'module has to be installed, and a forbidden act speaks against the file.')
        state = read_weights(weights) if weights.is_file() else {}
        _write(source, state, target)
    network = 'without network' if done.get('network') else 'with connections refused by Python only'
    limits = 'with limits' if done.get('limits') else 'without limits of time and memory, which this system has not'
    return (f'{target}: {len(state)} tensors of {source}, unpickled apart ({network}, {limits}). Left behind: '
            f'{_few(done.get("left"))}.')


def _write(source: Path, state: dict, target: Path) -> None:
    if not state:
        raise CheckpointError(f'{source}: no tensors were found in it; nothing was written.')
    with whole_file(target) as partial:
        write_safetensors(partial, state)


def _answer(path: Path) -> dict:
    """Read what the process says; a file that ran code may have written anything there."""
    try:
        done = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return done if isinstance(done, dict) else {}


def _few(names: object) -> str:
    names = [_line(name) for name in names] if isinstance(names, list) else []
    more = f' and {len(names) - 10} more' if len(names) > 10 else ''
    return ', '.join(names[:10]) + more or 'nothing'


def _line(text: object) -> str:
    return str(text).encode('unicode_escape').decode()[:200]
