"""A whole scene: two rasters in, a folder of results out, whatever interrupts it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch

from schanger_mm.scene.checks import pair_warnings
from schanger_mm.scene.errors import SceneError
from schanger_mm.scene.journal import Journal
from schanger_mm.scene.model import SceneModel
from schanger_mm.scene.outputs import POLYGONS, Outputs, finished
from schanger_mm.scene.plan import Block, Plan, megapixels
from schanger_mm.scene.products import write_products, write_rasters
from schanger_mm.scene.progress import Bar, Clock
from schanger_mm.scene.serial import run_serial
from schanger_mm.scene.shift import estimate_shift
from schanger_mm.scene.source import PairSource, PairSpec, open_pair
from schanger_mm.scene.summary import versions
from schanger_mm.scene.task import BlockTask

Runner = Callable[[list[Block], BlockTask], Iterable[tuple[Block, np.ndarray]]]
MOST_UNSTORED = 2
"""Finished blocks that may wait for the disk; more would let memory grow where the disk is slow."""


@dataclass(frozen=True)
class Settings:
    """How a scene is predicted.

    Args:
        window: side of the windows that the network sees, px; a multiple of 16.
        overlap: pixels that neighbouring windows share.
        block: side of the blocks that are predicted and stored one by one, px.
        batch_size: windows per forward pass.
        threshold: changed is a probability above it; None: the model's own.
        min_area, fill_holes: m2, px without a CRS; see :func:`write_polygons`.
        simplify: metres, px without a CRS.
        format: of the polygons, ``'gpkg'`` or ``'geojson'``.
        page: write ``report.html``.
        resume: go on with an interrupted run; a complete one is left as it is.
        overwrite: replace the results of an earlier run.

    Raises:
        SceneError: a value out of range; window, overlap and block are checked with the scene.
    """

    window: int = 256
    overlap: int = 128
    block: int = 2048
    batch_size: int = 4
    threshold: float | None = None
    min_area: float = 0.0
    simplify: float = 0.0
    fill_holes: float = 0.0
    format: str = 'gpkg'
    page: bool = True
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SceneError(f'--batch-size {self.batch_size}: expected 1 or more.')
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise SceneError(f'--threshold {self.threshold}: expected 0 or more and less than 1.')
        if self.format not in POLYGONS:
            raise SceneError(f'--format {self.format}: expected one of {", ".join(POLYGONS)}.')
        sizes = {'min-area': self.min_area, 'simplify': self.simplify, 'fill-holes': self.fill_holes}
        for option, value in sizes.items():
            if not 0 <= value < float('inf'):
                raise SceneError(f'--{option} {value}: expected 0 or more.')


def predict_scene(spec: PairSpec, model: SceneModel, out: str | Path, settings: Settings | None = None,
                  runner: Runner | None = None, say: Callable[[str], None] | None = None) -> dict:
    """Predict the changes between two rasters.

    Writes ``change.tif``, ``probability.tif``, ``change.gpkg`` (or
    ``.geojson``), ``summary.json`` and ``report.html`` to ``out``, all of them
    when everything is complete. Until then ``<out>/.journal`` keeps every
    finished block; after an interruption the same call with ``resume`` goes on
    there and ends in the same rasters, byte for byte, as an uninterrupted run
    on as many threads.

    Args:
        spec: the pair.
        model: the network.
        out: folder of the results; made where it does not exist.
        settings: how; None: the defaults.
        runner: called with the blocks that are missing and a function of a
            block that can be pickled; yields (block, array) in any order.
            None: one block after the other in this process.
        say: takes warnings; None: they go to stderr.

    Returns:
        What ``summary.json`` holds, and ``outputs``: the path of each file by its name.

    Raises:
        SceneError: rasters that cannot be compared, settings out of range,
            results or a journal in the way, a disk that is full.
    """
    settings, clock, warn = settings or Settings(), Clock(), say or _to_stderr
    threshold = model.threshold if settings.threshold is None else settings.threshold
    complete = settings.resume and finished(out)
    outputs = Outputs(out, settings.overwrite or complete)
    outputs.refuse_inputs(spec.before, spec.after)
    with clock('checks'), open_pair(spec) as source:
        spec = source.spec
        plan = Plan(source.grid, settings.block, settings.window, settings.window - settings.overlap)
        fixed = _fixed(source, plan, model, settings.batch_size, threshold)
        asked = dict(fixed, settings=dict(fixed['settings'], min_area=settings.min_area, simplify=settings.simplify,
                                          fill_holes=settings.fill_holes, format=settings.format))
        if complete:
            return outputs.earlier(asked)
        journal = Journal(out, fixed, settings.resume)
        warnings = _warnings(source, model)
    for text in warnings:
        warn(f'warning: {text}')
    todo = [block for block in plan.blocks() if block.index not in journal.done]
    resumed = len(plan.blocks()) - len(todo)
    with clock('blocks'), Bar(plan, todo, f'{Path(out).name}') as bar:
        try:
            if runner is None:
                results = run_serial(todo, spec, plan, model, settings.batch_size, threshold, clock, bar.windows)
            else:
                results = iter(runner(todo, _task(plan, model, spec, fixed)))
            for block in _stored(results, journal, clock):
                bar.block(block)
        except KeyboardInterrupt:
            warn(f'interrupted: {len(journal.done)} of {len(plan.blocks())} blocks are finished and kept in '
                 f'{journal.folder}; the same command with --resume goes on.')
            raise
    missing = [block.index for block in plan.blocks() if block.index not in journal.done]
    if missing:
        raise SceneError(f'{len(missing)} of {len(plan.blocks())} blocks did not come back from the workers; the '
                         'others are kept: run the same command with --resume.')
    outputs.start()
    with clock('rasters'):
        write_rasters(outputs.partial, plan, journal.load, threshold, _tags(fixed))
    speed = dict(blocks=len(todo), resumed_blocks=resumed, megapixels=megapixels(todo),
                 windows=sum(len(plan.windows(block)) for block in todo),
                 megapixels_per_second=megapixels(todo) / clock.seconds['blocks'], threads=torch.get_num_threads())
    parts = dict(warnings=warnings, date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
                 inputs=fixed['inputs'], model=fixed['model'], speed=speed, settings=asked['settings'])
    try:
        summary = write_products(outputs.partial, spec, parts, settings, clock)
    except OSError as error:
        raise SceneError(f'{outputs.partial}: polygons, page or summary cannot be written ({error}); the finished '
                         'blocks are kept: make room, then run the same command with --resume.') from error
    summary['outputs'] = outputs.publish()
    journal.remove()
    return summary


def _stored(results: Iterable[tuple[Block, np.ndarray]], journal: Journal, clock: Clock) -> Iterator[Block]:
    """Store blocks in a thread while the next one is predicted; yield each when it is on the disk."""

    def store(block: Block, array: np.ndarray) -> Block:
        if array.shape != (block.height, block.width) or array.dtype != np.uint8:
            raise SceneError(f'block {block.index}: expected {block.height} x {block.width} uint8, got '
                             f'{array.shape} {array.dtype}.')
        with clock('storing'):
            journal.store(block.index, array)
        return block

    pending: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(1, 'writer') as writer:
        for block, array in results:
            pending.append(writer.submit(store, block, array))
            while pending and (pending[0].done() or len(pending) > MOST_UNSTORED):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _fixed(source: PairSource, plan: Plan, model: SceneModel, batch_size: int, threshold: float) -> dict:
    """Collect what the rasters depend on, and nothing else."""
    pair = {key: value for key, value in source.spec.as_dict().items() if key not in ('before', 'after')}
    return dict(
        inputs=source.fingerprint(),
        model=dict(model.describe(), device=model.device.type),
        settings=dict(pair, window=plan.window, overlap=plan.overlap, block=plan.block, batch_size=batch_size,
                      threshold=threshold),
        versions=versions())


def _tags(fixed: dict) -> dict[str, str]:
    """Metadata of the rasters; without dates and paths, so that equal runs give equal files."""
    settings, model = fixed['settings'], fixed['model']
    return {**{f'schanger_mm_{name}': str(settings[name]) for name in ('threshold', 'window', 'overlap', 'scaling')},
            'schanger_mm_weights_sha256': model['weights_sha256'],
            'schanger_mm_versions': ', '.join(f'{name} {version}' for name, version in fixed['versions'].items())}


def _warnings(source: PairSource, model: SceneModel) -> list[str]:
    return model.warnings + pair_warnings(source, model.gsd, estimate_shift(source))


def _task(plan: Plan, model: SceneModel, spec: PairSpec, fixed: dict) -> BlockTask:
    if model.names is None:
        raise SceneError('a network for other processes must come from SceneModel.load: they load it by its names.')
    return BlockTask(spec, plan, *model.names, str(model.device), model.precision, fixed['settings']['batch_size'],
                     fixed['settings']['threshold'], torch.get_num_threads(), fixed['inputs'], model.sha256,
                     trust=model.trust)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)

