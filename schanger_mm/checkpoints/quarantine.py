"""Turn any checkpoint into plain weights: without running code if possible, else on request with your permissions."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from schanger_mm.checkpoints import quarantine_child
from schanger_mm.checkpoints.convert import write_weights
from schanger_mm.checkpoints.errors import CheckpointError
from schanger_mm.checkpoints.lineage import lineage_meta
from schanger_mm.checkpoints.reading import read_checkpoint, wanted_of
from schanger_mm.utils.files import refuse_existing
from schanger_mm.utils.text import first_of

TRUST = '--i-trust-this-file'


def to_safetensors(source: str | Path, target: str | Path, trust: bool = False, overwrite: bool = False) -> str:
    """Write the tensors of a checkpoint as ``.safetensors``, with its lineage; everything else is omitted.

    A file that our loader reads needs no trust. Any other file is unpickled in
    a separate Python process, which keeps its objects out of this one. That
    process is no protection: the file can do there whatever you can do.

    Args:
        source: checkpoint, or a pickled network.
        target: file to write.
        trust: unpickle it if it cannot be read otherwise.
        overwrite: replace ``target``.

    Returns:
        A summary of what was done.

    Raises:
        CheckpointError: the file has no tensors, needs ``trust``, or could not be unpickled.
        ExistsError: ``target`` exists.
    """
    source, target = Path(source), Path(target)
    if target.suffix != '.safetensors':
        raise CheckpointError(f'{target}: the file to write must end in .safetensors.')
    refuse_existing(target, overwrite=overwrite)
    how = 'nothing of it executed'
    try:
        content = read_checkpoint(source).content
        state, left = quarantine_child.tensors_of(content)
    except CheckpointError as error:
        if not trust or not source.is_file():
            runs = ' (the file then runs with your permissions).' if source.is_file() and wanted_of(source) else ''
            raise CheckpointError(f'{error}{runs}') from error
        state, left, content = _unpickled(source)
        how = 'unpickled with your permissions'
    if not state:
        raise CheckpointError(f'{source}: no tensors were found in it; nothing was written.')
    meta = lineage_meta(content, source)
    write_weights(target, state, overwrite, meta)
    return (f'{target}: {len(state)} tensors{" and the lineage" if meta else ""} of {source}, {how}. '
            f'Left behind: {first_of(left) or "nothing"}.')


def _unpickled(source: Path) -> tuple[dict, list[str], dict]:
    with tempfile.TemporaryDirectory(prefix='schanger_unpickled_') as folder:
        weights = Path(folder, 'weights.safetensors')
        done = subprocess.run([sys.executable, '-I', quarantine_child.__file__, str(source.resolve()), str(weights)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode or not weights.is_file():
            last = done.stderr.decode(errors='replace').strip().splitlines()[-1:] or ['no message']
            raise CheckpointError(f'{source} could not be unpickled: the process that read it ended with status '
                                  f'{done.returncode} ({_printable(last[0])}). Nothing was written; if a module is '
                                  'missing, install it.')
        checkpoint = read_checkpoint(weights)
        left = [_printable(name) for name in checkpoint.meta.get('left', [])]
        return checkpoint.content['state_dict'], left, checkpoint.content


def _printable(text: object) -> str:
    return str(text).encode('unicode_escape').decode()[:200]
