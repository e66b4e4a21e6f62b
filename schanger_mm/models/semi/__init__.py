"""Semi-supervised training: a model around any detector, for labelled and unlabelled pairs."""

from schanger_mm.models.semi.unimatch import UniMatch
from schanger_mm.models.semi.views_preprocessor import ViewsPreProcessor

__all__ = ['UniMatch', 'ViewsPreProcessor']
