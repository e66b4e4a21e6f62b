"""Errors for users. A command prints one of these in a line; any other exception is a fault and keeps its traceback."""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """An error that the user can correct; the message names the file or key, what was expected, and what to do."""


class SettingError(UserError, ValueError):
    """A setting, option or argument has a value that cannot be used."""


class DatasetError(UserError, ValueError):
    """A data set on disk is not what its class expects."""


class JsonError(UserError, ValueError):
    """A file is not JSON, or not a table."""


class ExistsError(UserError, FileExistsError):
    """A file would be overwritten without permission."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder does not exist."""


class DiskFullError(UserError, OSError):
    """A file could not be written because no space is left; the message names it and says how to continue."""

    def __str__(self) -> str:
        return str(self.strerror or self.args[0])  # torch raises it again with one argument, the worker's traceback


class LockedError(UserError, OSError):
    """Another process writes the folder that this one was to write."""


class UnwritableError(UserError, OSError):
    """A folder cannot be made or written."""


class MissingPackageError(UserError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""


class WorkerEndedError(UserError, OSError):
    """A worker process was killed, usually because memory ran out."""


class DivergedError(UserError, ValueError):
    """A network yields NaN or Inf instead of probabilities."""

    @classmethod
    def at(cls, weights: object, place: str) -> DivergedError:
        """Make an error that names the weights and what was predicted, such as ``'block 3'``."""
        return cls(f'{weights}: its probabilities of {place} are not numbers (NaN); its weights are damaged, or come '
                   'from a training that diverged; use another checkpoint.')


class CommandError(UserError):
    """A command that was run as a step has failed, and has printed the reason.

    Args:
        words: the command line.
        status: its exit status.
    """

    def __init__(self, words: Sequence[object], status: int = 2):
        super().__init__(f'the command above failed: {" ".join(map(str, words))}')
        self.words = [str(word) for word in words]
        self.status = status


class SampleError(RuntimeError):
    """An unexpected error while a sample was read or transformed; the message names its files."""
