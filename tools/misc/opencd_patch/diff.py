"""Changes to a checkout as one file that ``git apply`` reads."""

from __future__ import annotations

import ast
import difflib

from opencd_patch.rewrite import RewriteError


def new_file(path: str, text: str) -> str:
    """Return the part of a patch that adds a file."""
    return f'diff --git a/{path} b/{path}\nnew file mode 100644\n' + _hunks('', text, '/dev/null', f'b/{path}')


def changed_file(path: str, before: str, after: str) -> str:
    """Return the part of a patch that changes a file."""
    return f'diff --git a/{path} b/{path}\n' + _hunks(before, after, f'a/{path}', f'b/{path}')


def _hunks(before: str, after: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, new)
    return ''.join(line if line.endswith('\n') else f'{line}\n\\ No newline at end of file\n' for line in lines)


def export(source: str, path: str, module: str, name: str) -> str:
    """Let the ``__init__.py`` of a package offer one more name: an import behind the others, and in ``__all__``.

    Args:
        source: text of the file, which may end without a newline.
        path: for the message.
        module: file with the name, beside this one.
        name: what is imported.

    Raises:
        RewriteError: the file imports nothing, or its ``__all__`` is no plain list.
    """
    body, lines = ast.parse(source).body, source.splitlines(keepends=True)
    imports = [node for node in body if isinstance(node, ast.ImportFrom)]
    if not imports:
        raise RewriteError(f'{path} imports nothing; expected lines such as `from .{module} import {name}`.')
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            if not isinstance(node.value, ast.List) or not node.value.elts:
                raise RewriteError(f'{path}: __all__ is {ast.unparse(node.value)}; expected a list of names.')
            last = node.value.elts[-1]
            row, left = (last.end_lineno or 0) - 1, last.end_col_offset or 0
            line = lines[row]
            joint = ', ' if len(line[:left].rstrip()) + len(name) + 5 <= 79 else ',\n' + ' ' * node.value.elts[
                0].col_offset
            lines[row] = f'{line[:left]}{joint}{name!r}{line[left:]}'
    row = imports[-1].end_lineno or 0
    if not lines[row - 1].endswith('\n'):  # the import is all there is
        lines[row - 1] += '\n'
    lines.insert(row, f'from .{module} import {name}\n')
    return ''.join(lines)


def list_entry(source: str, path: str, heading: str, entry: str) -> str:
    """Add an entry at the end of the ticked ones in the list below a line of a README.

    Raises:
        RewriteError: there is no such line, or no ticked list below it.
    """
    lines = source.splitlines(keepends=True)
    below = [number for number, line in enumerate(lines) if heading in line]
    for number in range(below[0] + 1 if below else len(lines), len(lines)):
        if lines[number - 1].startswith('- [x]') and not lines[number].startswith('- [x]'):
            return ''.join([*lines[:number], f'- [x] {entry}\n', *lines[number:]])
    raise RewriteError(f'{path} has no list of ticked entries below a line with {heading!r}.')
