r"""Draw what SCAM's shared map does, from two trainings: with one map for both dates, and with a map per date.

The committed figure is from 60 iterations each (``--max-iters 60``), after the pre-training of the demo::

    schanger demo
    start="--max-iters 60 --cfg-options load_from=demo_out/pretrain/iter_400.pth"
    schanger train demo --work-dir demo_out/shared $start
    schanger train demo --work-dir demo_out/own $start model.decode_head.share_attention=False \
        "custom_hooks.1.expected_new=[decode_head.side_fusion]"
    python docs/figures/shared_map.py demo_out/shared/iter_60.pth demo_out/own/iter_60.pth demo_out/data/test
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from schanger_mm.checkpoints import read_checkpoint
from schanger_mm.deploy.model_files import config_of
from schanger_mm.registry import MODELS, SCOPE

HERE = Path(__file__).parent
LEVEL = 3
"""Index of the level that is shown, from the coarsest: stride 2."""


def attention_maps(network: nn.Module, pair: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maps by which SCAM gates both dates at :data:`LEVEL`, each ``(C, h, w)``.

    Args:
        network: a Siamese SChanger, in evaluation mode.
        pair: normalised images of both dates on channels, ``(1, 6, H, W)``.
    """
    seen: list[Tensor] = []
    hook = network.decode_head.scams[LEVEL].attention.mix.register_forward_hook(
        lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        network.encode_decode(pair, [{}])
    hook.remove()
    maps = torch.cat(seen)
    return maps[0], maps[-1]


def read_pair(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read both dates ``(H, W, 3)`` and the label ``(H, W)``, uint8."""
    before, after = (np.asarray(Image.open(folder / part / name).convert('RGB')) for part in 'AB')
    return before, after, np.asarray(Image.open(folder / 'label' / name))


def load(path: str) -> nn.Module:
    """Build the network of a training checkpoint, as it is trained, without the rewriting for prediction."""
    checkpoint = read_checkpoint(path)
    cfg = config_of(checkpoint)
    network = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor, '_scope_': SCOPE})
    network.load_state_dict(checkpoint.weights)
    return network.eval()


def to_input(network: nn.Module, before: np.ndarray, after: np.ndarray) -> Tensor:
    """Normalise both dates as the network's preprocessor does."""
    images = torch.from_numpy(np.concatenate([before, after], axis=2)).permute(2, 0, 1)[None].float()
    return (images - network.data_preprocessor.mean) / network.data_preprocessor.std


def strength(attention: Tensor, size: int) -> np.ndarray:
    """Return the mean absolute value over channels at the size of the images, ``(size, size)``."""
    mean = attention.abs().mean(0)[None, None]
    return F.interpolate(mean, (size, size), mode='bilinear')[0, 0].numpy()


def disagreement(network: nn.Module, folder: Path) -> float:
    """Return how far the maps of both dates differ at unchanged pixels, relative to their strength, over all pairs."""
    differences, strengths = [], []
    for path in sorted((folder / 'label').iterdir()):
        before, after, label = read_pair(folder, path.name)
        maps = attention_maps(network, to_input(network, before, after))
        unchanged = label == 0
        differences.append(strength(maps[0] - maps[1], len(label))[unchanged])
        strengths.append(sum(strength(each, len(label))[unchanged] for each in maps) / 2)
    return float(np.concatenate(differences).mean() / np.concatenate(strengths).mean())


def draw(before: np.ndarray, after: np.ndarray, shared: np.ndarray, own: list[np.ndarray]) -> None:
    """Write the figure: the pair and the shared map above, the maps of each date and their difference below."""
    figure, axes = plt.subplots(2, 3, figsize=(8.4, 5.9), constrained_layout=True)
    pictures = [(before, 'before'), (after, 'after'), (shared, 'one map for both dates'),
                (own[0], 'own map, before'), (own[1], 'own map, after'), (own[2], 'difference of the own maps')]
    limit = max(maps.max() for maps in own)
    for axis, (picture, title) in zip(axes.flat, pictures):
        axis.imshow(picture, cmap='magma', vmin=0, vmax=limit if 'own' in title else None)
        axis.set_title(title)
        axis.axis('off')
    figure.savefig(HERE / 'shared_map.png', dpi=80)


def main() -> None:
    """Draw, and print how far the maps of the two dates differ where nothing changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('shared', help='checkpoint with one map for both dates')
    parser.add_argument('own', help='checkpoint with a map per date')
    parser.add_argument('data', type=Path, help='folder with A, B and label')
    parser.add_argument('--name', default='0019.png', help='pair to draw (default: 0019.png)')
    args = parser.parse_args()
    pair = read_pair(args.data, args.name)
    size, shared, own = len(pair[2]), load(args.shared), load(args.own)
    one = attention_maps(shared, to_input(shared, *pair[:2]))
    each = attention_maps(own, to_input(own, *pair[:2]))
    draw(*pair[:2], strength(one[0], size), [strength(maps, size) for maps in (*each, each[0] - each[1])])
    print(f'difference of the dates\' maps at unchanged pixels, relative to their strength: '
          f'{disagreement(own, args.data):.0%} with own maps, {disagreement(shared, args.data):.0%} with one')


if __name__ == '__main__':
    main()
