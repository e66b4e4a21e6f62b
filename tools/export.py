"""Write a detector as one file: python tools/export.py CONFIG CHECKPOINT --format onnx --out FILE.onnx."""

import sys

from schanger_mm.commands import export
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(export))
