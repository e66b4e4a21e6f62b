"""How much of the bare network's speed is left when a whole scene is predicted, and where the rest goes."""

from __future__ import annotations

import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from schanger_mm.benchmark.machine import processor, torch_threads
from schanger_mm.scene.model import SceneModel
from schanger_mm.scene.run import Settings, predict_scene
from schanger_mm.scene.source import PairSpec
from schanger_mm.visualization.report import format_table

BACKGROUND = {'reading': 'reading (in the background)', 'storing': 'storing blocks (in the background)'}
PARTS = {'checks': 'opening, fingerprint, shift estimate', 'waiting': 'waiting for pixels', 'network': 'network',
         'blending': 'blending and overlap bookkeeping', 'rasters': 'writing rasters', 'polygons': 'polygons',
         'page': 'page', 'other': 'other'}


@dataclass(frozen=True)
class SceneBenchmark:
    """What was measured.

    Args:
        megapixels: of the scene.
        windows: that the network saw.
        seen: pixels that it saw per pixel of the scene; above 1 by the
            overlap of windows.
        threads: of torch.
        batch_size: windows per forward pass.
        bare: seconds of each round of the network alone, on as many windows
            of the same shapes in the same batches.
        scene: seconds of each round of the whole run.
        parts: median seconds by part of the run.
        machine: processor, and versions.
    """

    megapixels: float
    windows: int
    seen: float
    threads: int
    batch_size: int
    bare: list[float]
    scene: list[float]
    parts: dict[str, float]
    machine: dict[str, str]

    @property
    def rasters(self) -> float:
        """Median seconds from opening to both rasters, without polygons and page."""
        return median(self.scene) - self.parts['polygons'] - self.parts['page']

    @property
    def shares(self) -> dict[str, float]:
        """Speed as a share of the bare network's: up to the rasters, and with polygons and page."""
        return dict(rasters=median(self.bare) / self.rasters, everything=median(self.bare) / median(self.scene))

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        speeds = dict(bare=self.megapixels / median(self.bare), rasters=self.megapixels / self.rasters,
                      everything=self.megapixels / median(self.scene))
        return dict(asdict(self), megapixels_per_second=speeds, share_of_bare=self.shares)

    def __str__(self) -> str:
        facts = self.as_dict()
        speeds = [{'median of the rounds': name, 's': seconds, 'MP/s': facts['megapixels_per_second'][key],
                   '% of bare': 100 * share}
                  for name, key, seconds, share in (
                      ('the network alone', 'bare', median(self.bare), 1.0),
                      ('scene, to the rasters', 'rasters', self.rasters, self.shares['rasters']),
                      ('scene, with polygons and page', 'everything', median(self.scene), self.shares['everything']))]
        total = median(self.scene)
        parts = [{'part of the run': PARTS[key], 's': self.parts[key], '%': 100 * self.parts[key] / total}
                 for key in PARTS]
        parts += [{'part of the run': name, 's': self.parts[key], '%': None} for key, name in BACKGROUND.items()]
        return '\n'.join((
            f'{self.megapixels:.3g} megapixels, {self.windows} windows, each pixel seen {self.seen:.2f} times; '
            f'{self.threads} thread{"s" * (self.threads > 1)}, batches of {self.batch_size}; {len(self.bare)} rounds '
            'of each, in turn', format_table(speeds), '', format_table(parts)))


def benchmark_scene(spec: PairSpec, model: SceneModel, settings: Settings | None = None, rounds: int = 3,
                    threads: int = 1) -> SceneBenchmark:
    """Predict a scene several times, in turn with the bare network on the same windows.

    The first run is not counted: it fills the file cache and notes what the
    network is given. Results go to a temporary folder and are deleted.

    Args:
        spec: the pair.
        model: the network.
        settings: of the run; ``resume`` and ``overwrite`` do not matter.
        rounds: of each way.
        threads: of torch.

    Raises:
        ValueError: a number below 1.
        SceneError: see :func:`~schanger_mm.scene.run.predict_scene`.
    """
    for name, value in (('rounds', rounds), ('threads', threads)):
        if value < 1:
            raise ValueError(f'--{name} {value}: expected 1 or more.')
    settings = settings or Settings()
    with torch_threads(threads):
        noted = _Noting(model)
        first = _predict(spec, noted, settings)
        bare, scene = [], []
        for _ in range(rounds):
            bare.append(_seconds_alone(model, noted))
            scene.append(_predict(spec, model, settings))
    pixels = first['pixels']['total']
    seen = sum(count * height * width for count, height, width in noted.batches)
    return SceneBenchmark(
        megapixels=pixels / 1e6, windows=sum(count for count, _, _ in noted.batches),
        seen=seen / pixels, threads=threads, batch_size=settings.batch_size, bare=bare,
        scene=[summary['timings']['total'] for summary in scene],
        parts={name: median(_parts(summary['timings'])[name] for summary in scene) for name in (*PARTS, *BACKGROUND)},
        machine=dict(processor=processor(), system=platform.platform(), python=platform.python_version(),
                     torch=str(torch.__version__), device=str(model.device), precision=model.precision))


class _Noting:
    """A network that keeps the shape of every batch, and the pixels of one batch of each."""

    def __init__(self, model: SceneModel) -> None:
        self._model = model
        self.batches: list[tuple[int, int, int]] = []
        self.examples: dict[tuple[int, int, int], np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, images: np.ndarray) -> np.ndarray:
        shape = len(images), *images.shape[-2:]
        self.batches.append(shape)
        self.examples.setdefault(shape, images.copy())
        return self._model.predict(images)


def _seconds_alone(model: SceneModel, noted: _Noting) -> float:
    start = time.perf_counter()
    for shape in noted.batches:
        model.predict(noted.examples[shape])
    return time.perf_counter() - start


def _predict(spec: PairSpec, model: Any, settings: Settings) -> dict:
    with tempfile.TemporaryDirectory(prefix='benchmark-scene-') as folder:
        return predict_scene(spec, model, Path(folder) / 'out', settings, say=lambda text: None)


def _parts(timings: dict[str, float]) -> dict[str, float]:
    """Split the wall time; what runs in the background beside it stands apart."""
    parts = {name: timings.get(name, 0.0) for name in (*PARTS, *BACKGROUND)}
    parts['blending'] = timings['blocks'] - parts['waiting'] - parts['network']
    spent = ('checks', 'blocks', 'rasters', 'polygons', 'page')
    parts['other'] = timings['total'] - sum(timings.get(name, 0.0) for name in spent)
    return parts
