"""From a user's mistake to one line on stderr, in one process or many."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from torch import distributed

INTERRUPTED = 130
"""Exit status of Ctrl-C, as shells have it."""
_PACKAGE = Path(__file__).resolve().parents[1]
ERROR_FILE = 'TORCHELASTIC_ERROR_FILE'
NUMBERS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
PATIENCE = 20.0  # seconds in which process 0 meets the mistake that this one has met, and the launcher ends all

_REGISTER = 'correct it, or let custom_imports name the module that registers it.'

LOST = 3
"""Exit status of a process that lost the connection to another one, which has ended first."""


def run(main: Callable[[], None]) -> int:
    """Run a tool; a mistake that this package words itself ends in that message instead of a traceback.

    Returns:
        The exit status: 0, 2 after a mistake, :data:`LOST`, that of a command
        that failed and has said why, or 130 after Ctrl-C (143 where a training
        was ended by SIGTERM).
    """
    if not _is_first():  # arguments are the same mistake in all processes
        argparse.ArgumentParser.error = lambda parser, message: sys.exit(2)  # type: ignore[method-assign,assignment]
    try:
        main()
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
    except KeyboardInterrupt as stop:
        print(str(stop) or 'interrupted', file=sys.stderr)
        return getattr(stop, 'status', INTERRUPTED)
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        _tell('the connection to another process is lost: it has ended, or was silent for longer than '
              f'env_cfg.dist_cfg.timeout ({str(error).splitlines()[0]:.200})', lost=True)
        return LOST
    except (ValueError, TypeError, KeyError, OSError, ImportError, AssertionError,
            subprocess.CalledProcessError) as error:
        message = _explain(error)
        if message is None:
            raise
        _tell(message)
        return error.returncode if isinstance(error, subprocess.CalledProcessError) else 2
    return 0


def _tell(message: str, lost: bool = False) -> None:
    """Print the message once, though every process may meet the same mistake.

    torchrun and ``tools/dist_launch.py`` read it from a file of each process
    and print it when all have ended; ``lost`` says that another process failed
    before this one. Under other launchers the processes but
    the first wait, and are mostly ended before they print.
    """
    if file := os.environ.get(ERROR_FILE):
        content = dict(message=f'error: {message}', timestamp=int(time.time()), lost=lost)
        Path(file).write_text(json.dumps(content), encoding='utf-8')
        return
    if not _is_first():
        time.sleep(PATIENCE)
    print(f'error: {message}', file=sys.stderr)


def _is_first() -> bool:
    return all(os.environ.get(name, '0') == '0' for name in NUMBERS)


def _is_lost_connection(error: RuntimeError) -> bool:
    networked = (getattr(distributed, name, ()) for name in ('DistNetworkError', 'DistBackendError'))
    return isinstance(error, tuple(kind for kind in networked if kind)) or 'gloo/' in str(error)


def _explain(error: Exception) -> str | None:
    """Word a mistake of the user; None where it may be a fault of the program."""
    text = str(error)
    if isinstance(error, subprocess.CalledProcessError):
        return f'the command above failed: {" ".join(map(str, error.cmd))}'
    if isinstance(error, TypeError):  # mmengine builds parts from config dicts by keyword
        if text == 'None is not a callable object':  # what its look-up of optimisers finds
            return f'optim_wrapper.optimizer.type: no optimiser is registered under this name; {_REGISTER}'
        return f'a part does not know one of its settings: {text}' if 'unexpected keyword' in text else None
    if isinstance(error, KeyError):
        text = str(error.args[0]) if error.args else ''
        if found := re.match(r'(\S+) is not in the (\S+) registry', text):
            return f'the config asks for {found[1]!r}, and {found[2]} has no part of this name; {_REGISTER}'
        if found := re.match(r'`cfg` or `default_args` must contain the key "type", but got (.{,200})', text):
            return f'a part of the config has no type: {found[1]}'
    if isinstance(error, AssertionError):  # mmengine's, of schedulers that count epochs
        return ('train_dataloader: an epoch has no batch, since the data set holds fewer images than batch_size and '
                'drop_last=True leaves the rest out; lower train_dataloader.batch_size.'
                ) if 'epoch_length' in text else None
    if 'Original Traceback' in text:  # torch re-raises a worker's error with its whole traceback as the text
        raised = re.split(r'^\S*schanger_mm\S*Error: ', text, flags=re.MULTILINE)  # of a chain, the last is the whole
        return raised[-1].strip() if len(raised) > 1 else None
    if isinstance(error, OSError) and isinstance(error.filename, (str, bytes)):  # the system's, wherever it was met
        return f"{os.fsdecode(error.filename) or 'the empty name'}: {error.strerror}"
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
    return text if raised_in.is_relative_to(_PACKAGE) else None
