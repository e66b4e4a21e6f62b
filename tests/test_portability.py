"""Calls that Linux, macOS and Windows do not share are in docs/portability.md, each with what happens elsewhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / 'docs/portability.md'
FILES = sorted([*(ROOT / 'schanger_mm').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')])
EVERYWHERE = {
    'os': {'DirEntry', 'O_WRONLY', 'PathLike', 'R_OK', 'SEEK_END', '_exit', 'access', 'close', 'cpu_count', 'curdir',
           'devnull', 'dup2', 'environ', 'fdopen', 'fsdecode', 'fsencode', 'fspath', 'fstat', 'fsync', 'getcwd',
           'getpid', 'listdir', 'makedirs', 'name', 'open', 'pardir', 'path', 'pathsep', 'pipe', 'remove', 'scandir',
           'sep', 'stat', 'stat_result', 'strerror', 'urandom', 'walk', 'write'},
    'signal': {'SIGINT', 'SIG_DFL', 'SIG_IGN', 'Signals', 'default_int_handler', 'getsignal', 'signal'},
    'select': set(), 'ctypes': set(),
    'multiprocessing': {'active_children'},
    'mmap': {'ACCESS_READ', 'mmap'},
    'socket': {'create_connection', 'getdefaulttimeout', 'gethostname', 'setdefaulttimeout', 'timeout'},
    'sys': None,  # any
}
"""Attributes of modules that need no row: they exist and do the same on the three systems."""
OF_ONE_SYSTEM = {'fcntl', 'grp', 'msvcrt', 'posix', 'pty', 'pwd', 'resource', 'syslog', 'termios', 'tty', 'winreg'}
RENAMING = {'chmod', 'hardlink_to', 'owner', 'rename', 'symlink_to'}
OPTIONS = {'mp_context', 'multiprocessing_context', 'pass_fds', 'preexec_fn', 'process_group', 'start_new_session'}
FOLDERS = re.compile(r'/(proc|sys|dev|tmp|etc|run)\b')


def calls(tree):
    """Yield each name in a file that is not known to be the same on every system."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            whole = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or '']
            yield from {name.partition('.')[0] for name in whole} & OF_ONE_SYSTEM
            if isinstance(node, ast.ImportFrom) and EVERYWHERE.get(node.module or '') is not None:
                yield from (f'{node.module}.{alias.name}' for alias in node.names
                            if alias.name not in EVERYWHERE[node.module])
            if isinstance(node, ast.Import):
                yield from (f'{alias.name} as {alias.asname}' for alias in node.names
                            if alias.asname and alias.name in EVERYWHERE)
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ''
            known = EVERYWHERE.get(owner)
            if known is not None and node.attr not in known:
                yield f'{owner}.{node.attr}'
            elif known is None and node.attr in RENAMING:
                yield f'.{node.attr}'
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute) and function.attr == 'replace' and len(node.args) == 1:
                yield '.replace'  # of a path: that of a text takes two
            yield from (word.arg for word in node.keywords if word.arg in OPTIONS)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := FOLDERS.match(node.value)):
            yield match.group()


def texts_without_encoding(tree):
    """Yield the line of each text file that is opened in the encoding of the system."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(word.arg in (None, 'encoding') for word in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')
        if name == 'open' and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            name = f'{node.func.value.id}.open'  # rasterio.open, Image.open, webbrowser.open
        texts = [word.value for word in (*node.args, *(word.value for word in node.keywords if word.arg == 'mode'))
                 if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        binary = any('b' in text and set(text) <= set('rwxab+t') for text in texts)
        if (name == 'read_text' and not node.args) or (name == 'write_text' and len(node.args) == 1) or (
                name == 'open' and not binary):
            yield node.lineno


@pytest.fixture(scope='module')
def trees():
    return {short(path): ast.parse(path.read_text(encoding='utf-8')) for path in FILES}


def short(path):
    return path.relative_to(ROOT).as_posix().removeprefix('schanger_mm/')


def rows():
    """Return (call, file, test) for each call in the table."""
    found = []
    for line in TABLE.read_text(encoding='utf-8').splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if line.startswith('| `'):
            assert len(cells) == 5 and cells[2] and cells[3], line
            found += [(call, cells[1].strip('`'), cells[4].strip('`')) for call in re.findall(r'`(.+?)`', cells[0])]
    return found


def test_the_table_lists_every_such_call_and_no_other(trees):
    found = {(call, path) for path, tree in trees.items() for call in calls(tree)}
    listed = {(call, file) for call, file, _ in rows()}
    assert found - listed == set(), 'give these a row in docs/portability.md, and a fallback with a test'
    assert listed - found == set(), 'these are gone from the code'


@pytest.mark.parametrize(('code', 'expected'), [
    ('import fcntl', {'fcntl'}), ('from resource import getrlimit', {'resource'}), ('import os as x', {'os as x'}),
    ('from os import fork', {'os.fork'}), ('from os import path', set()), ('os.fork()', {'os.fork'}),
    ('os.path.join(a)', set()), ('signal.SIGALRM', {'signal.SIGALRM'}), ('path.rename(b)', {'.rename'}),
    ('path.replace(b)', {'.replace'}), ("text.replace('a', 'b')", set()), ("Path('/proc/self')", {'/proc'}),
    ("'a /proc/b'", set()), ('run(a, preexec_fn=f)', {'preexec_fn'}), ('ctypes.CDLL(None)', {'ctypes.CDLL'}),
    ("open('/dev/null')", {'/dev'}), ('x.environ', set())])
def test_what_the_search_finds(code, expected):
    assert set(calls(ast.parse(code))) == expected


def test_the_tests_in_the_table_exist():
    named = {test for *_, test in rows() if test}
    named |= set(re.findall(r'`(test_[\w/]+\.py::\w+)`', TABLE.read_text(encoding='utf-8')))
    assert len(named) >= 12
    missing = []
    for name in named:
        file, _, function = name.partition('::')
        if f'def {function}(' not in (ROOT / 'tests' / file).read_text(encoding='utf-8'):
            missing.append(name)
    assert missing == []


def test_every_text_file_is_opened_with_its_encoding(trees):
    assert [f'{path}:{line}' for path, tree in trees.items() for line in texts_without_encoding(tree)] == []


@pytest.mark.parametrize(('code', 'count'), [
    ('open(a)', 1), ("open(a, 'rb')", 0), ("a.open('w')", 0), ("f(a).open('w')", 1), ("open(a, encoding='utf-8')", 0),
    ("open(a, mode='wb')", 0), ('p.read_text()', 1), ("p.write_text('b')", 1), ("p.write_text('b', 'utf-8')", 0)])
def test_what_counts_as_without_encoding(code, count):
    assert len(list(texts_without_encoding(ast.parse(code)))) == count
