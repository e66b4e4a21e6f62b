"""Which checkpoint of a work directory to go on from."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.logging import print_log

from schanger_mm.apis.config import ConfigError
from schanger_mm.checkpoints import CheckpointError, read_checkpoint

POINTER = 'last_checkpoint'
SAVED = r'(iter|epoch)_\d+'
"""Names of checkpoints, the best ones apart, without their suffix."""


def latest_checkpoint(work_dir: str | Path) -> str | None:
    """Return the checkpoint to resume from, or None where the folder holds none yet.

    That is the one ``last_checkpoint`` names; if this is missing, damaged or
    names a file that cannot be read, the newest ``iter_*.pth`` or
    ``epoch_*.pth`` that can, by its time. The log names what was passed over.

    Raises:
        ConfigError: there are checkpoints, but none can be read.
    """
    folder = Path(work_dir)
    found = [path for path in folder.glob('*.pth') if re.fullmatch(SAVED, path.stem)]
    found.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    pointer = folder / POINTER
    named = Path(pointer.read_text(encoding='utf-8', errors='replace').strip('\0\n ')) if pointer.is_file() else None
    if named and named.name:
        there = named if named.is_file() else folder / named.name  # the folder may have been moved
        found = [there, *(path for path in found if path != there)]
    problems = []
    for path in found:
        problem = _problem(path)
        if problem is None:
            if problems:
                print_log(f'--resume: passed over {"; ".join(problems)}. Taking {path}.', 'current', logging.WARNING)
            return str(path)
        problems.append(problem)
    if problems:
        raise ConfigError(f'--resume: no checkpoint of {folder} can be resumed from: {"; ".join(problems)}. Name '
                          'another one with --resume FILE, or start a new run in another --work-dir.')
    return None


def refuse_earlier_run(work_dir: str | Path) -> None:
    """Keep a run that starts anew from replacing the checkpoints of another one.

    Raises:
        ConfigError: the work directory holds checkpoints.
    """
    found = sorted(path.name for path in Path(work_dir).glob('*.pth')
                   if re.fullmatch(f'{SAVED}|best_.+', path.stem))
    if found:
        more = f' and {len(found) - 1} more' if len(found) > 1 else ''
        raise ConfigError(f'{work_dir} holds {found[0]}{more} of an earlier run, which this one would replace. Go on '
                          'with that run by --resume, name another --work-dir, or pass --overwrite.')


def missing_parts(content: Mapping) -> str:
    """Name what a checkpoint lacks of that which mmengine's Runner resumes from, beside weights; mostly nothing."""
    return ', '.join(key for key in ('meta', 'message_hub', 'optimizer') if not isinstance(content.get(key), dict))


def _problem(path: Path) -> str | None:
    """Say why a checkpoint cannot be resumed from, or None."""
    if not path.is_file():
        return f'{path} (named by {POINTER}) is not there'
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        return str(error)
    missing = missing_parts(content)
    return f'{path} has no {missing}' if missing else None
