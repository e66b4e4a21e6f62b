"""The main job on scenes drawn on the spot; needs no data: python tools/demo.py."""

import argparse
import sys
from pathlib import Path

from schanger_mm import apis
from schanger_mm.apis.demo import Demo


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description='Draw scenes, pre-train, fine-tune, compare and show.')
    parser.add_argument('--out', type=Path, default=Path('demo_out'), help='folder for everything it makes')
    parser.add_argument('--seed', type=int, default=36, help='of the scenes and of the trainings')
    parser.add_argument('--max-iters', type=int, help='shorten every training (the numbers then mean nothing)')
    args = parser.parse_args()
    Demo(Path(__file__).resolve().parents[1], args.out.resolve(), args.seed, args.max_iters).run()


if __name__ == '__main__':
    sys.exit(apis.run(main))
