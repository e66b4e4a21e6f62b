"""Measure what share of the bare network's speed a whole scene reaches, and where the time goes."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.benchmark import set_torch_threads

from schanger_mm.benchmark.machine import describe_machine, now
from schanger_mm.deploy.exported import ExportedModel
from schanger_mm.deploy.load import Model
from schanger_mm.geo.pair import PairSpec
from schanger_mm.scene.plan import Settings
from schanger_mm.scene.run import predict_scene
from schanger_mm.utils.errors import SettingError
from schanger_mm.visualization.report import format_table

SPEEDS = {'bare': 'the network alone', 'rasters': 'scene, to the rasters', 'all': 'scene, with polygons and page'}
PARTS = {'checks': 'opening, fingerprint, shift estimate', 'waiting': 'waiting for pixels', 'network': 'network',
         'blending': 'blending and overlap bookkeeping', 'rasters': 'writing rasters', 'polygons': 'polygons',
         'page': 'page', 'other': 'other', 'reading': 'reading (background)', 'storing': 'storing blocks (background)'}


def benchmark_scene(spec: PairSpec, model: Model, settings: Settings, rounds: int = 3, threads: int = 1) -> dict:
    """Predict a scene several times, alternating with the bare network on as many windows in the same batches.

    The bare network gets inputs that are normalised and on its device already, and its outputs stay there; an export
    takes arrays and returns them. The first run is not counted: it fills the file cache and records the network's
    inputs. Results are deleted.
    """
    for name, value in (('rounds', rounds), ('threads', threads)):
        if value < 1:
            raise SettingError(f'--{name} {value}: expected 1 or more.')
    shapes: list[tuple[int, ...]] = []
    examples: dict[tuple[int, ...], tuple] = {}
    loaded: Any = model  # an export or a network
    owner, name = ((loaded.runtime, '_run') if isinstance(model, ExportedModel) else
                   (loaded.network, 'encode_decode'))
    network, device = getattr(owner, name), torch.device(model.device)

    def record(*inputs: Any) -> Any:
        """Record the shape of every batch, and the values of one batch per shape."""
        images = inputs[0] if isinstance(inputs[0], torch.Tensor) else inputs[0][0]
        shapes.append(images.shape)
        if images.shape not in examples:
            examples[images.shape] = copy.deepcopy(inputs)
        return network(*inputs)

    with set_torch_threads(threads):
        setattr(owner, name, record)
        pixels = _predict(spec, model, settings)['pixels']['total']
        delattr(owner, name)
        bare, runs = [], []
        for _ in range(rounds):
            start = now(device)
            with torch.inference_mode():
                for shape in shapes:
                    network(*examples[shape])
            bare.append(now(device) - start)
            runs.append(_predict(spec, model, settings)['timings'])
    seen = sum(count * height * width for count, _, height, width in shapes)
    return dict(windows=sum(shape[0] for shape in shapes), seen=seen / pixels, threads=threads,
                batch_size=settings.batch_size, precision=model.precision, machine=describe_machine(device),
                **summarise(pixels / 1e6, bare, runs))


def summarise(megapixels: float, bare: list[float], runs: list[dict[str, float]]) -> dict:
    """Return medians of the rounds' seconds and ``timings``: by part of the run, as speeds, as shares of the bare."""
    parts = {name: median(run.get(name, 0.0) for run in runs) for name in (*PARTS, 'blocks', 'total')}
    parts['blending'] = parts['blocks'] - parts['waiting'] - parts['network']
    parts['other'] = parts['total'] - sum(parts[name] for name in ('checks', 'blocks', 'rasters', 'polygons', 'page'))
    seconds = dict(bare=median(bare), rasters=parts['total'] - parts['polygons'] - parts['page'], all=parts['total'])
    return dict(megapixels=megapixels, bare=bare, scene=[run['total'] for run in runs], parts=parts, seconds=seconds,
                megapixels_per_second={name: megapixels / value for name, value in seconds.items()},
                share_of_bare={name: seconds['bare'] / value for name, value in seconds.items()})


def format_scene(facts: dict) -> str:
    """Format the results of :func:`benchmark_scene` for a terminal."""
    speeds = [{'median of the rounds': title, 's': facts['seconds'][key], 'MP/s': facts['megapixels_per_second'][key],
               '% of bare': 100 * facts['share_of_bare'][key]} for key, title in SPEEDS.items()]
    parts = [{'part of the run': title, 's': facts['parts'][key]} for key, title in PARTS.items()]
    return (f'{facts["megapixels"]:.3g} megapixels, {facts["windows"]} windows, each pixel seen {facts["seen"]:.2f} '
            f'times; threads: {facts["threads"]}, batches of {facts["batch_size"]}; {len(facts["bare"])} rounds of '
            f'each, in turn\n{format_table(speeds)}\n\n{format_table(parts)}')


def _predict(spec: PairSpec, model: Model, settings: Settings) -> dict:
    with tempfile.TemporaryDirectory(prefix='benchmark-scene-') as folder:
        return predict_scene(spec, model, Path(folder) / 'out', settings, say=lambda text: None)
