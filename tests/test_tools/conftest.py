"""Run the commands as a user types them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='session')
def run():
    """Return a function that runs a tool from the repository and returns what it printed.

    With ``fails=STATUS`` it must end with that status and without a traceback;
    then only its stderr is returned.
    """
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}

    def run_tool(*words, fails: int = 0) -> str:
        result = subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, env=env, capture_output=True, text=True)
        text = result.stdout + result.stderr
        assert result.returncode == fails, text[-3000:]
        if fails:
            assert 'Traceback' not in text, text[-3000:]
        return result.stderr if fails else text

    return run_tool
