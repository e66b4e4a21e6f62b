"""Predict a whole scene, from two rasters to a folder of results, resumable after interruptions."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from schanger_mm.deploy.load import Model
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.pair import PairSource, PairSpec, open_pair
from schanger_mm.scene.checks import estimate_shift, pair_warnings
from schanger_mm.scene.legend import Legend
from schanger_mm.scene.look import check_shown
from schanger_mm.scene.plan import Block, Plan, Settings, megapixels
from schanger_mm.scene.preflight import check_products
from schanger_mm.scene.products import write_products, write_rasters
from schanger_mm.scene.progress import Bar, Clock, write_json
from schanger_mm.scene.run_folder import Journal, Outputs, differences, finished
from schanger_mm.scene.serial import run_serial
from schanger_mm.scene.summary import versions
from schanger_mm.scene.workers import BlockTask, pixel_versions
from schanger_mm.utils.band_order import COLOUR_BANDS
from schanger_mm.utils.errors import MissingPackageError

Runner = Callable[[list[Block], BlockTask], Iterable[tuple[Block, np.ndarray]]]
MOST_UNSTORED = 2
"""Finished blocks that may wait for the disk; more would let memory grow if the disk is slow."""


def predict_scene(spec: PairSpec, model: Model, out: str | Path, settings: Settings | None = None,
                  runner: Runner | None = None, say: Callable[[str], None] | None = None,
                  progress: str = 'bar') -> dict:
    """Predict the changes between two rasters.

    Writes ``change.tif``, ``probability.tif``, ``change.gpkg`` (or
    ``.geojson``), ``summary.json`` and ``report.html`` to ``out``, all of them
    when everything is complete; a network with classes adds ``class_before.tif``,
    ``class_after.tif`` and ``change.qml``. Until then ``<out>/.journal`` keeps every
    finished block; after an interruption the same call with ``resume`` continues
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
        progress: ``'bar'``, on terminals, or ``'json'``: lines of JSON on stderr, warnings included.

    Returns:
        What ``summary.json`` holds, and ``outputs``: the path of each file by its name.

    Raises:
        SceneError: rasters that cannot be compared, settings out of range,
            results or a journal in the way, a disk that is full.
    """
    settings, clock = settings or Settings(), Clock()
    legend = Legend.of(model, settings.kinds_of)
    _check_bands(spec, model, settings)
    warn = say or (_as_json if progress == 'json' else _to_stderr)
    threshold = model.threshold if settings.threshold is None else settings.threshold
    complete = settings.resume and finished(out)
    outputs = Outputs(out, settings.overwrite or complete)
    outputs.refuse_inputs(spec.before, spec.after)
    with clock('checks'), open_pair(spec) as source:
        spec, states = source.spec, source.file_states()
        plan = Plan(source.grid, settings.block, settings.window, settings.window - settings.overlap)
        fixed = _fixed(source, plan, model, settings.batch_size, threshold)
        asked = dict(fixed, settings=dict(fixed['settings'], min_area=settings.min_area, simplify=settings.simplify,
                                          fill_holes=settings.fill_holes, format=settings.format))
        if legend is not None:
            asked['settings']['kinds_of'] = legend.kinds_of
        if complete:
            return outputs.earlier(asked)
        _check_products(source, settings)
        journal = Journal(out, fixed, settings.resume)
        warnings = _warnings(source, model)
    for text in source.notes:
        warn(text)
    for text in warnings:
        warn(f'warning: {text}')
    todo = [block for block in plan.blocks() if block.index not in journal.done]
    resumed = len(plan.blocks()) - len(todo)
    with clock('blocks'), Bar(plan, todo, f'{Path(out).name}', progress == 'json') as bar:
        try:
            if runner is None:
                results = run_serial(todo, spec, plan, model, settings.batch_size, threshold, clock, bar.windows)
            else:
                results = iter(runner(todo, _task(plan, model, spec, fixed)))
            for block in _stored(results, journal, clock, () if legend is None else (3, )):
                bar.block(block)
        except KeyboardInterrupt:
            warn(f'interrupted: {len(journal.done)} of {len(plan.blocks())} blocks are finished and kept in '
                 f'{journal.folder}; the same command with --resume continues.')
            raise
    missing = [block.index for block in plan.blocks() if block.index not in journal.done]
    if missing:
        raise SceneError(f'{len(missing)} of {len(plan.blocks())} blocks were not returned by the workers; the '
                         'others are kept: run the same command with --resume.')
    outputs.start()
    if progress == 'json':
        write_json(fraction=1.0, message='writing rasters, polygons and page')
    with clock('rasters'):
        write_rasters(outputs.partial, plan, journal.load, threshold, _tags(fixed), legend)
    speed = dict(blocks=len(todo), resumed_blocks=resumed, megapixels=megapixels(todo),
                 windows=sum(len(plan.windows(block)) for block in todo),
                 megapixels_per_second=megapixels(todo) / clock.seconds['blocks'], threads=model.threads)
    parts = dict(warnings=warnings, date=datetime.now(UTC).isoformat(timespec='seconds'),
                 inputs=fixed['inputs'], model=fixed['model'], speed=speed, settings=asked['settings'],
                 versions=fixed['versions'])
    try:
        summary = write_products(outputs.partial, spec, parts, settings, clock, legend)
    except OSError as error:
        raise SceneError(f'{outputs.partial}: polygons, page or summary cannot be written ({error}); the finished '
                         'blocks are kept: free some space, then run the same command with --resume.') from error
    _refuse_changed(spec, states, fixed['inputs'], journal)
    summary['outputs'] = outputs.publish()
    journal.remove()
    return summary


def _stored(results: Iterable[tuple[Block, np.ndarray]], journal: Journal, clock: Clock,
            layers: tuple[int, ...]) -> Iterator[Block]:
    """Store blocks in a thread while the next one is predicted; yield each when it is on the disk."""

    def store(block: Block, array: np.ndarray) -> Block:
        expected = (*layers, block.height, block.width)
        if array.shape != expected or array.dtype != np.uint8:
            raise SceneError(f'block {block.index}: expected {" x ".join(map(str, expected))} uint8, got '
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


def _check_products(source: PairSource, settings: Settings) -> None:
    try:
        check_products(source.grid, settings)
    except SceneError as error:
        raise SceneError(f'{source.spec.before}: {error}') from error


def _check_bands(spec: PairSpec, model: Model, settings: Settings) -> None:
    bands = getattr(model, 'bands', COLOUR_BANDS)
    if spec.count != bands:
        raise SceneError(f'{model.weights}: takes {bands} bands, and the pair is opened with {spec.count}; make it '
                         f'with PairSpec(..., count={bands}), as ChangeDetector does.')
    check_shown(settings.show_bands, bands)


def _fixed(source: PairSource, plan: Plan, model: Model, batch_size: int, threshold: float) -> dict:
    """Collect everything that the rasters depend on."""
    pair = {key: value for key, value in source.spec.as_dict().items() if key not in ('before', 'after')}
    if source.notes:
        pair['as_trained'] = source.notes
    return dict(
        inputs=source.content(),
        model=dict(model.describe(), device=model.device_type),
        settings=dict(pair, window=plan.window, overlap=plan.overlap, block=plan.block, batch_size=batch_size,
                      threshold=threshold),
        versions=versions(model.packages))


def _tags(fixed: dict) -> dict[str, str]:
    """Return the metadata of the rasters, without dates and paths, so that equal runs give equal files."""
    settings, model = fixed['settings'], fixed['model']
    semantic = dict(schanger_mm_semantic_sha256=model['semantic']['weights_sha256']) if 'semantic' in model else {}
    return {**{f'schanger_mm_{name}': str(settings[name]) for name in ('threshold', 'window', 'overlap', 'scaling')},
            'schanger_mm_weights_sha256': model['weights_sha256'], **semantic,
            'schanger_mm_versions': ', '.join(f'{name} {version}' for name, version in fixed['versions'].items())}


def _warnings(source: PairSource, model: Model) -> list[str]:
    try:
        shift, missing = estimate_shift(source), []
    except MissingPackageError as error:  # a result without this check is better than none
        shift, missing = None, [f'{error}.']
    return model.warnings + pair_warnings(source, model.gsd, shift) + missing


def _refuse_changed(spec: PairSpec, states: dict[str, tuple], inputs: dict, journal: Journal) -> None:
    """Reject results of rasters that were modified while they were read."""
    with open_pair(spec) as source:
        if states and source.file_states() == states:
            return
        changes = list(differences(json.loads(json.dumps(inputs)), json.loads(json.dumps(source.content()))))
    if changes:
        raise SceneError(f'an input changed while it was read, so blocks would not fit together: {"; ".join(changes)}. '
                         f'Nothing was published; delete {journal.folder} and run again.')


def _task(plan: Plan, model: Model, spec: PairSpec, fixed: dict) -> BlockTask:
    if model.names is None:
        raise SceneError('a network for other processes must come from load_model: they load it by its names.')
    with open_pair(spec) as source:
        identity = source.fingerprint(whole=False)  # whole files would be read by each worker
    return BlockTask(spec, plan, *model.names, str(model.device), model.precision, fixed['settings']['batch_size'],
                     fixed['settings']['threshold'], model.threads, identity, model.sha256,
                     pixel_versions(model.packages), getattr(model, 'semantic_names', None),
                     getattr(model, 'semantic_sha256', None))


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def _as_json(text: str) -> None:
    write_json(message=text)

