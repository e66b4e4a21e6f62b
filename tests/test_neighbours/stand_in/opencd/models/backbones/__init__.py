from .interaction_resnet import IA_ResNetV1c
from .tinycd import TinyCD

__all__ = ['IA_ResNetV1c',
           'TinyCD']