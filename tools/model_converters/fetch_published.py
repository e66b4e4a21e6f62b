"""Fetch and convert published weights: python tools/model_converters/fetch_published.py levir base."""

import sys

from schanger_mm.commands import fetch
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(fetch))
