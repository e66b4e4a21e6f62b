"""Select what a run prints on the screen; the log file in the work directory has everything."""

from __future__ import annotations

import logging

FILE_ONLY = (
    'System environment', 'Config:', 'Hooks will be executed', 'paramwise_options', 'Exp name',
    'Distributed training is not used', 'Checkpoints will be saved', 'Load checkpoint from',
)
"""Beginnings of records, without dashes, that go to the log file only: long or redundant messages."""
DEPRECATIONS = ('"FileClient"', '"HardDiskBackend"')
"""Beginnings of mmengine's warnings about its own code, which no user can act on."""


def quiet(logger: logging.Logger) -> None:
    """Keep :data:`FILE_ONLY` and :data:`DEPRECATIONS` off the screen; all other warnings and errors are shown."""
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler) and _for_people not in handler.filters:
            handler.addFilter(_for_people)


def _for_people(record: logging.LogRecord) -> bool:
    text = record.getMessage().lstrip('\n -')
    return not text.startswith(DEPRECATIONS if record.levelno >= logging.WARNING else FILE_ONLY)
