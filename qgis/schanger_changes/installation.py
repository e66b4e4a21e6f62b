# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the command `schanger` is, what it can run, and a Python that can install it. Nothing here needs QGIS."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .command import HOW, WINDOWS, CommandError, own_environment

MINIMUM = (0, 1, 0)
"""Version of schanger-mm that first has what the plugin asks of it."""


def find_command(setting: str = '') -> str:
    """Return the path of the command: that of the setting, or the one on the PATH.

    Raises:
        CommandError: the setting names no file, or none is on the PATH.
    """
    if setting:
        path = Path(setting).expanduser()
        if not path.is_file():
            raise CommandError(f'The command {setting} of the settings does not exist. {HOW}')
        return str(path)
    found = shutil.which('schanger')
    if found is None:
        raise CommandError(f'The command schanger is not on the PATH. {HOW}')
    return found


def check_version(command: str) -> str:
    """Return the version of the command.

    Raises:
        CommandError: it does not start, is something else, or too old.
    """
    try:
        done = subprocess.run([command, '--version'], capture_output=True, encoding='utf-8', errors='replace',
                              env=own_environment(), stdin=subprocess.DEVNULL, timeout=120, **_hidden())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f'{command} does not start ({error}). {HOW}') from error
    found = re.fullmatch(r'schanger-mm (\d+)\.(\d+)\.(\d+)\S*', done.stdout.strip())
    wanted = '.'.join(map(str, MINIMUM))
    if done.returncode or not found:
        lines = (done.stderr or done.stdout).strip().splitlines() or ['nothing']
        raise CommandError(f'{command} is not the command of schanger-mm {wanted} or newer: asked for its version, it '
                           f'answered {lines[-1]!r}. {HOW}')
    if tuple(map(int, found.groups())) < MINIMUM:
        raise CommandError(f'{command} is too old: expected schanger-mm {wanted} or newer, found '
                           f'{done.stdout.strip()}. Update it: pip install --upgrade schanger-mm. {HOW}')
    return done.stdout.strip()


def installed_parts(command: str) -> str:
    """Return in a few words which networks a command can run, by the packages next to it."""
    home = Path(command).resolve().parent.parent
    folders = [home / 'Lib/site-packages', *home.glob('lib/python3*/site-packages')]
    here = [folder for folder in folders if (folder / 'numpy').is_dir()]
    if not here:
        return '.onnx, checkpoint or name'
    parts = {name for name in ('torch', 'mmengine', 'onnxruntime') if any((folder / name).is_dir() for folder in here)}
    if {'torch', 'mmengine'} <= parts:
        return '.onnx, checkpoint or name' if 'onnxruntime' in parts else 'checkpoint or name; no onnxruntime here'
    if 'onnxruntime' in parts:
        return '.onnx only: no torch here'
    return 'neither torch nor onnxruntime here'


def python_program() -> str:
    """Return a Python of the system that can make an environment: 3.11 or newer.

    Raises:
        CommandError: there is none on the PATH.
    """
    names = ['python3.13', 'python3.12', 'python3.11', 'python3', 'python']
    for name in names:
        program = shutil.which(name)
        if program and _is_new(program):
            return program
    raise CommandError(f'No Python 3.11 or newer is on the PATH (looked for {", ".join(names)}; QGIS itself runs '
                       f'{sys.version.split()[0]}). Install one from python.org, or name it in the field Python.')


def _is_new(program: str) -> bool:
    check = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
    try:
        done = subprocess.run([program, '-c', check], capture_output=True, env=own_environment(), timeout=60,
                              stdin=subprocess.DEVNULL, **_hidden())
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def programs(home: str | Path) -> Path:
    """Return the folder of an environment that holds its programs."""
    return Path(home, 'Scripts' if WINDOWS else 'bin')


def _hidden() -> dict[str, int]:
    return dict(creationflags=subprocess.CREATE_NO_WINDOW) if WINDOWS else {}
