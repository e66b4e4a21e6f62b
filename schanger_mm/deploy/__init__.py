"""Export a trained network to a single file and run such files. The backends are an extra: ``[export]``."""

from schanger_mm.deploy.card import Card, read_card
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.open import open_runtime

__all__ = ['Card', 'DeployError', 'open_runtime', 'read_card']
