"""The style of Open-CD's setup.cfg: yapf's pep8 with its three settings, isort's sections, 79 columns."""

from __future__ import annotations

import ast
import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterator

from yapf.yapflib.yapf_api import FormatCode

COLUMNS = 79
YAPF = dict(based_on_style='pep8', blank_line_before_nested_class_or_def=True,
            split_before_expression_after_opening_paren=True)
FIRST_PARTY = 'mmseg', 'opencd'
_PIECE = 46  # characters of a string literal that fit behind any indentation
_ITEM = re.compile(r'\s*(\*{0,2}[\w`,* ]+( \([^)]*\))?:|-|\*|\d+\.) ')


def restyle(source: str) -> str:
    """Return a Python file in that style; what it does stays the same."""
    before = _meaning(source)
    source = _wrap_comments(_wrap_docstrings(_split_strings(_add_brackets(_sort_imports(source)))))
    for _ in range(3):  # yapf may need a second look at its own result
        source, changed = FormatCode(source, style_config=YAPF)
        if not changed:
            break
    if _meaning(source) != before:
        raise AssertionError('the style changed what the code does')
    return source


def too_long(source: str) -> list[int]:
    """Return the numbers of the lines that are longer than 79 columns."""
    return [number for number, line in enumerate(source.splitlines(), 1) if len(line) > COLUMNS]


def _meaning(source: str) -> str:
    """Return what the code does, without docstrings and the order of the imports."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            node.body = [part for part in node.body if not _is_text(part)]
    tree.body.sort(key=lambda part: ast.dump(part) if isinstance(part, (ast.Import, ast.ImportFrom)) else '~')
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _sort_imports(source: str) -> str:
    """Put the imports at the head of a file into isort's sections."""
    body = ast.parse(source).body
    start = 1 if body and _is_text(body[0]) else 0
    nodes: list[ast.Import | ast.ImportFrom] = []
    for node in body[start:]:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            break
        nodes.append(node)
    if not nodes:
        return source
    lines = source.splitlines()
    sections: dict[int, list[tuple]] = {}
    for node in nodes:
        whole = isinstance(node, ast.Import)
        module = node.names[0].name if whole else str(node.module)
        comment = re.search(r'  #.*$', lines[_end(node) - 1])
        text = _import(node) + (comment[0] if comment else '')
        sections.setdefault(_section(module), []).append((not whole, module.lower(), text))
    blocks = ['\n'.join(text for *_, text in sorted(sections[number])) for number in sorted(sections)]
    text = '\n\n'.join(blocks)
    if 0 in sections and 1 in sections:  # no_lines_before = STDLIB
        text = text.replace('\n\n', '\n', 1)
    return '\n'.join([*lines[:nodes[0].lineno - 1], text, *lines[_end(nodes[-1]):], ''])


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _section(module: str) -> int:
    top = module.partition('.')[0]
    if top == '__future__':
        return 0
    return 1 if top in sys.stdlib_module_names else 3 if top in FIRST_PARTY else 2


def _import(node: ast.Import | ast.ImportFrom) -> str:
    text = ast.unparse(node)
    if len(text) <= COLUMNS or isinstance(node, ast.Import):
        return text
    head, _, names = text.partition(' import ')
    return textwrap.fill(names + ')', COLUMNS, initial_indent=f'{head} import (',
                         subsequent_indent=' ' * len(f'{head} import ('))


def _add_brackets(source: str) -> str:
    """Put an operation on a line that is too long into brackets, so that yapf can break the line."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        value = getattr(node, 'value', None)
        if isinstance(node, (ast.Return, ast.Assign)) and isinstance(
                value, (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp)) and value.lineno == value.end_lineno:
            line = lines[value.lineno - 1].encode()
            if len(line) > COLUMNS and line[value.end_col_offset:].split(b'#')[0].strip() == b'':
                first, last = value.col_offset, value.end_col_offset
                lines[value.lineno - 1] = (line[:first] + b'(' + line[first:last] + b')' + line[last:]).decode()
    return '\n'.join(lines) + '\n'


def _strings(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where each string literal within brackets starts and ends."""
    depth, opened = 0, []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == 'OP' and not opened:
            depth += (token.string in '([{') - (token.string in ')]}')
        if kind == 'FSTRING_START':
            opened.append(token.start)
        elif kind == 'FSTRING_END':
            start = opened.pop()
            if depth and not opened:
                yield start, token.end
        elif kind == 'STRING' and depth and not opened:
            yield token.start, token.end


