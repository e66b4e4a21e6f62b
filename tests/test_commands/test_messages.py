"""What messages tell users to type is there for all of them, also where no checkout is."""

import ast
import re

import pytest

from schanger_mm.commands.table import COMMANDS, SCRIPTS

SCRIPT_NAMES = '|'.join({script.rpartition('/')[2] for script in SCRIPTS.values()})
OF_A_CHECKOUT = re.compile(rf'\btools/|\bmake (demo|study)\b|(?<![\w./])({SCRIPT_NAMES})\.py\b')
MAY = {'commands/table.py', 'commands/cli.py'}
"""The table of the scripts; the launcher, in a docstring."""


def texts(path):
    return [node.value for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.fixture(scope='module')
def package(root):
    package = root / 'schanger_mm'
    return {path.relative_to(package).as_posix(): texts(path) for path in package.rglob('*.py')}


def test_no_message_names_a_script_of_a_checkout(package):
    found = {(name, text) for name, there in package.items() for text in there if OF_A_CHECKOUT.search(text)}
    assert {(name, text) for name, text in found if name not in MAY} == set()
    assert {name for name, _ in found} == MAY


def test_every_command_that_a_message_names_exists(package):
    first_words = {name.split()[0] for name in COMMANDS} | {'help', 'COMMAND'}
    named = {match.group(1) for there in package.values() for text in there
             for match in re.finditer(r'`schanger ([a-z-]+|COMMAND)\b', text)}
    assert named - first_words == set() and len(named) > 8
