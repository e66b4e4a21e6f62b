"""Export a checkpoint to a file that other programs can run."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from schanger_mm.checkpoints import Checkpoint
from schanger_mm.checkpoints.hub import is_address
from schanger_mm.config.building import build
from schanger_mm.datasets.transforms import LoadBiTemporalImages, LoadImage
from schanger_mm.deploy.card import BACKENDS, EXTRA, Card
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.formats import ProgramRuntime, write_onnx, write_openvino, write_program
from schanger_mm.deploy.graph import PairGraph, trace
from schanger_mm.deploy.int8 import judge, quantise
from schanger_mm.deploy.labelled_tiles import Tile, read_halves
from schanger_mm.deploy.model import SceneModel
from schanger_mm.deploy.open import open_runtime
from schanger_mm.deploy.parity import Compared, Pair, compare, random_pairs, real_pair
from schanger_mm.deploy.runtime import Runtime
from schanger_mm.deploy.trained_reading import loading_of
from schanger_mm.registry import DATASETS, SCOPE
from schanger_mm.utils.band_order import turned
from schanger_mm.utils.files import move_into_place, refuse_existing
from schanger_mm.utils.optional import require
from schanger_mm.version import __version__

CLASSES = ('unchanged', 'changed')
PRECISIONS = ('fp32', 'int8')


def export(cfg: Config, config: str, checkpoint: str | Checkpoint, out: str | Path, format: str,
           normalise: str | None = None, gsd: float | None = None, tile: int | None = None,
           pairs: Sequence[Sequence[str]] = (), overwrite: bool = False, precision: str = 'fp32',
           calibration: str | Path | None = None) -> str:
    """Write a detector as one file, after comparing it with PyTorch on random and real pairs.

    Args:
        cfg: config of the detector.
        config: name of the config.
        checkpoint: weights, as a name or already read; every entry must fit.
        out: file to write, ending as its format does: ``.onnx``, ``.xml`` (and ``.bin``) or ``.pt2``.
        format: ``'onnx'``, ``'openvino'`` or ``'program'``.
        normalise: per-date statistics are applied ``'inside'`` the file, which then takes 0..255, or
            ``'outside'``; None: inside.
        gsd: metres per pixel of the training images; None: that of the config's data set.
        tile: side of the tiles to predict on, px; None: that of the config's test, or 256, rounded up
            to a multiple of the network's ``size_divisor``.
        pairs: (before, after) image files for the comparison; empty: the first, middle and last pair of the config's
            test data, where they exist.
        overwrite: replace ``out``.
        precision: ``'fp32'`` or ``'int8'``, for ONNX and OpenVINO; the latter is compared with the former, by F1.
        calibration: folder of labelled pairs for int8, ``A``, ``B`` and ``label``.

    Returns:
        A summary of what was written, and its difference from PyTorch.

    Raises:
        ImportError: the backend is not installed.
        DeployError: options that do not fit together, the file differs from PyTorch by more than
            1e-4, or int8 costs more than 0.3 points of F1 or cannot be judged; nothing is written then.
        ExistsError: ``out`` exists.
        SceneError, CheckpointError: the checkpoint does not fit the config.
    """
    out = Path(out)
    _check_out(out, format, overwrite)
    normalise = normalise or 'inside'
    _check_precision(precision, calibration, format)
    model = SceneModel(cfg, checkpoint, config, plain=True)
    if precision == 'int8' and model.semantic_classes:
        raise DeployError(f'--precision int8: judged by F1 of change only, and the network of {config} predicts the '
                          'classes of both dates, too; export it in fp32.')
    graph = PairGraph(model.network, normalise == 'inside', model.temperature)
    card = make_card(model, graph, config, normalise, tile or _tile(cfg, graph.divisor), gsd)
    loading = loading_of(cfg, model.bands)
    halves = None if calibration is None else read_halves(calibration, card.tile, LoadBiTemporalImages(**loading))
    known = [_read_pair(loading, before, after, card) for before, after in pairs] or _test_pairs(cfg, card)

    def reference(before: np.ndarray, after: np.ndarray) -> np.ndarray | Sequence[np.ndarray]:
        return (model.semantic if model.semantic_classes else model.predict)(np.stack([before, after], axis=1))

    program = trace(graph)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as folder,
          tempfile.TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as aside):
        partial = Path(folder) / out.name
        onnx_file = partial if format == 'onnx' else Path(aside) / 'float32.onnx'
        _write(program, partial, onnx_file, card)
        pairs_to_see = [*random_pairs(card.mean, card.std), *known]
        runtime = ProgramRuntime(partial, program) if format == 'program' else open_runtime(partial)
        done = compare(runtime.semantic if card.semantic_classes else runtime, reference, pairs_to_see)
        cost = _in_int8(partial, onnx_file, Path(aside) / 'int8.onnx', card, runtime, *halves) if halves else ''
        out.unlink(missing_ok=True)  # so that an old .xml is never combined with a new .bin
        for file in sorted(Path(folder).iterdir()):
            move_into_place(file, out.with_suffix(file.suffix))
    return _report(out, card, done, bool(known), cost)


def make_card(model: SceneModel, graph: PairGraph, config: str, normalise: str, tile: int,
              gsd: float | None) -> Card:
    """Collect the metadata of a file.

    Raises:
        DeployError: an invalid tile size or ground sampling distance.
    """
    if tile < 1 or tile % graph.divisor:
        raise DeployError(f'--tile {tile}: expected a multiple of {graph.divisor}, to which this network pads.')
    if gsd is not None and not 0 < gsd < float('inf'):
        raise DeployError(f'--gsd {gsd}: expected metres per pixel, above 0.')
    mean, std = (_per_date(values, graph.flip) for values in (graph.mean, graph.std))
    reading = model.reading.describe()
    return Card(
        inputs=graph.INPUTS, classes=CLASSES, mean=mean, std=std, normalisation=normalise, threshold=model.threshold,
        tile=tile, fixed_size=False, gsd=model.gsd if gsd is None else gsd,
        align_corners=bool(model.network.decode_head.align_corners), config=_short(config),
        checkpoint=_short(model.weights), checkpoint_sha256=model.sha256,
        versions=dict(schanger_mm=__version__, torch=str(torch.__version__)), temperature=graph.temperature,
        semantic_classes=model.class_names, scale=reading.get('scale'),
        bands=tuple(reading.get('bands', ())))


def _short(name: str) -> str:
    """Return a path without its folder; the name of a model of the hub as it is."""
    return name if is_address(name) else Path(name).name


def _check_out(out: Path, format: str, overwrite: bool) -> None:
    if format not in BACKENDS:
        raise DeployError(f'--format {format}: expected one of {", ".join(BACKENDS)}.')
    if out.suffix != BACKENDS[format]:
        raise DeployError(f'--out {out}: a file of --format {format} must end in {BACKENDS[format]}.')
    files = [out, *([out.with_suffix('.bin')] if format == 'openvino' else [])]
    refuse_existing(*files, overwrite=overwrite)


def _write(program: torch.export.ExportedProgram, path: Path, onnx_file: Path, card: Card) -> None:
    if path.suffix == BACKENDS['program']:
        write_program(program, path, card)
        return
    write_onnx(program, onnx_file, card)  # once: that changes the program, and a second time fails
    if path.suffix == BACKENDS['openvino']:
        write_openvino(onnx_file, path, card)


def _check_precision(precision: str, calibration: str | Path | None, format: str) -> None:
    if precision not in PRECISIONS:
        raise DeployError(f'--precision {precision}: expected one of {", ".join(PRECISIONS)}.')
    if (precision == 'int8') != (calibration is not None):
        raise DeployError('--precision int8 and --calibration DIR go together: DIR holds labelled pairs, A, B and '
                          'label, by which int8 is calibrated and judged.')
    if precision == 'int8' and format == 'program':
        raise DeployError('--precision int8: written for --format onnx and openvino, found --format program.')


def _in_int8(path: Path, onnx_file: Path, target: Path, card: Card, float32: Runtime,
             tiles: Sequence[Tile], held_back: Sequence[Tile]) -> str:
    """Replace an export in float32 by one in int8, made of its ONNX file by way of ``target``; say what that costs."""
    onnxruntime = require('onnxruntime', EXTRA, 'Exporting in int8')
    card = replace(card, versions={**card.versions, 'int8': f'onnxruntime {onnxruntime.__version__}'})
    quantise(onnx_file, target, card, tiles)
    written = [target]
    if path.suffix == BACKENDS['openvino']:
        write_openvino(target, target.with_suffix('.xml'), card)
        written = [target.with_suffix('.xml'), target.with_suffix('.bin')]
    text = judge(open_runtime(written[0]), float32, held_back)
    for file in written:
        move_into_place(file, path.with_suffix(file.suffix))
    return text


def _tile(cfg: Config, divisor: int) -> int:
    """Return the side of the tiles of the config's test, or 256, rounded up to what the network takes unpadded."""
    size = (cfg.model.get('test_cfg') or {}).get('crop_size') or (256, 256)
    return -(-max(size) // divisor) * divisor


def _per_date(values: torch.Tensor, flip: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    before, after = (date.flatten().tolist() for date in values.chunk(2))
    return (tuple(before[::-1]), tuple(after[::-1])) if flip else (tuple(before), tuple(after))


def _read_pair(loading: dict[str, Any], before: str, after: str, card: Card) -> Pair:
    load = LoadImage(**loading)
    one, other = (turned(load.read(path), -1) for path in (before, after))
    return real_pair(f'{before} and {after}', one, other, card.tile)


def _test_pairs(cfg: Config, card: Card) -> list[Pair]:
    """Read pairs of the config's test data; none if the data do not exist."""
    data = (cfg.get('test_dataloader') or {}).get('dataset')
    if not data:
        return []
    try:
        found = build(DATASETS, {'_scope_': cfg.get('default_scope') or SCOPE, **data})
        found.full_init()
    except FileNotFoundError:
        return []
    pairs = []
    for index in sorted({0, len(found) // 2, len(found) - 1} if len(found) else ()):  # first, middle, last
        before, after = (turned(date, 0).transpose(1, 2, 0) for date in np.split(found[index]['inputs'].numpy(), 2))
        pairs.append(real_pair(f'test pair {index}', before, after, card.tile))
    return pairs


def _report(out: Path, card: Card, done: Sequence[Compared], real: bool, cost: str) -> str:
    lines = ['largest difference from PyTorch (a probability, 0 to 1):', *(f'  {line}' for line in done)]
    if not real:
        lines.append('only random pairs were compared: the config has no test data here; add real ones with --pairs '
                     'BEFORE AFTER.')
    if cost:
        lines.append(f'in int8: {cost}.')
    gsd = 'unknown' if card.gsd is None else f'{card.gsd} m'
    lines.append(f'{out}: {out.stat().st_size / 1e6:.1f} MB, takes {" and ".join(card.inputs)} '
                 f'({"0..255" if card.normalisation == "inside" else "normalised"}), threshold {card.threshold}, tiles '
                 f'of {card.tile} px, ground sampling distance {gsd}.')
    if card.semantic_classes:
        lines.append(f'it also predicts the classes of both dates: {", ".join(card.semantic_classes)}.')
    return '\n'.join(lines)
