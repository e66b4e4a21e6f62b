"""Where a scene's network comes from: a checkpoint's own config, and the published checkpoints by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from schanger_mm.apis.convert import read_checkpoint
from schanger_mm.apis.fetch import SETS, SIZES, fetch_published
from schanger_mm.scene.errors import SceneError

CONFIGS = ('configs/schanger', 'schanger_mm/.mim/configs/schanger')
"""In a checkout; in an installed package."""
SCOPES = ('schanger_mm', 'mmseg', 'mmpretrain', 'opencd')
"""Registries that a checkpoint's config may name."""


def config_of(checkpoint: str | Path) -> Config:
    """Read the config that mmengine keeps in a training checkpoint, without running code.

    mmengine writes it as Python and would read it by executing it; here it is
    taken only where it is plain values, and where the types it names are
    registered ones: a registry would import and call any other dotted name.

    Raises:
        ConversionError: the file cannot be read.
        SceneError: it holds no config, or one that could run code.
    """
    meta = read_checkpoint(checkpoint).get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    ask = 'name a config as MODEL and this file by --weights'
    if not isinstance(text, str):
        raise SceneError(f'{checkpoint} holds weights but no config, as converted ones do; {ask}.')
    try:
        values = _values(text)
    except (SyntaxError, ValueError) as error:
        raise SceneError(f'{checkpoint}: its config is not made of plain values ({error}), and a checkpoint must not '
                         f'run code; {ask}.') from error
    foreign = [name for name in _types(values.get('model', {})) if not _registered(name)]
    if foreign:
        raise SceneError(f'{checkpoint}: its config asks for {foreign[0]}, expected a type registered in '
                         f'{", ".join(SCOPES)}; {ask}, if you trust it.')
    return Config(values)


def sets() -> list[str]:
    """Names of the data sets that published change detectors were trained on."""
    return [name for name in SETS if name != 'pretrain']


def published_name(name: str) -> bool:
    """Whether ``name`` is SET-SIZE of a published change detector, such as ``levir-base``."""
    data_set, _, size = name.rpartition('-')
    return data_set in sets() and size in SIZES


def published_config(name: str) -> Path:
    """Path of the config of a published checkpoint.

    Raises:
        SceneError: the configs are neither in a checkout nor in the package.
    """
    data_set, _, size = name.rpartition('-')
    file = f'{data_set}{"_small" if size == "small" else ""}.py'
    root = Path(__file__).resolve().parents[2]
    places = [root / folder / file for folder in CONFIGS]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise SceneError(f'{name}: its config is missing: {" or ".join(map(str, places))}; name a config as MODEL '
                         f'with --weights {name}.')
    return found


def published_weights(name: str) -> Path:
    """Path of a published checkpoint in our form, fetched by :func:`fetch_published` unless it is there."""
    data_set, _, size = name.rpartition('-')
    out = Path(f'checkpoints/schanger_{size}_{data_set}_mm.pth')
    fetch_published(data_set, size, out)
    return out


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


def _values(text: str) -> dict:
    """Evaluate the assignments of a dumped config; ValueError or SyntaxError where one is more than a literal."""
    values = {}
    for line in ast.parse(text).body:
        if not (isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name)):
            raise ValueError(f'line {line.lineno}: {ast.unparse(line)[:60]}')
        values[line.targets[0].id] = ast.literal_eval(_DictCalls().visit(line.value))
    return values


def _types(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (str(node[key]) for key in ('type', '_scope_') if key in node)
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for item in node:
            yield from _types(item)


def _registered(name: str) -> bool:
    scope, dot, kind = name.rpartition('.')
    return (scope in SCOPES and bool(kind)) if dot else name.isidentifier()
