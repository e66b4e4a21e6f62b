"""Write the demo set to disk in LEVIR-CD's layout, completely or not at all."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from schanger_mm.demo.scenes.render import draw_pair_with_masks, draw_single
from schanger_mm.utils.errors import ExistsError, SettingError
from schanger_mm.utils.files import move_into_place

MANIFEST = 'demo_set.json'
VERSION = 1
"""Incremented whenever the same seed would draw different pictures."""


@dataclass(frozen=True)
class DemoSizes:
    """Pictures per split: many single dates with building masks, few labelled pairs."""

    pretrain_train: int = 320
    pretrain_val: int = 32
    train: int = 24
    val: int = 16
    test: int = 48

    def __post_init__(self) -> None:
        for name, count in asdict(self).items():
            if not isinstance(count, int) or count < 0:
                raise SettingError(f'DemoSizes.{name}: expected a whole number >= 0, found {count!r}')


def write_png(path: Path, image: np.ndarray) -> None:
    """Write RGB (H, W, 3) or grey (H, W) uint8 to any path; `cv2.imwrite` can fail silently."""
    ordered = image[..., ::-1] if image.ndim == 3 else image
    written, data = cv2.imencode('.png', np.ascontiguousarray(ordered))
    if not written:
        raise OSError(f'{path}: OpenCV could not encode a {image.shape} {image.dtype} image as PNG')
    path.write_bytes(data.tobytes())


_PAIR = ('A', 'B', 'label', 'label_a', 'label_b')
_SPLITS = {
    # size field: (folder, one folder per picture, drawing function); the order seeds the splits, so only append
    'train': ('train', _PAIR, draw_pair_with_masks),
    'val': ('val', _PAIR, draw_pair_with_masks),
    'test': ('test', _PAIR, draw_pair_with_masks),
    'pretrain_train': ('pretrain/train', ('images', 'masks'), draw_single),
    'pretrain_val': ('pretrain/val', ('images', 'masks'), draw_single),
}


def _plan(sizes: DemoSizes) -> Iterator[tuple[int, int, list[str], Callable]]:
    """List every sample as (split id, index, file names relative to the root, function that draws it)."""
    for split_id, (name, (folder, parts, draw)) in enumerate(_SPLITS.items()):
        for index in range(getattr(sizes, name)):
            yield split_id, index, [f'{folder}/{part}/{index:04d}.png' for part in parts], draw


def _holds(root: Path, manifest: dict, sizes: DemoSizes) -> bool:
    """Return whether ``root`` is the complete set that ``manifest`` describes."""
    try:
        found = json.loads((root / MANIFEST).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return False
    return found == manifest and all(
        (root / name).is_file() for _, _, names, _ in _plan(sizes) for name in names
    )


def _refuse(root: Path) -> None:
    raise ExistsError(
        f'{root} already holds something other than this demo set (expected it to be absent, empty, or a '
        f'complete set of the same sizes, image size, seed and version in {MANIFEST}). Nothing was changed; '
        'choose another folder, or move this one away'
    )


def write_demo_set(
    root: str | Path,
    sizes: DemoSizes | None = None,
    image_size: int = 128,
    seed: int = 36,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Write the demo set, or reuse an existing one.

    Pairs go to ``root/{train,val,test}/{A,B,label}/NNNN.png``, with the buildings of each date in ``label_a`` and
    ``label_b`` beside them, single dates to
    ``root/pretrain/{train,val}/{images,masks}/NNNN.png``; images are RGB, labels and masks grey, 0 and 255.
    Each sample is seeded by (seed, split, index), so the files are the same in every run, no two splits share
    a scene, and a larger set begins with the smaller one. Everything is drawn in a folder next to ``root`` and
    then renamed.

    Args:
        root: Folder to create.
        sizes: Pictures per split; default `DemoSizes()`.
        image_size: Side of the pictures, pixels, at least 32.
        seed: Whole number >= 0.
        progress: Called with (samples done, samples in all) after each sample.

    Returns:
        The manifest, ``dict(version, seed, image_size, sizes)``, with ``root`` (str) and ``created`` (False
        when the set was reused).

    Raises:
        FileExistsError: If ``root`` holds anything else; it is left unchanged.
        ValueError: If ``image_size`` or ``seed`` cannot be used.
    """
    root, sizes = Path(root), sizes or DemoSizes()
    for name, value, least in (('image_size', image_size, 32), ('seed', seed, 0)):
        if not isinstance(value, int) or value < least:
            raise SettingError(f'{name}: expected a whole number >= {least}, found {value!r}')
    manifest = dict(version=VERSION, seed=seed, image_size=image_size, sizes=asdict(sizes))
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        if not _holds(root, manifest, sizes):
            _refuse(root)
        return dict(manifest, root=str(root), created=False)

    root.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
    try:
        draft = workspace / 'set'
        _draw_into(draft, sizes, image_size, seed, progress)
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')
        created = _move(draft, root)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    if not created and not _holds(root, manifest, sizes):
        _refuse(root)
    return dict(manifest, root=str(root), created=created)


def _draw_into(draft: Path, sizes: DemoSizes, image_size: int, seed: int, progress: Callable | None) -> None:
    for folder, parts, _ in _SPLITS.values():
        for part in parts:
            (draft / folder / part).mkdir(parents=True)
    plan = list(_plan(sizes))
    for done, (split_id, index, names, draw) in enumerate(plan, start=1):
        rng = np.random.default_rng(np.random.SeedSequence((seed, split_id, index)))
        for name, image in zip(names, draw(rng, image_size), strict=True):
            write_png(draft / name, image)
        if progress is not None:
            progress(done, len(plan))


def _move(draft: Path, root: Path) -> bool:
    """Rename ``draft`` to ``root``; False if another process filled ``root`` meanwhile."""
    try:
        if root.is_dir():
            root.rmdir()  # an empty folder; Windows cannot rename onto it
        move_into_place(draft, root)
    except OSError:
        if root.exists():
            return False
        raise
    return True
