"""The rooms of the package stand in an order: each imports only from rooms before it. No files import each other."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'schanger_mm'
ROOMS = ('version', 'utils', 'config', 'registry', 'geo', 'datasets', 'models', 'checkpoints', 'evaluation',
         'visualization', 'engine', 'deploy', 'data_tools', 'scene', 'demo', 'benchmark', 'apis', 'analysis',
         'experiments', 'commands', '__main__')


def module_of(path, package=PACKAGE):
    parts = ('schanger_mm', *path.relative_to(package).with_suffix('').parts)
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imported(tree, module, is_package):
    """Yield (module, name or None) of every import below a tree, in functions and under TYPE_CHECKING as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split('.') if is_package else module.split('.')[:-1]
            stem = '.'.join(base[:len(base) - node.level + 1]) if node.level else ''
            yield from (('.'.join(filter(None, (stem, node.module))), alias.name) for alias in node.names)


def imported_lazily(tree):
    """Yield (module, name) of the names that a package hands out by ``__getattr__``: its table ``_MODULES``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [getattr(target, 'id', None) for target in node.targets] == ['_MODULES']:
            yield from ((module, name) for name, module in ast.literal_eval(node.value).items())


def import_graph(package=PACKAGE):
    """Return {module: modules that it imports}, names that a package re-exports followed to where they are defined."""
    paths = {module_of(path, package): path for path in package.rglob('*.py')}
    found = {}
    for module, path in paths.items():
        tree = ast.parse(path.read_text(encoding='utf-8'))
        found[module] = [*imported(tree, module, path.name == '__init__.py'), *imported_lazily(tree)]

    def follow(module, name):
        if name and f'{module}.{name}' in paths:
            return f'{module}.{name}'
        if paths[module].name == '__init__.py':
            for source, exported in found[module]:
                if exported == name and source in paths and source != module:
                    return follow(source, name)
        return module

    return {module: {follow(source, name) for source, name in pairs if source in paths} - {module}
            for module, pairs in found.items()}


def room_of(module):
    return module.split('.')[1] if '.' in module else None


def wrong_ways(graph):
    order = {room: place for place, room in enumerate(ROOMS)}
    return [f'{module} imports {target}' for module, targets in graph.items() for target in sorted(targets)
            if room_of(module) and room_of(target) and order[room_of(target)] > order[room_of(module)]]


def circles(graph):
    """Return the modules that lead back to themselves."""
    def reached(start):
        seen, todo = set(), list(graph.get(start, ()))
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo += graph.get(module, ())
        return seen

    return sorted(module for module in graph if module in reached(module))


@pytest.fixture(scope='module')
def graph():
    return import_graph()


def test_every_room_is_in_the_list(graph):
    assert {room_of(module) for module in graph} - {None} == set(ROOMS)


def test_a_room_imports_only_from_rooms_before_it(graph):
    assert wrong_ways(graph) == []


def test_no_files_import_each_other(graph):
    assert circles(graph) == []


def test_the_first_line_of_the_package_imports_nothing_but_its_version(graph):
    assert graph['schanger_mm'] == {'schanger_mm.version'}


def test_an_import_the_wrong_way_is_found_wherever_it_stands(tmp_path):
    package = tmp_path / 'schanger_mm'
    for name, text in {
            'utils/a.py': 'def f():\n    from schanger_mm.scene import run\n',
            'datasets/b.py': 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from schanger_mm import apis\n',
            'scene/__init__.py': 'from schanger_mm.scene.run import run\n', 'scene/run.py': 'from . import other\n',
            'scene/other.py': 'from schanger_mm.scene.run import x\n', '__init__.py': '',
            'apis/__init__.py': "_MODULES = {'late': 'schanger_mm.commands.part', 'early': 'schanger_mm.utils.early'}",
            'geo/__init__.py': '', 'geo/c.py': 'from schanger_mm.models import part\n',
            'models/__init__.py': 'from schanger_mm.commands.part import part\n',
            'commands/part.py': 'part = 1\n', 'analysis/d.py': 'from schanger_mm.apis import late\n',
            'visualization/e.py': 'from schanger_mm.apis import early\n', 'utils/early.py': 'early = 1\n'}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    graph = import_graph(package)
    assert sorted(wrong_ways(graph)) == [
        'schanger_mm.analysis.d imports schanger_mm.commands.part',
        'schanger_mm.apis imports schanger_mm.commands.part',
        'schanger_mm.datasets.b imports schanger_mm.apis', 'schanger_mm.geo.c imports schanger_mm.commands.part',
        'schanger_mm.models imports schanger_mm.commands.part', 'schanger_mm.utils.a imports schanger_mm.scene.run']
    assert circles(graph) == ['schanger_mm.scene.other', 'schanger_mm.scene.run']
