"""Publish weights, with a card that describes them."""

from __future__ import annotations

import json
import math
import re
import tempfile
from pathlib import Path

import mmengine
import torch
from mmengine.logging import HistoryBuffer

from schanger_mm.checkpoints import Checkpoint, CheckpointError, read_checkpoint, write_safetensors
from schanger_mm.checkpoints.lineage import LINEAGE, read_lineage, without_folders, write_lineage
from schanger_mm.checkpoints.reading import PUBLISHED
from schanger_mm.checkpoints.values import config_text
from schanger_mm.utils.errors import JsonError
from schanger_mm.utils.files import move_into_place, read_table, refuse_existing, sha256_of
from schanger_mm.version import __version__

BUFFERS = ('running_mean', 'running_var', 'num_batches_tracked')
REPORTED = ('data_set', 'split', 'partial', 'coverage', 'protocol', 'threshold', 'scores')
"""Keys that a card takes from the report of a test."""


def publish(checkpoint: str | Path, out: str | Path, report: str | Path | None = None) -> str:
    """Write the weights of a training checkpoint as ``.safetensors``, with a card as ``.json``.

    Optimiser, schedules and log are omitted. Of the config, the settings of the
    network and its input are kept, so that the file can be opened without one. For a training
    with ``EMAHook`` the averaged weights are used: mmengine saves them as
    ``state_dict``, and they are the ones that were validated; the current ones,
    saved as ``ema_state_dict`` for resuming, are omitted too.

    Scores are taken from ``report``, or from the log if the checkpoint is the
    best one of its training and still has its original name; for any other
    checkpoint they are unknown.

    Args:
        checkpoint: file to publish.
        out: ``DIR/NAME``; the files are ``NAME-HASH.safetensors`` and
            ``NAME-HASH.json`` with the first 8 digits of the SHA-256 of the
            former. A suffix ``.pth``, ``.safetensors`` or ``.json`` of NAME is dropped.
        report: ``report.json`` of a test of this file.

    Returns:
        A summary of what was written.

    Raises:
        CheckpointError: the checkpoint cannot be read, or the report
            belongs to another one.
        ExistsError: a file exists; published files are never replaced.
    """
    out = Path(out)
    if out.suffix in ('.safetensors', '.pth', '.json'):
        out = out.with_suffix('')
    if not out.name:
        raise CheckpointError(f'{out}: expected DIR/NAME; hash and suffix are added to it.')
    read = read_checkpoint(checkpoint)
    state = read.weights
    card = describe(read)
    if report is not None:
        card['metrics'] = scores_of_test(Path(report), card['source']['sha256'])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as folder:
        partial = Path(folder, 'weights')
        write_safetensors(partial, state, {PUBLISHED: json.dumps(inner_card(read))})
        sha256 = sha256_of(partial)
        weights, text = (out.with_name(f'{out.name}-{sha256[:8]}{suffix}') for suffix in ('.safetensors', '.json'))
        refuse_existing(weights, text, overwrite=None)
        card = dict(name=out.name, file=weights.name, sha256=sha256, bytes=partial.stat().st_size, **card)
        described = Path(folder, 'card')
        described.write_text(json.dumps(card, indent=2, allow_nan=False, default=str) + '\n', encoding='utf-8')
        move_into_place(described, text)
        move_into_place(partial, weights)  # last: if the weights exist, so does their card
    known = 'no scores known' if card['metrics'] is None else f'scores from {card["metrics"]["source"]}'
    return (f'{weights}: {len(state)} tensors, {card["parameters"]:,} parameters, '
            f'{"weight average" if card["averaged"] else "weights as trained"}, {known}\n{text}\nsha256 {sha256}')


