"""The model card that is published with a model: metadata for the hub, scores, how to use it, and its terms."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schanger_mm.registry import DATASETS
from schanger_mm.utils.optional import require

LIBRARY = 'schanger-mm'
TAGS = ['change-detection', 'remote-sensing', 'siamese', LIBRARY]
TASK = 'image-segmentation'
METRICS = dict(F1='f1', precision='precision', recall='recall', IoU='iou', OA='accuracy', kappa='kappa')
"""Name of each score in the metadata of the hub."""
TEXT = '''---
{metadata}
---

# {title}

{purpose}, trained with [schanger-mm](https://pypi.org/project/schanger-mm/).

## Results

{results}

## Use

```shell
pip install "schanger-mm[mm,geo,hub]"
```

{use}

`hf://{repo}@COMMIT` always means the same files. The weights are safetensors and the config is a table of values: to
load them runs no code.

## Model

{facts}

## Terms

{terms}
'''
PREDICT = '''```shell
schanger predict hf://{repo} before.tif after.tif --out changes
```

```python
from schanger_mm.apis import ChangeDetector

detector = ChangeDetector.from_pretrained('{repo}')
result = detector.predict('before.tif', 'after.tif', out='changes')
```

A map of a new area can be wrong in ways that the scores do not show: compare it with the images at 50 places or more
before you rely on it.

'''
TRAIN = "To train from these weights, set `load_from = 'hf://{repo}'` in a config."
TERMS = {True: 'Licence of these weights: {license}.',
         False: 'The owner has not stated a licence: ask before you use these weights.'}


def model_card(repo: str, card: Mapping, config: Mapping, sha256: str, license: str | None = None) -> str:
    """Write the ``README.md`` of a model.

    Args:
        repo: ``org/name``.
        card: what :func:`~schanger_mm.checkpoints.publish.describe` returns.
        config: the values of ``config.json``.
        sha256: SHA-256 of ``model.safetensors``.
        license: identifier of its licence, such as ``'apache-2.0'``; None: not stated.

    Raises:
        MissingPackageError: ``huggingface_hub``, which writes the metadata, is not installed.
    """
    scored, split, scores = _scores(card, config)
    trained, model = training_data(config), config['model']
    detects = 'decode_head' in model and model.get('num_dates', 2) == 2
    purpose = ('Finds what has changed between two images of the same place' if detects else
               'Weights from which to train a change detector')
    return TEXT.format(
        metadata=_metadata(repo, trained, scored, split, scores, license), title=repo.partition('/')[2], repo=repo,
        purpose=f'{purpose}: {_network(model)}', results=_results(card, scored, split, scores),
        use=((PREDICT if detects else '') + TRAIN).format(repo=repo), facts=_facts(card, config, trained, sha256),
        terms=TERMS[bool(license)].format(license=license))


def training_data(config: Mapping) -> str | None:
    """Return the name of the data set that a config trains on, None if it is not one of the benchmarks."""
    loader = config.get('train_dataloader')
    dataset = loader.get('dataset') if isinstance(loader, Mapping) else None
    kind = str(dataset.get('type')).rpartition('.')[2] if isinstance(dataset, Mapping) else ''
    return getattr(DATASETS.module_dict.get(kind), 'NAME', None)


def _scores(card: Mapping, config: Mapping) -> tuple[str, str, dict[str, float]]:
    """Return what was scored, its split, and the known scores in percent."""
    metrics = card['metrics'] or {}
    scores = {name.rpartition('/')[2]: value for name, value in (metrics.get('scores') or {}).items()
              if isinstance(value, (int, float))}
    return metrics.get('data_set') or training_data(config) or 'own data', metrics.get('split') or 'val', scores


def _metadata(repo: str, trained: str | None, scored: str, split: str, scores: Mapping[str, float],
              license: str | None) -> str:
    cards = require('huggingface_hub.repocard_data', 'hub', 'A model card')
    results = [cards.EvalResult(
        task_type=TASK, task_name='Change detection', dataset_type=re.sub(r'\W+', '-', scored.lower()),
        dataset_name=scored, dataset_split=split, metric_type=METRICS[name], metric_name=f'{name} (%)',
        metric_value=round(value, 2)) for name, value in scores.items() if name in METRICS]
    return cards.ModelCardData(
        library_name=LIBRARY, license=license or 'unknown', pipeline_tag=TASK, tags=list(TAGS),
        datasets=None if trained is None else [trained], metrics=[result.metric_type for result in results] or None,
        model_name=repo.partition('/')[2], eval_results=results or None).to_yaml().strip()


def _network(model: Mapping) -> str:
    parts = (model.get(key) for key in ('backbone', 'neck', 'decode_head'))
    kinds = [str(part.get('type')) for part in parts if isinstance(part, Mapping)]
    return f'a {model.get("type")}' + (f' of {", ".join(kinds)}' if kinds else '')


def _results(card: Mapping, scored: str, split: str, scores: Mapping[str, float]) -> str:
    if not scores:
        return 'No scores are known.'
    metrics = card['metrics']
    names = list(scores)
    table = (f'| data | split | {" | ".join(names)} |\n|{"---|" * (len(names) + 2)}\n'
             f'| {scored} | {split} | {" | ".join(f"{scores[name]:.2f}" for name in names)} |')
    notes = [f'Percent, of the changed class; {metrics["source"]}.']
    if metrics.get('protocol'):
        notes.append(f'Protocol: {metrics["protocol"]}.')
    if metrics.get('partial'):
        notes.append('Not the whole official split was scored.')
    return f'{table}\n\n{" ".join(notes)}'


def _facts(card: Mapping, config: Mapping, trained: str | None, sha256: str) -> str:
    versions = card['versions']
    facts = {'parameters': f'{card["parameters"]:,}',
             'classes': ', '.join(card['classes'] or ('unchanged', 'changed')),
             'training data': trained or 'own data', 'config': card['config'] or 'unknown',
             'ground sampling distance': f'{config["gsd"]} m' if config.get('gsd') else 'see the training data',
             'weights': 'average over the training' if card['averaged'] else 'as trained',
             'SHA-256 of model.safetensors': f'`{sha256}`',
             'written by': f'schanger-mm {versions["schanger_mm"]}, torch {versions["torch"]}'}
    return '| | |\n|---|---|\n' + '\n'.join(f'| {name} | {value} |' for name, value in facts.items())
