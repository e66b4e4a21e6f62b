"""Write a detector as one file: python tools/export.py CONFIG CHECKPOINT --format onnx --out FILE.onnx."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.apis.export import export
from schanger_mm.deploy.card import BACKENDS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write a detector as ONNX, OpenVINO or ExportedProgram, for any batch, height and width. The file '
        'gets its name when its probabilities are those of PyTorch within 1e-4. See docs/export.md.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--format', choices=list(BACKENDS), required=True, help='program: PyTorch\'s ExportedProgram')
    parser.add_argument('--out', metavar='FILE', required=True, help='file to write: .onnx, .xml (and .bin) or .pt2')
    parser.add_argument('--normalise', choices=['inside', 'outside'],
                        help='inside: the file takes 0..255; outside: (x - mean) / std (default: inside)')
    parser.add_argument('--deepness', action='store_true',
                        help='one input of six bands, fixed tiles and metadata for the QGIS plugin Deepness')
    parser.add_argument('--gsd', type=float, metavar='METRES',
                        help="ground sampling distance of the training images (default: the data set's, if known)")
    parser.add_argument('--tile', type=int, metavar='PX',
                        help='side of the tiles that the network should see (default: that of the test, or 256)')
    parser.add_argument('--pairs', nargs=2, action='append', default=[], metavar=('BEFORE', 'AFTER'),
                        help='images to compare on; may be repeated (default: three pairs of the test data, if there)')
    parser.add_argument('--overwrite', action='store_true', help='replace FILE where it exists')
    parser.add_argument('--cfg-options', nargs='+', action=apis.OptionsAction, metavar='KEY=VALUE',
                        help='override settings')
    return parser.parse_args()


def main() -> None:
    """Export."""
    args = vars(parse_args())
    config = args.pop('config')
    cfg = apis.load_config(config, args.pop('cfg_options'))
    print(export(cfg, config, **args))


if __name__ == '__main__':
    sys.exit(apis.run(main))
