"""Arguments shared by several commands."""

from __future__ import annotations

import argparse
import glob
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

PRECISIONS = ('fp32', 'bf16', 'fp16')


def add_config(parser: argparse.ArgumentParser, name: str = 'config', help: str = 'config', **options) -> None:
    """Add an argument that is the file or the name of a config, which the shell completes.

    Args:
        parser: the parser.
        name: of the argument.
        help: what the config is for; how to name one is added.
        **options: as of ``add_argument``.
    """
    action = parser.add_argument(name, help=f'{help}: a file, or a name such as levir, schanger/levir or mmseg::PATH',
                                 **options)
    action.completer = complete_config  # type: ignore[attr-defined]  # argcomplete reads it


def complete_config(prefix: str, **_: object) -> list[str]:
    """Return what a config's name or path that begins with ``prefix`` may be; folders end in a slash."""
    from schanger_mm.config.names import SUFFIXES, short_names
    paths = glob.glob(f'{glob.escape(prefix)}*')
    return [*short_names(), *(f'{path}/' for path in paths if os.path.isdir(path)),
            *(path for path in paths if path.endswith(SUFFIXES))]


def add_cfg_options(parser: argparse.ArgumentParser, example: str = '') -> None:
    """Add ``--cfg-options``; :func:`load_config` reads its words."""
    parser.add_argument('--cfg-options', nargs='+', action='extend', metavar='KEY=VALUE',
                        help='override settings' + (f', for example {example}' if example else ''))


def load_config(args: argparse.Namespace) -> Config:
    """Read the config that the arguments name, with its overrides.

    Raises:
        ConfigError: see :func:`schanger_mm.config.loading.load_config`.
    """
    from schanger_mm.config.loading import load_config, parse_options
    return load_config(args.config, parse_options(args.cfg_options))


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add the options that a launcher of several processes needs."""
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def note_local_rank(args: argparse.Namespace) -> None:
    """Pass ``--local-rank`` on to torch and mmengine, which read it from the environment."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))


class RasterParser(argparse.ArgumentParser):
    """A parser of options whose values may begin with a minus: ``--scale -25:0`` is ``--scale=-25:0``."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        """Parse as argparse does, which would treat ``-25:0`` as an option."""
        words = []
        for word in sys.argv[1:] if args is None else args:
            if words and re.fullmatch('--[a-z-]+', words[-1]) and re.match(r'-\.?\d', word):
                words[-1] += f'={word}'
            else:
                words.append(word)
        return super().parse_known_args(words, namespace)


def add_class_maps(parser: argparse._ActionsContainer) -> None:
    """Add the options for class maps of both dates."""
    parser.add_argument('--label-before', metavar='NAME', help='folder of the class maps of date A (default: label_a, '
                        'labelA or label1); none if there are no class maps')
    parser.add_argument('--label-after', metavar='NAME', help='folder of the class maps of date B (default: its '
                        'partner)')
    parser.add_argument('--classes', nargs='+', metavar='NAME=VALUE', help='the classes in both maps with their grey '
                        'values or colours, for example water=0,0,255; unchanged and unlabelled are no classes '
                        '(default: all values found)')


def add_reading(parser: argparse._ActionsContainer) -> None:
    """Add the options for reading the values of two rasters."""
    parser.add_argument('--bands', metavar='R,G,B', help='bands to take, counted from 1, red first of three, otherwise '
                        'in the order of the training; or one list per date: 3,2,1/4,3,2')
    parser.add_argument('--ignore-alpha', action='store_true', help='treat a band marked as alpha as an ordinary band '
                        '(near infrared, for example)')
    parser.add_argument('--scale', metavar='RULE', help='how to scale values to 0..255: MIN:MAX such as 0:3000, '
                        'or percentiles such as p2:p98; not needed for 8-bit rasters (none). One rule per date: '
                        '0:3000,1000:4000 or none,p2:p98, the earlier date first')


def command_line() -> str:
    """Return what the user typed, for records of how a result came about."""
    program, *words = sys.argv
    if Path(program).suffix == '.py':
        start = ['python', '-m', 'schanger_mm'] if Path(program).name == '__main__.py' else ['python', program]
    else:
        start = [Path(program).stem]
    return shlex.join([*start, *words])


def checkout() -> Path:
    """Return the folder that holds ``configs`` and ``tools``: the checkout, or ``.mim`` of an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    installed = package / '.mim'
    return installed if installed.is_dir() else package.parent
