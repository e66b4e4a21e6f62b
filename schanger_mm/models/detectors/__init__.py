"""Detectors."""

from schanger_mm.models.detectors.siamese_encoder_decoder import SiameseEncoderDecoder

__all__ = ['SiameseEncoderDecoder']
