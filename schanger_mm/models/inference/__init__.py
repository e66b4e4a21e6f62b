"""The inference form: the same network and numbers, arranged for speed."""

from schanger_mm.models.inference.conv import InferenceConv
from schanger_mm.models.inference.form import inference_form

__all__ = ['InferenceConv', 'inference_form']
