# A backbone of mmpretrain, ConvNeXt-Atto, with TFM and UPerHead, on LEVIR-CD.
#   python tools/train.py configs/neighbours/convnext_tfm_upernet_levir.py
# Needs data/LEVIR-CD and mmpretrain (pip install onedl-mmpretrain torchvision).
_base_ = './r18_tfm_upernet_levir.py'

channels = [40, 80, 160, 320]
model = dict(
    backbone=dict(
        _delete_=True, type='mmpretrain.ConvNeXt', arch='atto', out_indices=[0, 1, 2, 3], gap_before_final_norm=False),
    neck=dict(in_channels=channels),
    decode_head=dict(in_channels=channels))
