"""Print a script by which the shell completes commands and options."""

from __future__ import annotations

import argparse
import importlib
import os

from schanger_mm.commands.table import COMMANDS, PROGRAM, module_of

SHELLS = ('bash', 'zsh', 'fish')


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description=f'Print a script by which the shell completes the commands of {PROGRAM}, their options, choices '
        'and the names of configs.',
        epilog=f'bash: eval "$({PROGRAM} completion bash)" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc, after '
        f'compinit; fish: {PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish')
    parser.add_argument('shell', choices=SHELLS)
    return parser


def main(args: argparse.Namespace) -> None:
    """Print the script."""
    import argcomplete
    print(argcomplete.shellcode([PROGRAM], shell=args.shell))


def complete(**options) -> None:
    """Print what can follow on the command line that the shell asks about, and end the process.

    Args:
        **options: as of ``argcomplete.autocomplete``, for tests.
    """
    import argcomplete
    argcomplete.autocomplete(_tree(os.environ.get('COMP_LINE', '')), always_complete_options='long', **options)


def _tree(line: str) -> argparse.ArgumentParser:
    """Return a parser of all commands; only the command on the line has its options, as each costs time."""
    top = argparse.ArgumentParser(PROGRAM)
    words = line.split()[1:]
    places = {'': top.add_subparsers()}
    for name in COMMANDS:
        first, _, second = name.partition(' ')
        if second and first not in places:
            places[first] = places[''].add_parser(first).add_subparsers()
        asked = words[:len(name.split())] == name.split()
        given = [importlib.import_module(module_of(name)).parser()] if asked else []
        places[first if second else ''].add_parser(second or first, help=COMMANDS[name].help, parents=given,
                                                   add_help=not given)
    return top
