"""Find the changes between two rasters: python tools/predict.py MODEL BEFORE AFTER --out DIR."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis.predict import predict
from schanger_mm.checkpoints.quarantine import TRUST


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Predict the changes between two rasters of any size: change and probability maps (GeoTIFF), '
        'polygons, a summary and a page to look at.',
        epilog='Examples: predict.py work_dirs/levir/best.pth 2019.tif 2023.tif --out changes; '
        'predict.py configs/schanger/custom.py 2019.tif 2023.tif --weights FILE --out changes; '
        'predict.py levir-base 2019/ 2023/ --out changes')
    parser.add_argument('model', metavar='MODEL', help='a checkpoint of tools/train.py, an export (.onnx, .xml), '
                        'a config (with --weights), or a published network such as levir-base')
    parser.add_argument('before', metavar='BEFORE', help='raster of the earlier date, a folder of them, or a table '
                        '(.csv: before,after and, if wanted, name)')
    parser.add_argument('after', metavar='AFTER', nargs='?', help='raster or folder of the later date')
    parser.add_argument('--out', metavar='DIR', required=True, help='folder of the results; of folders and tables one '
                        'folder per pair')
    parser.add_argument('--weights', metavar='FILE', help='checkpoint for a config, or a published one (levir-base)')
    parser.add_argument(TRUST, action='store_true', dest='trust', help='load a .pt2 export, which can run code as '
                        'you; nothing else needs it')
    parser.add_argument('--device', help='such as cuda:0 (default: the GPU where there is one)')
    reading = parser.add_argument_group('reading')
    reading.add_argument('--bands', type=_numbers, metavar='R,G,B', help='bands to take, counted from 1, red first')
    reading.add_argument('--scale', metavar='RULE', help='how values become 0..255: MIN:MAX such as 0:3000, or '
                         'percentiles such as p2:p98; 8-bit rasters need none')
    reading.add_argument('--nodata', type=float, metavar='V', help='value of pixels without data')
    reading.add_argument('--align', action='store_true', help='warp the later date onto the grid of the earlier one')
    reading.add_argument('--resample-gsd', dest='gsd', type=float, metavar='M',
                         help='read both dates at M metres per pixel')
    reading.add_argument('--outside', action='store_true', help='let a table name rasters that do not lie below its '
                         'folder (absolute paths, .., addresses)')
    network = parser.add_argument_group('predicting')
    network.add_argument('--window', type=int, default=256, metavar='PX', help='side of the windows (default: 256)')
    network.add_argument('--overlap', type=int, default=128, metavar='PX',
                         help='pixels that neighbouring windows share (default: 128)')
    network.add_argument('--block', type=int, default=2048, metavar='PX',
                         help='side of the blocks that are kept one by one (default: 2048)')
    network.add_argument('--batch-size', type=int, default=4, metavar='N', help='windows at a time (default: 4)')
    network.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32',
                         help='of the network; bf16 and, on GPUs, fp16 move probabilities a little (default: fp32)')
    network.add_argument('--threshold', type=float, metavar='P',
                         help="changed is a probability above it (default: the model's, 0.5)")
    network.add_argument('--workers', type=int, metavar='N', help='predict on N processes of this machine (Dask)')
    network.add_argument('--scheduler', metavar='ADDRESS', help='predict on a running Dask cluster: tcp://HOST:8786')
    results = parser.add_argument_group('results')
    results.add_argument('--min-area', type=float, default=0, metavar='M2', help='leave out smaller polygons')
    results.add_argument('--simplify', type=float, default=0, metavar='M', help='tolerance of the outlines')
    results.add_argument('--fill-holes', type=float, default=0, metavar='M2', help='fill smaller holes in polygons')
    results.add_argument('--format', choices=['gpkg', 'geojson'], default='gpkg', help='of the polygons')
    results.add_argument('--no-page', dest='page', action='store_false', help='write no report.html')
    results.add_argument('--resume', action='store_true', help='go on with an interrupted run')
    results.add_argument('--overwrite', action='store_true', help='replace the results of an earlier run')
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(','))


def main() -> None:
    """Predict; the status is 1 where some of several pairs failed."""
    sys.exit(predict(**vars(parse_args())))


if __name__ == '__main__':
    sys.exit(apis.run(main))
