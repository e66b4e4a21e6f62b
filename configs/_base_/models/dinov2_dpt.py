# Siamese DINOv2-base: absolute differences of four blocks, a DPT-like head, cross-entropy; the network of UniMatch V2.
channels = [768] * 4
model = dict(
    type='SiameseEncoderDecoder',
    size_divisor=14,
    backbone=dict(
        type='DINOv2',
        arch='base',
        out_indices=[2, 5, 8, 11],
        init_cfg=dict(type='Pretrained', checkpoint='hf://facebook/dinov2-base')),
    neck=dict(type='TFM', in_channels=channels, mode='abs'),
    decode_head=dict(type='MapDPTHead', in_channels=channels, num_classes=2),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
