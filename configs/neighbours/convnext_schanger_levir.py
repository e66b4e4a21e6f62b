# A backbone of mmpretrain, ConvNeXt-Atto, as SChanger's encoder, on LEVIR-CD.
#   python tools/train.py configs/neighbours/convnext_schanger_levir.py
# Needs data/LEVIR-CD and mmpretrain (pip install onedl-mmpretrain torchvision). Starts from random weights; others are
# named by model.backbone.init_cfg. A frozen backbone: model.backbone.frozen_stages=4.
_base_ = './convnext_tfm_upernet_levir.py'

model = dict(
    neck=dict(
        _delete_=True, type='PyramidAdapter', in_channels=[40, 80, 160, 320], stride=32, arch='small'),
    decode_head=dict(
        _delete_=True, type='SpatialConsistencyHead', arch='small', temporal_fusion=dict(type='TFM')))
