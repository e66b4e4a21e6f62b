"""Shared by all tests."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

import schanger_mm  # noqa: F401  (adapts the installed stack)
from schanger_mm.registry import SCOPE

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / 'data'
TINY = (8, 8, 12, 16, 20, 24)


@pytest.fixture(autouse=True)
def _scope_and_seed():
    """Give every test our default scope and the same random numbers."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPE):
        yield


@pytest.fixture(scope='session')
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope='session')
def data() -> Path:
    """Committed fixtures."""
    return DATA
