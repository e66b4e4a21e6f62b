"""Run a command. A user's mistake is printed in one line, even with many processes; a fault keeps its traceback."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from schanger_mm.config.compat import missing_stack
from schanger_mm.utils.errors import SettingError, UserError
from schanger_mm.utils.text import is_utf8, printable

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""
MISTAKE = 2
"""Exit status of a user's mistake."""
NO_READER = 141
"""Exit status if the reader of the output has ended, as in ``schanger | head``; in shells 128 + SIGPIPE."""
LOST = 3
"""Exit status of a process that lost the connection to another one, which ended first."""
DEBUG = 'SCHANGER_MM_DEBUG'
"""If set to 1, a user's mistake also shows its traceback."""
ERROR_FILE = 'TORCHELASTIC_ERROR_FILE'
NUMBERS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
PATIENCE = 20.0  # seconds in which process 0 makes the same mistake as this process, and the launcher ends all


class Command(Protocol):
    """A module of this package."""

    def parser(self) -> argparse.ArgumentParser:
        """Return the parser of the command line."""

    def main(self, args: argparse.Namespace) -> int | None:
        """Run the command; return the exit status, None for 0."""


def run(command: Command, words: Sequence[str] | None = None, program: str | None = None) -> int:
    """Parse the command line, run the command and return its exit status; see :func:`report_errors`.

    Args:
        command: one of the modules of this package.
        words: the command line; None for that of this process.
        program: what the user typed before it, for usage lines; None for the name of the script.
    """
    def parse_and_run() -> int | None:
        parser = command.parser()
        parser.prog = program or parser.prog
        if not _is_first():  # all processes have the same arguments, and the first one prints the mistake
            parser.error = lambda message: sys.exit(MISTAKE)  # type: ignore[method-assign,assignment]
        for word in sys.argv[1:] if words is None else words:
            if not is_utf8(word):  # it would end in a traceback where it is printed or written into a report
                raise SettingError(f'{printable(word)}: this argument is not UTF-8; rename the file or folder.')
        return command.main(parser.parse_args(words))

    return report_errors(parse_and_run)


def report_errors(function: Callable[[], int | None]) -> int:
    """Call ``function``; print a user's mistake as one line, ``error: ...``.

    Returns:
        The exit status: what ``function`` returns (0 for None), 2 after a
        mistake or the error's own ``status``, :data:`LOST`, or 130 after Ctrl-C
        (143 if a training was ended by SIGTERM), or :data:`NO_READER`.

    Raises:
        Exception: anything except a mistake of the user, which is a fault of the program: Python prints its traceback
            and exits with status 1.
    """
    try:
        status = function() or 0
        distributed = sys.modules.get('torch.distributed')
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        return NO_READER
    except KeyboardInterrupt as stop:
        with suppress(OSError):  # a pipe whose reader has got the signal as well
            print(str(stop) or 'interrupted', file=sys.stderr)
        return getattr(stop, 'status', INTERRUPTED)
    except Exception as error:
        lost = _is_lost_connection(error)
        message = _lost_connection(error) if lost else user_message(error)
        if message is None:
            raise
        if os.environ.get(DEBUG) == '1':
            traceback.print_exc()
        _tell(message, lost)
        return LOST if lost else getattr(error, 'status', MISTAKE)


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more; then nothing is left for Python to write there when it ends."""
    try:
        print(flush=True)  # flush() alone has nothing left to write where output is not buffered
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def user_message(error: Exception) -> str | None:
    """Return what to tell a user about an error; None if the program is at fault."""
    if isinstance(error, UserError):
        return _without_worker(error)
    if isinstance(error, ModuleNotFoundError):
        return missing_stack(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
        return f'{error.strerror}: make room and run the command again.'  # met while writing; Python does not say where
    if isinstance(error, OSError) and isinstance(error.filename, (str, bytes)):  # the system's, wherever it was met
        return f"{os.fsdecode(error.filename) or 'the empty name'}: {error.strerror}"
    return None


def _without_worker(error: UserError) -> str:
    """Return the text of an error without the traceback that torch prepends to errors of worker processes."""
    text = str(error)
    if 'Original Traceback' not in text:
        return text
    kind = type(error)
    return re.split(rf'^{re.escape(f"{kind.__module__}.{kind.__qualname__}")}: ', text, flags=re.MULTILINE)[-1].strip()


def _tell(message: str, lost: bool = False) -> None:
    """Print the message once, even if every process makes the same mistake.

    torchrun and ``tools/dist_launch.py`` read it from one file per process
    and print it when all have ended; ``lost`` marks a process that ended only
    because another one had failed before. Under other launchers, all processes except
    the first wait, and are usually ended before they print.
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


def _is_lost_connection(error: Exception) -> bool:
    distributed = sys.modules.get('torch.distributed')
    if distributed is None or not isinstance(error, RuntimeError):
        return False
    networked = (getattr(distributed, name, ()) for name in ('DistNetworkError', 'DistBackendError'))
    return isinstance(error, tuple(kind for kind in networked if kind)) or 'gloo/' in str(error)


def _lost_connection(error: Exception) -> str:
    return ('the connection to another process is lost: it has ended, or was silent for longer than '
            f'env_cfg.dist_cfg.timeout ({str(error).splitlines()[0]:.200})')