def describe(checkpoint: Checkpoint) -> dict:
    """Collect the metadata of a checkpoint; missing entries are None."""
    meta, settings, state = checkpoint.meta, checkpoint.config_if_plain(), checkpoint.weights
    statistics = _part(settings, 'data_preprocessor') or _part(_part(settings, 'model'), 'data_preprocessor')
    classes = _part(meta, 'dataset_meta').get('classes')
    return dict(
        config=re.sub(r'_\d{8}_\d{6}$', '', str(meta.get('experiment_name') or '')) or None,
        classes=None if classes is None else [str(name) for name in classes],
        mean=statistics.get('mean'), std=statistics.get('std'), bgr_to_rgb=statistics.get('bgr_to_rgb'),
        parameters=sum(value.numel() for name, value in state.items() if not name.endswith(BUFFERS)),
        entries=len(state), averaged='ema_state_dict' in checkpoint.content,
        iteration=meta.get('iter'), epoch=meta.get('epoch'), metrics=_logged(checkpoint.path, checkpoint.content),
        versions=dict(schanger_mm=__version__, torch=str(torch.__version__), mmengine=mmengine.__version__,
                      trained_with_mmengine=meta.get('mmengine_version')),
        source=dict(file=checkpoint.path.name, sha256=checkpoint.sha256))


def inner_card(checkpoint: Checkpoint) -> dict:
    """Collect what is needed to load the weights without a config: settings of the network and its input, classes.

    Paths of initial weights and of data sets are omitted; digests of the training images, by which a test recognises
    them, are kept.
    """
    settings = checkpoint.config_if_plain()
    kept = {key: _without_files(settings[key])
            for key in ('default_scope', 'model', 'data_preprocessor', 'gsd', 'temperature')
            if settings.get(key) is not None}
    for loader, keys in (('train_dataloader', ('type', )), ('test_dataloader', ('type', 'pipeline'))):
        dataset = _part(_part(settings, loader), 'dataset')
        if named := {key: _without_files(dataset[key]) for key in keys if key in dataset}:
            kept[loader] = dict(dataset=named)
    classes = _part(checkpoint.meta, 'dataset_meta')
    seen = write_lineage(without_folders(read_lineage(checkpoint.content, checkpoint.path)))
    return dict(cfg=config_text(kept) if 'model' in kept else None,
                dataset_meta={key: classes.get(key) for key in ('classes', 'palette')},
                **({LINEAGE: seen} if seen else {}))


def _without_files(value: object) -> object:
    """Return a setting without initial weights and folders."""
    if isinstance(value, dict):
        if value.get('type') == 'Pretrained':
            return None
        return {key: _without_files(item) for key, item in value.items() if key not in ('pretrained', 'cache_dir')}
    return type(value)(map(_without_files, value)) if isinstance(value, (list, tuple)) else value


def _part(values: dict, key: str) -> dict:
    return values[key] if isinstance(values.get(key), dict) else {}


def _logged(checkpoint: Path, content: dict) -> dict | None:
    """Return the validation of the weights, if the log shows that it was theirs."""
    log = _part(content, 'message_hub')
    info, scalars = _part(log, 'runtime_info'), _part(log, 'log_scalars')
    best, score = info.get('best_ckpt'), info.get('best_score')
    if not isinstance(best, str) or Path(best).name != checkpoint.name:
        return None
    scores = {name.removeprefix('val/'): float(values.current()) for name, values in scalars.items()
              if isinstance(values, HistoryBuffer) and name.startswith('val/') and not name.endswith('time')
              and len(values.data[0])}
    if not isinstance(score, float) or score not in scores.values():  # a later validation is in the log
        return None
    return dict(source='validation while training',
                scores={name: None if math.isnan(value) else value for name, value in scores.items()})


def scores_of_test(path: Path, sha256: str) -> dict:
    """Read the scores that a card shows from the ``report.json`` of a test.

    Raises:
        CheckpointError: it is not one, or belongs to another checkpoint than that of ``sha256``.
    """
    if not path.is_file():
        raise CheckpointError(f'--report {path}: no such file; `schanger test --out DIR` writes DIR/report.json.')
    try:
        found = read_table(path)
    except JsonError as error:
        raise CheckpointError(f'--report: not a report.json: {error}') from error
    if found.get('checkpoint_sha256') != sha256:
        raise CheckpointError(f'--report {path} belongs to another file: expected checkpoint_sha256 {sha256}.')
    return dict(source='a test', **{key: found.get(key) for key in REPORTED})
