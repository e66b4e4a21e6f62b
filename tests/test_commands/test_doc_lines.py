"""Every command line of the documentation is understood: its options are known, its configs can be read."""

import argparse
import functools
import importlib
import re

import pytest
from fixtures.shell_lines import INSTALLERS, LINES, NOT_RUN, PAGES, ROOT, shell_blocks
from packaging.requirements import Requirement

from schanger_mm.apis import load_config
from schanger_mm.commands.table import module_of
from schanger_mm.config.loading import parse_options

OURS = [line for line in LINES if line.is_ours]
EXTRAS = set(re.findall(r"^        '(\w+)':", (ROOT / 'setup.py').read_text(), re.M))
OTHERS = [line for line in LINES if not line.is_ours]
MADE_BY_THE_READER = re.compile(r'^\w+\.py$|^hf://|^OPEN-CD/|^configs/opencd/|_their-data$')
"""Configs of the reader, who writes or publishes them, and those that inherit from Open-CD."""


@functools.cache
def read(config, options):
    """Read a config, once for all lines that name it alike."""
    return load_config(config, parse_options(options))


@pytest.mark.parametrize('line', OURS, ids=str)
def test_a_line_has_known_options_and_configs(line):
    name, words = line.command
    try:
        args = importlib.import_module(module_of(name)).parser().parse_args(words)
    except SystemExit:
        pytest.fail(f'{line}: not understood')
    config = getattr(args, 'config', None)
    if config is not None and not MADE_BY_THE_READER.search(config):
        read(config, tuple(getattr(args, 'cfg_options', None) or ()))


@pytest.mark.parametrize('line', OTHERS, ids=str)
def test_other_programs_install_something_that_exists_or_are_listed(line, root):
    program, *rest = line.words
    if program not in INSTALLERS:
        assert line.reason, f'{line}: neither a command of this package nor listed in NOT_RUN'
    elif program == 'make':
        targets = re.findall(r'^([a-z-]+):', (root / 'Makefile').read_text(), re.M)
        assert {word for word in rest if '=' not in word} <= set(targets)
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument('action', choices=['install'])
        parser.add_argument('names', nargs='*')
        for option in ('-r', '-c', '-e', '--index-url'):
            parser.add_argument(option)
        parser.add_argument('--no-deps', action='store_true')
        args = parser.parse_intermixed_args(rest)
        assert all((root / file).is_file() for file in (args.r, args.c) if file)
        for name in (*args.names, *([args.e.replace('.', 'schanger-mm', 1)] if args.e else [])):
            wanted = Requirement(name)
            assert wanted.name in ('schanger-mm', 'torch')
            assert wanted.extras <= EXTRAS


def test_at_most_fifteen_lines_are_not_run_and_each_is_there():
    assert len(NOT_RUN) <= 15
    listed = [line for line in LINES if line.reason]
    assert {start for start in NOT_RUN if not any(line.text.startswith(start) for line in listed)} == set()
    assert len({line.text for line in listed}) <= 15


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_stand_in_blocks_that_are_collected(page):
    if page.suffix == '.md':
        outside = re.sub(r'^```shell\n.*?^```', '', page.read_text(), flags=re.M | re.S)
        assert re.findall(r'^(?:schanger|python tools|\$ ).*', outside, re.M) == []
    assert not any(line.startswith('$') for block in shell_blocks(page) for line in block.splitlines())
