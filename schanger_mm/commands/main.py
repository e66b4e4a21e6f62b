"""``schanger``: every command by name.

Without arguments it lists the commands. ``schanger help NAME`` is ``schanger NAME --help``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from schanger_mm.commands.cli import report_errors, run
from schanger_mm.commands.table import COMMANDS, GROUPS, PROGRAM, module_of, named_by_script
from schanger_mm.utils.errors import UserError
from schanger_mm.utils.text import nearest, printable
from schanger_mm.version import __version__

HELP = '-h', '--help', 'help'
VERSION = '-V', '--version'


class CommandNameError(UserError):
    """There is no command of this name."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command by name and return its exit status.

    Args:
        words: the name, one word or two, and its arguments; None for the command line of this process.
    """
    if '_ARGCOMPLETE' in os.environ:  # set by the script of `schanger completion` when the user presses Tab
        from schanger_mm.commands.completion import complete
        complete()
    return report_errors(lambda: _main(sys.argv[1:] if words is None else list(words)))


def _main(words: list[str]) -> int:
    if words[:1] and words[0] in HELP:
        words = [*words[1:], '--help'] if words[1:] else []
    if not words:
        print(overview())
    elif words[0] in VERSION:
        print(f'schanger-mm {__version__}')
    elif words[1:] in ([], ['-h'], ['--help']) and (actions := _actions(words[0])):
        print('\n'.join(_lines(actions)))
    else:
        name = find_command(words)
        return run(importlib.import_module(module_of(name)), words[len(name.split()):], f'{_program()} {name}')
    return 0


def find_command(words: Sequence[str]) -> str:
    """Return the name of the command that a command line begins with.

    Raises:
        CommandNameError: there is none; the message holds the nearest one.
    """
    for count in (2, 1):
        if (name := ' '.join(words[:count])) in COMMANDS:
            return name
    word, *rest = map(printable, words)
    if actions := _actions(word):
        expected = ' or '.join(f'`{PROGRAM} {name}`' for name in actions)
        raise CommandNameError(f'{PROGRAM} {word} {rest[0]}: expected {expected}.')
    near = named_by_script(word) or nearest(word, (name.split()[0] for name in COMMANDS), cutoff=0.6)
    raise CommandNameError(f'{PROGRAM} has no command {word!r}; '
                           + (f'did you mean `{PROGRAM} {near}`?' if near else f'`{PROGRAM}` alone lists them all.'))


def overview() -> str:
    """List the commands by group, each with an example."""
    lines = [f'usage: {_program()} COMMAND ...']
    for group, commands in GROUPS.items():
        lines += ['', group, *_lines(commands)]
    return '\n'.join([*lines, '', f'`{_program()} COMMAND --help` explains a command; --version prints the version.',
                      'A config is a file (my.py), one that comes with the package (levir), or a full name',
                      '(schanger_mm::schanger/levir.py).'])


def _lines(names: Iterable[str]) -> list[str]:
    width = max(map(len, COMMANDS))
    return [line for name in names for line in (
        f'  {name:{width}}  {COMMANDS[name].help}', f'  {"":{width}}    {PROGRAM} {name} {COMMANDS[name].example}')]


def _actions(word: str) -> list[str]:
    """List the commands of two words that begin with this one."""
    return [name for name in COMMANDS if name.startswith(f'{word} ')]


def _program() -> str:
    """Return how this process was started, for usage lines."""
    return f'python -m {__package__.partition(".")[0]}' if Path(sys.argv[0]).name == '__main__.py' else PROGRAM
