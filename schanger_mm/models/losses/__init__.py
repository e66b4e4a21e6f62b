"""Losses."""

from schanger_mm.models.losses.bce_dice_loss import BCEDiceLoss

__all__ = ['BCEDiceLoss']
