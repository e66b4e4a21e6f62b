"""Write plain weights from any checkpoint: python tools/model_converters/to_safetensors.py IN.pth OUT.safetensors."""

import sys

from schanger_mm.commands import to_safetensors
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(to_safetensors))
