"""Time a whole scene against the bare network: python tools/benchmark_scene.py MODEL BEFORE AFTER."""

import argparse
import sys
from pathlib import Path

from schanger_mm import apis
from schanger_mm.apis.benchmark_scene import benchmark_scene
from schanger_mm.apis.detector import pair_spec
from schanger_mm.checkpoints.quarantine import TRUST
from schanger_mm.data_tools.writing import as_json, refuse_existing, write_atomic
from schanger_mm.scene.model import SceneModel
from schanger_mm.scene.run import Settings


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Megapixels per second of a whole scene and of the bare network on the same windows, and where the '
                    'time goes. Results of the runs are deleted.')
    parser.add_argument('model', metavar='MODEL', help='as in tools/predict.py')
    parser.add_argument('before', metavar='BEFORE', help='raster of the earlier date')
    parser.add_argument('after', metavar='AFTER', help='raster of the later date')
    parser.add_argument('--weights', metavar='FILE', help='checkpoint for a config')
    parser.add_argument(TRUST, action='store_true', dest='trust', help='load a .pt2 export, which can run code')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: cpu)')
    parser.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32',
                        help='of the network (default: fp32)')
    parser.add_argument('--rounds', type=int, default=3, metavar='R', help='rounds of each way (default: 3)')
    parser.add_argument('--threads', type=int, default=1, metavar='N', help='of torch (default: 1)')
    parser.add_argument('--batch-size', type=int, default=4, metavar='N', help='windows at a time (default: 4)')
    parser.add_argument('--window', type=int, default=256, metavar='PX', help='side of the windows (default: 256)')
    parser.add_argument('--overlap', type=int, default=128, metavar='PX', help='of neighbouring ones (default: 128)')
    parser.add_argument('--block', type=int, default=2048, metavar='PX', help='side of the blocks (default: 2048)')
    parser.add_argument('--scale', metavar='RULE', help='as in tools/predict.py')
    parser.add_argument('--bands', type=lambda text: tuple(map(int, text.split(','))), metavar='R,G,B',
                        help='as in tools/predict.py')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers there too')
    parser.add_argument('--overwrite', action='store_true', help='replace that file')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    if args.json and not args.overwrite:
        refuse_existing([args.json])
    spec = pair_spec(args.before, args.after, args.bands, args.scale)
    settings = Settings(args.window, args.overlap, args.block, args.batch_size)
    model = SceneModel.load(args.model, args.weights, args.device, args.precision, args.trust)
    result = benchmark_scene(spec, model, settings, args.rounds, args.threads)
    print(result)
    if args.json:
        write_atomic(args.json, as_json(result.as_dict()))


if __name__ == '__main__':
    sys.exit(apis.run(main))
