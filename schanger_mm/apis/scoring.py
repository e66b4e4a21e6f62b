"""Score a checkpoint: the options of a test, and its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import mmengine
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log

from schanger_mm.checkpoints.hub import is_address, pinned
from schanger_mm.config.building import config_errors
from schanger_mm.config.loading import ConfigError
from schanger_mm.deploy.card import backend_of
from schanger_mm.deploy.exported_detector import use_exported
from schanger_mm.engine.failures import explain_failures
from schanger_mm.engine.runner import build_runner
from schanger_mm.evaluation import ChangeMetric
from schanger_mm.evaluation.predictions import FOLDER as PREDICTIONS
from schanger_mm.evaluation.protocol import TILES, Protocol
from schanger_mm.evaluation.report import REPORT, TILE, write_report
from schanger_mm.evaluation.report_folder import WORST, ReportFolder
from schanger_mm.registry import METRICS
from schanger_mm.utils.devices import FOR_INFERENCE, keep_freed_memory
from schanger_mm.utils.files import sha256_of
from schanger_mm.version import __version__
from schanger_mm.visualization.worst import draw_worst

#: ``test_cfg`` of each ``--mode``
MODES = {'tiles': TILES, 'overlap': dict(TILES, stride=(TILE // 2, TILE // 2)), 'whole': dict(mode='whole')}


def test_only(cfg: Config, checkpoint: str, show_dir: str | None = None, mode: str | None = None, tta: bool = False,
              tta_scales: Sequence[float] | None = None, batch_size: int | None = None, backend: str | None = None,
              precision: str | None = None, plain: bool = False, allow_overlap: bool = False) -> None:
    """Turn a training config into one that scores ``checkpoint``, in place.

    Args:
        cfg: the config.
        checkpoint: file with the weights, or model of the hub (``hf://org/name[@revision]``); every entry must fit. Or
            an exported network.
        show_dir: folder for pictures of every test image.
        mode: ``'tiles'`` (256 px, side by side), ``'overlap'`` (256 px every
            128 px, logits averaged) or ``'whole'``; None: the config's own.
        tta: average over the image and its three flips. The wrapper is always
            ``ChangeTTAModel``; the ``tta_model`` in mmseg's runtime settings
            is wrong for one output channel.
        tta_scales: also average over these scales; 1.0 must be one of them.
        batch_size: images per step, all of the same size.
        backend: backend for an exported network; None: by its suffix.
        precision: precision of weights and maps, or of the backend; None: float32.
        plain: score the network as it was trained, layer by layer, instead of
            its inference form (equal up to rounding, several times slower).
        allow_overlap: score images that the checkpoint was trained on, with a
            warning; otherwise they are an error when the test starts.

    Raises:
        ConfigError: the checkpoint does not exist, the config has no test, or
            an option is invalid.
    """
    exported = backend is not None or backend_of(checkpoint) is not None
    if plain and (exported or precision is not None):
        raise ConfigError('--plain is the network as it was trained, in float32: omit --precision and --backend, '
                          'and name a checkpoint.')
    if not exported and '://' not in checkpoint and not os.path.isfile(checkpoint):
        raise ConfigError(f'no checkpoint {checkpoint}; a training writes best_*.pth and iter_*.pth to its work_dir.')
    if not cfg.get('test_cfg') or not isinstance(cfg.get('test_evaluator'), dict):
        raise ConfigError('the config has no test: it needs test_cfg, test_dataloader and one test_evaluator.')
    if exported and cfg.get('launcher', 'none') != 'none':
        raise ConfigError(f'{checkpoint}: an exported network is scored by one process; omit --launcher.')
    if exported:
        use_exported(cfg, checkpoint, backend, precision or 'fp32')
    else:
        cfg.load_from = pinned(checkpoint) if is_address(checkpoint) else checkpoint
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []),
                            dict(type='schanger_mm.OverlapHook', allow=allow_overlap)]
        if not plain:
            cfg.custom_hooks.append(dict(type='schanger_mm.InferenceFormHook', precision=precision or 'fp32'))
        cfg.form = 'plain' if plain else f'inference form, {precision or "fp32"}'  # for the report
    cfg.resume = False
    cfg.semi = None  # for training only: its checkpoints hold the plain network
    cfg.sync_bn = None  # for training only; the inference form folds plain norms
    if show_dir:
        cfg.default_hooks.visualization.update(draw=True, interval=1, max_images=None, test_out_dir=show_dir)
    if mode is not None:
        cfg.model.test_cfg = ConfigDict(MODES[mode])
    if batch_size is not None:
        if batch_size < 1:
            raise ConfigError(f'--batch-size {batch_size}: expected 1 or more.')
        cfg.test_dataloader.batch_size = batch_size
    if tta_scales is not None and not tta:
        raise ConfigError('--tta-scales are sizes of the views of --tta: add --tta, or omit them.')
    if tta:
        augment(cfg, [1.0] if tta_scales is None else tta_scales)


def augment(cfg: Config, scales: Sequence[float]) -> None:
    """Put ``TestTimeAug`` before the packing of the test pipeline and ``ChangeTTAModel`` around the model."""
    if cfg.get('tta_pipeline'):
        raise ConfigError("--tta makes its views from the test pipeline and would ignore the config's tta_pipeline; "
                          'set tta_pipeline=None.')
    if 1.0 not in scales or not all(0 < scale <= 4 for scale in scales) or len(set(scales)) < len(scales):
        raise ConfigError(f'--tta-scales {" ".join(map(str, scales))}: expected different numbers above 0, up to 4, '
                          'among them 1.0: the view that is held against the truth.')
    data = cfg.test_dataloader.dataset
    if not data.get('pipeline'):
        raise ConfigError(f'--tta: test_dataloader.dataset ({data.type}) has no pipeline of its own to make views in.')
    *steps, pack = data.pipeline

    def view(name: str, **settings) -> dict:
        transform = dict(type=f'mmseg.{name}', **settings)
        pair = pack.type.split('.')[-1] == 'PackBiTemporalInputs'
        return dict(type='ForBothDates', transforms=[transform]) if pair else transform

    # the first view is the unchanged image: ChangeTTAModel uses its truth
    sizes = [view('Resize', scale_factor=float(scale)) for scale in sorted(scales, key=lambda scale: scale != 1)]
    flips = [view('RandomFlip', prob=0.0),
             *(view('RandomFlip', prob=1.0, direction=axis) for axis in ('horizontal', 'vertical', 'diagonal'))]
    data.pipeline = [*steps, dict(type='TestTimeAug', transforms=[sizes, flips, [pack]])]
    cfg.model = ConfigDict(type='ChangeTTAModel', module=cfg.model)
    at_scales = f' at scales {", ".join(map(str, scales))}' if len(scales) > 1 else ''
    cfg.tta_cfg = dict(words=f'TTA over {len(flips)} flips{at_scales}')


def evaluate(cfg: Config, out: str | None = None, worst: int | None = None,
             overwrite: bool = False) -> dict[str, float]:
    """Test as configured, log the protocol, and write the report.

    ``out`` gets ``predictions/<name>.png``, ``per_image.csv``, the panels
    ``worst/01_<name>.png`` of the images with the most wrong pixels, and
    ``report.json``, all at the end of the test.

    Args:
        cfg: a config prepared by :func:`test_only`.
        out: folder of the report; None writes none.
        worst: how many of the worst images to draw; None: 10.
        overwrite: replace an earlier report.

    Returns:
        The scores by name, in percent.

    Raises:
        ConfigError: options that do not fit together or do not fit the config.
        SettingError: ``out`` contains a report.
    """
    if out is None and (worst is not None or overwrite):
        raise ConfigError('--worst and --overwrite need a report: add --out DIR, or omit them.')
    worst = 10 if worst is None else worst
    if worst < 0:
        raise ConfigError(f'--worst {worst}: expected 0 or more pictures.')
    folder = None if out is None else ReportFolder(out, overwrite)
    if folder is not None:
        _check_metric(cfg)
        cfg.test_evaluator.output_dir = str(folder.partial)

    exported = cfg.get('exported')
    sha256 = sha256_of(exported['file']) if exported and is_main_process() else None
    runner = build_runner(cfg)
    if not torch.cuda.is_available():
        keep_freed_memory(FOR_INFERENCE)
    if folder is not None and is_main_process():
        folder.clear()
    barrier()
    with explain_failures(runner), config_errors(cfg):
        scores = runner.test()
    metric = next((metric for metric in runner.test_loop.evaluator.metrics if isinstance(metric, ChangeMetric)), None)
    if metric is None or metric.evaluation is None:  # another metric, or not the main process
        return scores
    protocol = Protocol.of(runner)
    checkpoint = cfg.load_from if exported is None else exported['file']
    content = {
        **metric.evaluation.as_dict(),
        **(dict(scores=None, confusion=None) if metric.format_only else {}),
        'protocol': protocol.describe(metric.evaluation.tiles, len(metric.evaluation.images)),
        'threshold': protocol.threshold,
        'config': cfg.filename,
        'checkpoint': checkpoint,
        'checkpoint_sha256': sha256 or runner.loaded_sha256,
        **(dict(exported=dict(exported)) if exported else dict(form=cfg.get('form'))),
        'versions': {'schanger_mm': __version__, 'torch': torch.__version__, 'mmengine': mmengine.__version__},
        'date': datetime.now(UTC).isoformat(timespec='seconds'),
    }
    print_log(f'protocol: {content["protocol"]}', logger='current')
    if folder is not None:
        draw_worst(folder.partial / WORST, folder.partial / PREDICTIONS, metric.evaluation.worst(worst), runner)
        write_report(folder.partial, content)
        folder.publish()
        print_log(f'report: {folder.path / REPORT}', logger='current')
    return scores


def _check_metric(cfg: Config) -> None:
    kind = cfg.test_evaluator.type
    if isinstance(kind, str):
        kind = METRICS.get(kind)
    if kind is None or not issubclass(kind, ChangeMetric):
        raise ConfigError(f'--out: the report needs ChangeMetric, but test_evaluator is {cfg.test_evaluator.type}.')
