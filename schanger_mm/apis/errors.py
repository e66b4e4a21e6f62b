"""From a user's mistake to one line on stderr."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

INTERRUPTED = 130
"""Exit status of Ctrl-C, as shells have it."""
_PACKAGE = Path(__file__).resolve().parents[1]


def run(main: Callable[[], None]) -> int:
    """Run a tool; a mistake that this package words itself ends in that message instead of a traceback.

    Returns:
        The exit status: 0, 2 after a mistake, that of a command that failed
        and has said why, or 130 after Ctrl-C (143 where a training was ended
        by SIGTERM).
    """
    try:
        main()
    except KeyboardInterrupt as stop:
        print(str(stop) or 'interrupted', file=sys.stderr)
        return getattr(stop, 'status', INTERRUPTED)
    except (ValueError, TypeError, OSError, ImportError, AssertionError, subprocess.CalledProcessError) as error:
        message = _explain(error)
        if message is None:
            raise
        print(f'error: {message}', file=sys.stderr)
        return error.returncode if isinstance(error, subprocess.CalledProcessError) else 2
    return 0


def _explain(error: Exception) -> str | None:
    """Word a mistake of the user; None where it may be a fault of the program."""
    text = str(error)
    if isinstance(error, subprocess.CalledProcessError):
        return f'the command above failed: {" ".join(map(str, error.cmd))}'
    if isinstance(error, TypeError):  # mmengine builds parts from config dicts by keyword
        return f'a part does not know one of its settings: {text}' if 'unexpected keyword' in text else None
    if isinstance(error, AssertionError):  # mmengine's, of schedulers that count epochs
        return ('train_dataloader: an epoch has no batch, since the data set holds fewer images than batch_size and '
                'drop_last=True leaves the rest out; lower train_dataloader.batch_size.'
                ) if 'epoch_length' in text else None
    if 'Original Traceback' in text:  # torch re-raises a worker's error with its whole traceback as the text
        raised = re.split(r'^\S*schanger_mm\S*Error: ', text, flags=re.MULTILINE)  # of a chain, the last is the whole
        return raised[-1].strip() if len(raised) > 1 else None
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename).resolve()
    return text if raised_in.is_relative_to(_PACKAGE) else None
