"""The attacks as a user meets them: typed commands."""

import pytest


@pytest.mark.parametrize(('words', 'name', 'message'), [
    (['tools/train.py', 'configs/schanger/demo.py', '--resume'], 'nested.pth',
     'it imports pickle.loads'),
    (['tools/model_converters/to_safetensors.py'], 'system.pth', 'it imports posix.system'),
])
def test_one_line_exit_status_2_and_the_way_out(words, name, message, attacks, run, tmp_path):
    more = ['--work-dir', tmp_path] if 'train' in words[0] else [tmp_path / 'out.safetensors']
    said = run(*words, attacks[name], *more, fails=2).splitlines()[-1]
    assert said.startswith(f'error: {attacks[name]} is refused: reading it would run code') and message in said
    assert 'schanger to-safetensors' in said and '--i-trust-this-file' in said
    assert attacks.nothing_ran() and not list(tmp_path.glob('out*'))
