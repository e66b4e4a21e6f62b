"""The inference form: the same network and results, arranged for speed."""

from schanger_mm.models.inference.check import InferenceFormError
from schanger_mm.models.inference.conv import InferenceConv
from schanger_mm.models.inference.form import FORMS, example_images, inference_form

__all__ = ['FORMS', 'InferenceConv', 'InferenceFormError', 'example_images', 'inference_form']
