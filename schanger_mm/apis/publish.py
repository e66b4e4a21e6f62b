"""Weights to give away, and a card that says what they are."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from pathlib import Path

import mmengine
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from schanger_mm.apis.download import sha256_of
from schanger_mm.checkpoints import CheckpointError, config_values, read_checkpoint, write_safetensors
from schanger_mm.json_files import JsonError, read_table
from schanger_mm.version import __version__

BUFFERS = ('running_mean', 'running_var', 'num_batches_tracked')
REPORTED = ('data_set', 'split', 'partial', 'coverage', 'protocol', 'threshold', 'scores')
"""What a card takes from the report of a test."""


def publish(checkpoint: str | Path, out: str | Path, report: str | Path | None = None) -> str:
    """Write the weights of a training checkpoint as ``.safetensors``, with a card as ``.json``.

    Optimiser, schedules, log and the config's text stay behind. Of a training
    with ``EMAHook`` the averaged weights are taken: mmengine saves them as
    ``state_dict``, and they are what was validated; the live ones, which it
    keeps as ``ema_state_dict`` to go on from, stay behind too.

    Scores are taken from ``report``, or else from the log where the checkpoint
    is the best one of its training, under the name that it was given there;
    of any other one they are not known.

    Args:
        checkpoint: file to publish.
        out: ``DIR/NAME``; the files are ``NAME-HASH.safetensors`` and
            ``NAME-HASH.json`` with the first 8 digits of the SHA-256 of the former.
        report: ``report.json`` of a test of this very file.

    Returns:
        What was written, in words.

    Raises:
        CheckpointError: the checkpoint cannot be read, the report is of
            another one, or a file exists.
    """
    out = Path(out)
    if out.suffix in ('.safetensors', '.pth', '.json') or not out.name:
        raise CheckpointError(f'{out}: expected DIR/NAME; hash and suffix are added to it.')
    content = read_checkpoint(checkpoint)
    state = content.get('state_dict', content)
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{checkpoint}: expected a dict of tensors, or {{'state_dict': ...}}.")
    card = describe(Path(checkpoint), content, state)
    if report is not None:
        card['metrics'] = _reported(Path(report), card['source']['sha256'])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as folder:
        partial = Path(folder, 'weights')
        write_safetensors(partial, state)
        sha256 = sha256_of(partial)
        weights, text = (out.with_name(f'{out.name}-{sha256[:8]}{suffix}') for suffix in ('.safetensors', '.json'))
        if there := [str(path) for path in (weights, text) if path.exists()]:
            raise CheckpointError(f'{" and ".join(there)}: there already, and nothing published is replaced. Choose '
                                  'another DIR/NAME, or delete what is there.')
        card = dict(name=out.name, file=weights.name, sha256=sha256, bytes=partial.stat().st_size, **card)
        described = Path(folder, 'card')
        described.write_text(json.dumps(card, indent=2, allow_nan=False, default=str) + '\n', encoding='utf-8')
        os.replace(described, text)
        os.replace(partial, weights)  # last: where the weights are, their card is
    known = 'no scores known' if card['metrics'] is None else f'scores from {card["metrics"]["source"]}'
    return (f'{weights}: {len(state)} tensors, {card["parameters"]:,} parameters, '
            f'{"weight average" if card["averaged"] else "weights as trained"}, {known}\n{text}\nsha256 {sha256}')


def describe(checkpoint: Path, content: dict, state: dict[str, Tensor]) -> dict:
    """Collect what a checkpoint says of itself; what it does not say is None."""
    meta = _part(content, 'meta')
    settings = _settings(meta.get('cfg'))
    statistics = _part(settings, 'data_preprocessor') or _part(_part(settings, 'model'), 'data_preprocessor')
    classes = _part(meta, 'dataset_meta').get('classes')
    return dict(
        config=re.sub(r'_\d{8}_\d{6}$', '', str(meta.get('experiment_name') or '')) or None,
        classes=None if classes is None else [str(name) for name in classes],
        mean=statistics.get('mean'), std=statistics.get('std'), bgr_to_rgb=statistics.get('bgr_to_rgb'),
        parameters=sum(value.numel() for name, value in state.items() if not name.endswith(BUFFERS)),
        entries=len(state), averaged='ema_state_dict' in content,
        iteration=meta.get('iter'), epoch=meta.get('epoch'), metrics=_logged(checkpoint, content),
        versions=dict(schanger_mm=__version__, torch=str(torch.__version__), mmengine=mmengine.__version__,
                      trained_with_mmengine=meta.get('mmengine_version')),
        source=dict(file=checkpoint.name, sha256=sha256_of(checkpoint)))


def _part(values: dict, key: str) -> dict:
    return values[key] if isinstance(values.get(key), dict) else {}


def _settings(text: object) -> dict:
    try:
        return config_values(text) if isinstance(text, str) else {}
    except ValueError:  # a config of its own kind, which says nothing that can be read without running it
        return {}


def _logged(checkpoint: Path, content: dict) -> dict | None:
    """Return the validation of the weights, where the log tells that it was theirs."""
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


def _reported(path: Path, sha256: str) -> dict:
    if not path.is_file():
        raise CheckpointError(f'--report {path}: no such file; tools/test.py --out DIR writes DIR/report.json.')
    try:
        found = read_table(path)
    except JsonError as error:
        raise CheckpointError(f'--report: not a report.json: {error}') from error
    if found.get('checkpoint_sha256') != sha256:
        raise CheckpointError(f'--report {path} is of another file: expected checkpoint_sha256 {sha256}.')
    return dict(source='a test', **{key: found.get(key) for key in REPORTED})
