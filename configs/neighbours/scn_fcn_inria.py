# SCN as a backbone of plain segmentation: mmseg's FCNHead finds buildings in single images, on Inria.
#   python tools/train.py configs/neighbours/scn_fcn_inria.py
# Needs data/inria_256 (configs/sadl/sadl_r18-fpn_inria.py says how to cut it). The head joins the
# strides 4, 8 and 16.
_base_ = '../sadl/supervised_r18-fpn_inria.py'

model = dict(
    size_divisor=16,
    backbone=dict(_delete_=True, type='SCN', arch='small'),
    neck=None,
    decode_head=dict(in_channels=[40, 48, 48], in_index=[2, 3, 4], input_transform='resize_concat'))
