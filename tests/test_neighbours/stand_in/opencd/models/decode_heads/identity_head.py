"""A head for backbones that return logits."""

from mmseg.models.decode_heads.decode_head import BaseDecodeHead

from opencd.registry import MODELS


@MODELS.register_module()
class IdentityHead(BaseDecodeHead):
    def __init__(self, in_channels, channels=1, **kwargs):
        super().__init__(in_channels, channels=channels, **kwargs)
        self.conv_seg = None

    def init_weights(self):
        pass

    def forward(self, inputs):
        return self._transform_inputs(inputs)
