"""Write the pages that list what the package holds: its public names, its registered parts, its configs."""

from __future__ import annotations

import ast
import importlib
import re
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

API_PAGES = {
    'apis': ('Predicting, training, scoring', 'What ``schanger_mm.apis`` offers.', ['schanger_mm.apis']),
    'deploy': ('Exported networks', 'What ``schanger_mm.deploy`` offers.', ['schanger_mm.deploy']),
    'models': ('Networks and losses', 'Registered in ``MODELS``, ``TASK_UTILS`` and ``MODEL_WRAPPERS``.',
               ['MODELS', 'TASK_UTILS', 'MODEL_WRAPPERS']),
    'datasets': ('Data sets and samplers', 'Registered in ``DATASETS`` and ``DATA_SAMPLERS``.',
                 ['DATASETS', 'DATA_SAMPLERS']),
    'transforms': ('Transforms', 'Registered in ``TRANSFORMS``.', ['TRANSFORMS']),
    'engine': ('Hooks and optimisers', 'Registered in ``HOOKS`` and ``OPTIM_WRAPPER_CONSTRUCTORS``.',
               ['HOOKS', 'OPTIM_WRAPPER_CONSTRUCTORS']),
    'evaluation': ('Metrics and pictures', 'Registered in ``METRICS`` and ``VISUALIZERS``.',
                   ['METRICS', 'VISUALIZERS']),
}
"""By page: title, first sentence, and where its names come from: a module with ``__all__``, or registries."""
GROUPS = {
    'schanger': ('SChanger', 'The paper\'s benchmarks, pre-training, ablations, and your own pairs.'),
    'sadl': ('SaDL', 'Pre-training for few labels, controls, and the detectors that start from it.'),
    'semi': ('Labelled and unlabelled pairs', 'UniMatch around any detector, and its supervised controls.'),
    'bands': ('Any number of bands', 'Sentinel-2 with 13 bands: [Bands](../docs/bands.md).'),
    'semantic': ('What changed into what', 'Change and the classes of both dates: [Classes](../docs/semantic.md).'),
    'few_labels': ('Comparing starts and networks', 'What `schanger compare` trains.'),
    'neighbours': ('With mmsegmentation and mmpretrain', 'Parts of other packages in our detector.'),
    'opencd': ('With Open-CD', 'Our parts in Open-CD\'s detector: [Use with Open-CD](../configs/opencd/README.md).'),
}
"""By folder of configs: heading and first sentence."""
SINGLE_IMAGES = {'FolderCDDataset': 'your own', 'SemanticChangeDataset': 'your own', 'InriaDataset': 'Inria',
                 'BuildingDataset': 'Inria'}
"""What to call the data of types that read any folder."""


def write_all(folder: Path) -> None:
    """Write every generated page into ``folder``, leaving those that did not change (Sphinx then skips them)."""
    pages = {f'api_{name}.rst': api_page(*entry) for name, entry in API_PAGES.items()}
    pages['configs.md'] = config_tables()
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding='utf-8') != text:
            path.write_text(text, encoding='utf-8')


def public_names(source: str) -> list[str]:
    """Return the full names of what a module exports, or of our parts in a registry.

    Args:
        source: a module such as ``schanger_mm.apis``, or the name of a registry in ``schanger_mm.registry``.
    """
    if '.' in source:
        module = importlib.import_module(source)
        return [f'{source}.{name}' for name in module.__all__ if callable(getattr(module, name))]
    registry = getattr(importlib.import_module('schanger_mm.registry'), source)
    registry.import_from_location()
    parts = {part for part in registry.module_dict.values() if part.__module__.startswith('schanger_mm.')}
    return sorted((f'{part.__module__}.{part.__qualname__}' for part in parts), key=lambda name: name.split('.')[-1])


def api_page(title: str, introduction: str, sources: list[str]) -> str:
    """Return a page with a table of names and then each one's documentation, in reStructuredText."""
    names = [name for source in sources for name in public_names(source)]
    table = '\n'.join(f'   ~{name}' for name in names)
    return (f'{title}\n{"=" * len(title)}\n\n{introduction}\n\n.. autosummary::\n\n{table}\n\n'
            + '\n'.join(_entry(name) for name in names))


def _entry(name: str) -> str:
    module, _, attribute = name.rpartition('.')
    is_class = isinstance(getattr(importlib.import_module(module), attribute), type)
    return f'.. autoclass:: {name}\n   :members:\n' if is_class else f'.. autofunction:: {name}\n'


def config_tables() -> str:
    """Return a section with a table for each folder of configs, in Markdown; docs/configs.md includes it."""
    text = ''
    for folder, (heading, introduction) in GROUPS.items():
        text += f'\n## {heading}\n\n{introduction}\n\n| config | what it trains | data set | size | inherits |\n' \
                '|---|---|---|---|---|\n'
        for path in sorted((ROOT / 'configs' / folder).rglob('*.py')):
            text += '| ' + ' | '.join(config_row(path)) + ' |\n'
    return text


def config_row(path: Path) -> list[str]:
    """Return the cells of a config: link, what its first comment says, data set, size of the network, base configs."""
    source = path.read_text(encoding='utf-8')
    name = path.relative_to(ROOT / 'configs').as_posix()
    bases = _bases(source)
    data, size = ('LEVIR-CD', '') if name.startswith('opencd/') else _data_and_size(path)  # Open-CD is not installed
    shown = (Path(base).stem for base in bases if not base.endswith(('default_runtime.py', '_dataset.py')))
    inherits = ', '.join(f'`{base}`' for base in shown)
    return [f'[{name.partition("/")[2].removesuffix(".py")}](../configs/{name})', _purpose(source), data, size,
            inherits]


def _purpose(source: str) -> str:
    """Return the first sentence of a config's first comment."""
    comment = re.match(r'(?:# (?! ).*\n)+', source)  # up to the command, which is indented
    text = ' '.join(line.lstrip('# ') for line in comment[0].splitlines()) if comment else ''
    return re.split(r'\.(?:\s|$)', text)[0].rstrip(':')


def _bases(source: str) -> list[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '_base_':
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else value
            return [re.sub(r'^(\.\./|\./)+', '', name) for name in names]
    return []


def _data_and_size(path: Path) -> tuple[str, str]:
    """Return the name of the training data set and the parameters of the network, in millions."""
    from mmengine.registry import DefaultScope

    from schanger_mm.apis import load_config
    from schanger_mm.config.neighbours import NeighbourError
    from schanger_mm.registry import DATASETS, MODELS, SCOPE
    from schanger_mm.utils.errors import MissingPackageError
    try:
        cfg = load_config(path)
    except NeighbourError:  # mmpretrain is optional
        return 'LEVIR-CD', ''
    data = cfg.train_dataloader.dataset
    data = data.get('labelled', data)  # of labelled and unlabelled pairs
    data_set = DATASETS.get(data.type)
    name = getattr(data_set, 'NAME', '') or SINGLE_IMAGES[data.type]
    try:
        with DefaultScope.overwrite_default_scope(SCOPE), warnings.catch_warnings(action='ignore'):
            model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.get('data_preprocessor')})
    except MissingPackageError:  # transformers is optional
        return name, ''
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if 'demo_out' in str(data.data_root):
        name = 'the drawn scenes'
    return name, f'{parameters / 1e6:.2f}\N{NO-BREAK SPACE}M'