def _split_strings(source: str) -> str:
    """Split literals in lines that are too long into adjacent ones, which Python joins."""
    lines = source.splitlines()
    for (row, left), (end_row, right) in reversed(list(_strings(source))):
        text = lines[row - 1][left:right]
        if row != end_row or len(lines[row - 1]) <= COLUMNS or right - left <= _PIECE or '"""' in text:
            continue
        prefix, quote = re.match(r'(\w*)([\'"])', text).groups()
        pieces = [f'{prefix if set("{}") & set(piece) or prefix.lower() != "f" else ""}{quote}{piece}{quote}'
                  for piece in _pieces(text[len(prefix) + 1:-1], 'f' in prefix.lower())]
        indent = '\n' + ' ' * left
        lines[row - 1] = lines[row - 1][:left] + indent.join(pieces) + lines[row - 1][right:]
    return '\n'.join(lines) + '\n'


def _pieces(text: str, formatted: bool) -> Iterator[str]:
    start, space, depth = 0, 0, 0
    for place, letter in enumerate(text):
        depth += formatted * ((letter == '{') - (letter == '}'))
        if letter == ' ' and depth == 0:
            space = place + 1
        if place - start >= _PIECE and space > start:
            yield text[start:space]
            start = space
    yield text[start:]


def _wrap_docstrings(source: str) -> str:
    lines = source.splitlines()
    spans = [(node.lineno - 1, _end(node)) for node in ast.walk(ast.parse(source))
             if isinstance(node, ast.Expr) and _is_text(node)]
    for first, last in sorted(spans, reverse=True):
        block = lines[first:last]
        if any(len(line) > COLUMNS for line in block):
            if len(block) == 1 and block[0].endswith('"""'):
                block = [block[0][:-3], ' ' * _indent(block[0]) + '"""']
            lines[first:last] = _reflow(block)
    return '\n'.join(lines) + '\n'


def _reflow(block: list[str]) -> list[str]:
    """Wrap the paragraphs that have a line that is too long."""
    result: list[str] = []
    while block:
        line = block.pop(0)
        indent = _indent(line)
        more = indent + 4 if _ITEM.match(line) and not line.lstrip().startswith('"""') else indent
        paragraph = [line]
        while block and block[0].strip() not in ('', '"""') and _indent(block[0]) == more and not (
                _ITEM.match(block[0]) and more == indent):
            paragraph.append(block.pop(0))
        if any(len(line) > COLUMNS for line in paragraph):
            text = ' '.join(line.strip() for line in paragraph)
            paragraph = textwrap.wrap(text, COLUMNS, initial_indent=' ' * indent, subsequent_indent=' ' * more,
                                      break_long_words=False, break_on_hyphens=False)
        result += paragraph
    return result


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _wrap_comments(source: str) -> str:
    """Wrap comments that are too long; one behind code that is too long moves above it."""
    rows = {token.start[0]: token.start[1] for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT}
    lines = source.splitlines()
    for row in sorted(rows, reverse=True):
        line, left = lines[row - 1], rows[row]
        if len(line) <= COLUMNS or 'noqa' in line:
            continue
        code, comment = line[:left].rstrip(), line[left:]
        head = ' ' * _indent(line) + '# '
        wrapped = textwrap.wrap(comment.lstrip('# '), COLUMNS, initial_indent=head, subsequent_indent=head,
                                break_long_words=False)
        lines[row - 1:row] = [*wrapped, *([code] if code else [])]
    return '\n'.join(lines) + '\n'
