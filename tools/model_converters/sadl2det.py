"""Make a detector's initial weights from SaDL: python tools/model_converters/sadl2det.py CHECKPOINT CONFIG."""

import sys

from schanger_mm.commands import transfer
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(transfer))
