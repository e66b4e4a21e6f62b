"""Losses."""

from schanger_mm.models.losses.bce_dice_loss import BCEDiceLoss
from schanger_mm.models.losses.semantic_loss import SemanticLoss

__all__ = ['BCEDiceLoss', 'SemanticLoss']
