"""Find the changes between two rasters: python tools/predict.py MODEL BEFORE AFTER --out DIR."""

import sys

from schanger_mm.commands import predict
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(predict))
