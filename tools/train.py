"""Train a model from a config: python tools/train.py configs/schanger/levir.py."""

import sys

from schanger_mm.commands import train
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(train))
