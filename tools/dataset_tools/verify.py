"""Check a data set after unpacking: python tools/dataset_tools/verify.py data/LEVIR-CD."""

import sys

from schanger_mm.commands import verify
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(verify))
