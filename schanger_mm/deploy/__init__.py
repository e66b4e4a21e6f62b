"""A trained network as one file, and the programs that run it. The backends are an extra: ``[export]``."""

from schanger_mm.deploy.card import Card, read_card
from schanger_mm.deploy.errors import DeployError
from schanger_mm.deploy.open import open_runtime

__all__ = ['Card', 'DeployError', 'open_runtime', 'read_card']
