"""Time a whole scene against the bare network."""

from __future__ import annotations

import argparse
from pathlib import Path

from schanger_mm.commands.arguments import PRECISIONS, RasterParser


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = RasterParser(
        description='Measure the megapixels per second of a whole scene and of the bare network on the same windows, '
                    'and where the time goes. Results of the runs are deleted.')
    parser.add_argument('model', metavar='MODEL', help='as in `schanger predict`')
    parser.add_argument('before', metavar='BEFORE', help='raster of the earlier date')
    parser.add_argument('after', metavar='AFTER', help='raster of the later date')
    parser.add_argument('--weights', metavar='FILE', help='checkpoint for a config')
    parser.add_argument('--device', default='cpu', help='device, such as cuda:0 (default: cpu)')
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32', help='precision (default: fp32)')
    parser.add_argument('--rounds', type=int, default=3, metavar='R', help='rounds of each measurement (default: 3)')
    parser.add_argument('--threads', type=int, default=1, metavar='N', help='threads of torch (default: 1)')
    parser.add_argument('--batch-size', type=int, default=4, metavar='N', help='windows per batch (default: 4)')
    parser.add_argument('--window', type=int, default=256, metavar='PX', help='side of the windows (default: 256)')
    parser.add_argument('--overlap', type=int, default=128, metavar='PX', help='overlap of windows (default: 128)')
    parser.add_argument('--block', type=int, default=2048, metavar='PX', help='side of the blocks (default: 2048)')
    parser.add_argument('--scale', metavar='RULE', help='as in `schanger predict`')
    parser.add_argument('--bands', metavar='R,G,B', help='as in `schanger predict`')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the numbers to this file')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    return parser


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    from schanger_mm.apis.detector import pair_spec
    from schanger_mm.benchmark.scene import benchmark_scene, format_scene
    from schanger_mm.deploy.load import load_model
    from schanger_mm.scene.plan import Settings
    from schanger_mm.utils.files import as_json, refuse_existing, write_atomic
    if args.json and not args.overwrite:
        refuse_existing(args.json)
    settings = Settings(args.window, args.overlap, args.block, args.batch_size)
    model = load_model(args.model, args.weights, args.device, args.precision)
    spec = pair_spec(args.before, args.after, args.bands, args.scale, model=model)
    result = benchmark_scene(spec, model, settings, args.rounds, args.threads)
    print(format_scene(result))
    if args.json:
        write_atomic(args.json, as_json(result))
