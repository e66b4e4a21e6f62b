"""Read the config that mmengine keeps in a checkpoint as Python text: as values, without executing it."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping

from schanger_mm.utils.errors import SettingError


def config_values(text: str) -> dict:
    """Evaluate the assignments of a dumped config.

    Args:
        text: what ``Config.pretty_text`` returned.

    Returns:
        The values by name.

    Raises:
        SettingError: it contains something other than literals or a ``dict(...)`` of them.
    """
    values = {}
    try:
        for line in ast.parse(text).body:
            if not (isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name)):
                raise SettingError(f'line {line.lineno}: {ast.unparse(line)[:60]}')
            values[line.targets[0].id] = ast.literal_eval(_DictCalls().visit(line.value))
    except (SyntaxError, RecursionError, MemoryError) as error:  # the last two: excessive nesting
        raise SettingError(f'{type(error).__name__} {error}'.strip()) from error
    return values


def config_text(values: Mapping[str, object]) -> str:
    """Write values as the assignments that :func:`config_values` reads.

    Raises:
        SettingError: a name is not one that Python can assign to, or lists hold one another in too many levels.
    """
    if wrong := [name for name in values if not name.isidentifier()]:
        raise SettingError(f'{wrong[0][:60]!r} is not the name of a setting')
    try:
        return ''.join(f'{name} = {value!r}\n' for name, value in values.items())
    except RecursionError as error:
        raise SettingError('its lists hold one another in too many levels') from error


def as_json_values(values: Mapping[str, object]) -> dict:
    """Return values as JSON keeps them: tuples become lists.

    Raises:
        SettingError: JSON has no such value.
    """
    try:
        return json.loads(json.dumps(values, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingError(f'JSON cannot hold it: {error}') from error


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
