# DINOv2-base as SChanger's encoder: an adapter to five strides and SpatialConsistencyHead, on LEVIR-CD.
#   python tools/train.py configs/neighbours/dinov2-base_schanger_levir.py
# Needs data/LEVIR-CD and the extras [dino,hub]; weights from a file instead of the hub:
# model.backbone.init_cfg.checkpoint=model.safetensors; a frozen backbone: model.backbone.frozen=True.
_base_ = [
    '../_base_/datasets/levir_dataset.py',
    '../_base_/models/dinov2_dpt.py',
    '../_base_/schedules/dinov2.py',
    '../_base_/default_runtime.py',
]

# ImageNet's statistics, with which DINOv2 was trained
data_preprocessor = dict(mean=[123.675, 116.28, 103.53] * 2, std=[58.395, 57.12, 57.375] * 2)
model = dict(
    size_divisor=16,
    backbone=dict(stride=16),  # the patches of 14 px are resampled
    neck=dict(_delete_=True, type='PyramidAdapter', in_channels=[768] * 4, stride=16, arch='small'),
    decode_head=dict(
        _delete_=True, type='SpatialConsistencyHead', arch='small', temporal_fusion=dict(type='TFM')),
    test_cfg=dict(_delete_=True, mode='slide', crop_size=(256, 256), stride=(256, 256)))
