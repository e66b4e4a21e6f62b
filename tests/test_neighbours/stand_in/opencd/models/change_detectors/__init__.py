from .dual_input_encoder_decoder import AdapterEncoderDecoder, DIEncoderDecoder
from .siamencoder_decoder import SiamEncoderDecoder

__all__ = ['AdapterEncoderDecoder', 'DIEncoderDecoder', 'SiamEncoderDecoder']
