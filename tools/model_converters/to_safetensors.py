"""Plain weights from any checkpoint: python tools/model_converters/to_safetensors.py IN.pth OUT.safetensors."""

import argparse
import sys

from schanger_mm import apis
from schanger_mm.checkpoints.quarantine import TRUST, to_safetensors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the tensors of a checkpoint, and nothing else of it, as .safetensors. Files that can be '
        'read without running code need no option.')
    parser.add_argument('src', help='checkpoint, or a pickled network')
    parser.add_argument('dst', help='file to write: .safetensors')
    parser.add_argument(TRUST, action='store_true', dest='trust',
                        help='unpickle the file where nothing else helps. Its maker can then run code as you: it runs '
                        'in a process with an empty environment, limits, no network where Linux allows it, and with '
                        'processes and writing elsewhere refused, which stops the usual attacks, not all of them')
    parser.add_argument('--overwrite', action='store_true', help='replace the file to write where it exists')
    return parser.parse_args()


def main() -> None:
    """Convert."""
    args = parse_args()
    print(to_safetensors(args.src, args.dst, args.trust, args.overwrite))


if __name__ == '__main__':
    sys.exit(apis.run(main))
