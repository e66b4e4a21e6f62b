"""The config that mmengine keeps in a checkpoint, as text of Python: read as values, never executed."""

from __future__ import annotations

import ast


def config_values(text: str) -> dict:
    """Evaluate the assignments of a dumped config.

    Args:
        text: what ``Config.pretty_text`` returned.

    Returns:
        The values by name.

    Raises:
        ValueError: something in it is more than a literal or a ``dict(...)`` of them.
    """
    values = {}
    try:
        for line in ast.parse(text).body:
            if not (isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name)):
                raise ValueError(f'line {line.lineno}: {ast.unparse(line)[:60]}')
            values[line.targets[0].id] = ast.literal_eval(_DictCalls().visit(line.value))
    except (SyntaxError, RecursionError, MemoryError) as error:  # the last two: nested without end
        raise ValueError(f'{type(error).__name__} {error}'.strip()) from error
    return values


class _DictCalls(ast.NodeTransformer):
    """Turns ``dict(a=1)`` and ``dict({'a.b': 1})`` into literals."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        keys, values = [], []
        for part in node.args:
            if not isinstance(part, ast.Dict):
                return node
            keys += part.keys
            values += part.values
        if not (isinstance(node.func, ast.Name) and node.func.id == 'dict') or None in (k.arg for k in node.keywords):
            return node
        keys += [ast.Constant(keyword.arg) for keyword in node.keywords]
        return ast.Dict(keys, values + [keyword.value for keyword in node.keywords])
