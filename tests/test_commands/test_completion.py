"""What the shell completes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from schanger_mm.commands.main import main
from schanger_mm.commands.table import COMMANDS

ANSWER = """
import io, json, os, sys
from schanger_mm.commands.completion import complete

answers = {}
for line in json.load(sys.stdin):
    os.environ.update(_ARGCOMPLETE='1', _ARGCOMPLETE_IFS='\\n', _ARGCOMPLETE_SUPPRESS_SPACE='1', COMP_LINE=line,
                      COMP_POINT=str(len(line)))
    told = io.BytesIO()
    stream = io.TextIOWrapper(told, write_through=True)
    try:
        complete(exit_method=sys.exit, output_stream=stream)
    except SystemExit as end:
        assert not end.code
    answers[line] = sorted(filter(None, told.getvalue().decode().split('\\n')))
print(json.dumps(answers))
"""
LINES = {
    'schanger tra': {'train', 'transfer'}, 'schanger config ': {'new', 'show', '--help'},
    'schanger completion ': {'bash', 'zsh', 'fish', '--help'}, 'schanger train --on-nan ': {'stop', 'skip'},
    'schanger train levir --vis w': {'wandb'}, 'schanger export --fo': {'--format'},
    'schanger config new --d': {'--data'}, 'schanger fetch levir_p': {'levir_plus'},
    'schanger flops levir_s': {'levir_small'}, 'schanger config show whu': {'whu', 'whu_small'},
    'schanger transfer a.pth pretrain_d': {'pretrain_demo'}, 'schanger benchmark cd': {'cdd', 'cdd_small'},
    'schanger ': {name.split()[0] for name in COMMANDS} | {'--help'},
    'schanger train mi': {'mine.py', 'mine/', 'minute.yaml', 'mit-b0_tfm_segformer_levir'},
    'schanger train mine/': {'mine/a.py'}}


def test_commands_options_choices_configs_and_their_files(root, tmp_path):
    """In one process of its own: argcomplete takes the file descriptors 8 and 9."""
    (tmp_path / 'mine').mkdir()
    for name in ('mine.py', 'minute.yaml', 'mint.txt', 'mine/a.py'):
        (tmp_path / name).write_text('')
    done = subprocess.run([sys.executable, '-c', ANSWER], input=json.dumps([*LINES]), cwd=tmp_path, text=True,
                          env={**os.environ, 'PYTHONPATH': str(root)}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert {line: set(words) for line, words in json.loads(done.stdout).items()} == LINES


@pytest.mark.parametrize('shell, line', [
    ('bash', 'complete -o nospace -o default -o bashdefault -F _python_argcomplete schanger'),
    ('zsh', '#compdef schanger'), ('fish', 'complete --command schanger')])
def test_a_script_for_each_shell(shell, line, capsys):
    assert main(['completion', shell]) == 0
    assert line in capsys.readouterr().out


def test_bash_completes(tmp_path, root):
    bash = shutil.which('bash')
    if bash is None:
        pytest.skip('no bash')
    program = tmp_path / 'schanger'
    program.write_text(f'#!{sys.executable}\nimport sys\nfrom schanger_mm.commands.main import main\n'
                       'sys.exit(main())\n')
    program.chmod(0o755)
    script = ('eval "$(schanger completion bash)"; COMP_LINE="schanger train levir --on-nan "; '
              'COMP_POINT=${#COMP_LINE}; COMP_WORDS=($COMP_LINE); COMP_TYPE=9; '
              '_python_argcomplete schanger; echo "${COMPREPLY[@]}"')
    env = {**os.environ, 'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}', 'PYTHONPATH': str(root)}
    done = subprocess.run([bash, '--norc', '-c', script], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ['stop', 'skip'], done
