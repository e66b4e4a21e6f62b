"""Rewrite a source file of this package for Open-CD: only imports and scope change."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Collection, Iterator

from schanger_mm.registry import SCOPE
from schanger_mm.utils.errors import UserError

OURS, THEIRS = 'schanger_mm', 'opencd'
PLAIN_ERRORS = {'SettingError': 'ValueError'}
"""Errors for users, and their replacements in Open-CD, which has no such classes."""
UNKNOWN_THERE = (OURS, 'SiameseEncoderDecoder', 'BiTemporalPreProcessor', 'LoadChangeLabel')
"""Names that Open-CD does not have; none may be left."""


class RewriteError(UserError, ValueError):
    """A source needs something that is not carried over."""


def rewrite(source: str, where: str, modules: Collection[str], names: Collection[str]) -> str:
    """Point the imports of a file at Open-CD and register its classes there.

    Comments and layout are not changed.

    Args:
        source: text of the file.
        where: its path, for messages.
        modules: dotted names of the modules that are carried over.
        names: what ``schanger_mm.models`` offers of them.

    Raises:
        RewriteError: an import leads to something else, or a word that only
            this package knows is left.
    """
    text = source.encode()
    starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    edits = _edits(ast.parse(source), where, modules, names)
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        if not new and text[last:last + 1] == b'\n':
            last += 1
        text = text[:first] + new.encode() + text[last:]
    result = text.decode().replace('SettingError', 'ValueError')  # of which it is one
    result = re.sub(rf'(:\w+:`~?){OURS}\.models\.', rf'\1{THEIRS}.models.', result)
    for number, line in enumerate(result.splitlines(), start=1):
        for word in UNKNOWN_THERE:
            if word in line:
                raise RewriteError(f'{where}: {word} is left in line {number} of the result: {line.strip()}; Open-CD '
                                   'has no such thing. Say it without, or carry it over.')
    return result


def _edits(tree: ast.AST, where: str, modules: Collection[str], names: Collection[str]) -> Iterator[tuple]:
    """Yield nodes and their replacement texts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name.split('.')[0] == OURS for alias in node.names):
            raise RewriteError(f'{where}, line {node.lineno}: {ast.unparse(node)}; expected `from ... import ...`.')
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise RewriteError(f'{where}, line {node.lineno}: {ast.unparse(node)} is relative; expected the whole '
                                   'name of the module.')
            if str(node.module).split('.')[0] == OURS:
                yield node, _import(node, where, modules, names)
        elif isinstance(node, ast.Name) and node.id == 'SCOPE':
            yield node, repr(THEIRS)
        elif isinstance(node, ast.Name) and node.id in PLAIN_ERRORS:
            yield node, PLAIN_ERRORS[node.id]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f'{SCOPE}.'):
            yield node, repr(THEIRS + node.value[len(SCOPE):])


def _import(node: ast.ImportFrom, where: str, modules: Collection[str], names: Collection[str]) -> str:
    wanted = {alias.name for alias in node.names}
    if node.module == f'{OURS}.registry' and wanted <= {'MODELS', 'SCOPE'}:
        if 'MODELS' not in wanted:
            return ''
        return f'from {THEIRS}.registry import MODELS'  # SCOPE is written out
    if node.module == f'{OURS}.utils.errors' and wanted <= set(PLAIN_ERRORS):
        return ''
    if node.module not in modules and not (node.module == f'{OURS}.models' and wanted <= set(names)):
        raise RewriteError(f'{where}, line {node.lineno}: {ast.unparse(node)} leads to what is not carried over to '
                           'Open-CD; carry it over too, or do without.')
    return ast.unparse(ast.ImportFrom(node.module.replace(OURS, THEIRS, 1), node.names, level=0))
