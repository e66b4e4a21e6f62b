"""The attacks as a user meets them: typed commands."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(('words', 'name', 'message'), [
    (['tools/train.py', 'configs/schanger/demo.py', '--resume'], 'nested.pth', 'builtins.exec'),
    (['tools/model_converters/to_safetensors.py'], 'system.pth', 'it imports posix.system'),
])
def test_one_line_exit_status_2_and_the_way_out(words, name, message, attacks, root, tmp_path):
    more = ['--work-dir', tmp_path] if 'train' in words[0] else [tmp_path / 'out.safetensors']
    done = subprocess.run([sys.executable, *words, attacks[name], *map(str, more)], cwd=root, text=True,
                          env={**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'}, capture_output=True)
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert said.startswith(f'error: {attacks[name]} is refused: reading it would run code') and message in said
    assert 'to_safetensors.py' in said and '--i-trust-this-file' in said
    assert attacks.nothing_ran() and not list(tmp_path.glob('out*'))
