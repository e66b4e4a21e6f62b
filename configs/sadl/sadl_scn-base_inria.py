# SaDL pre-training of SChanger's encoder and decoder, to be followed by its supervised pre-training.
#   python tools/train.py configs/sadl/sadl_scn-base_inria.py
#   python tools/model_converters/sadl2det.py work_dirs/sadl_scn-base_inria/epoch_200.pth \
#       configs/schanger/pretrain_inria.py
_base_ = './sadl_r18-fpn_inria.py'

model = dict(
    backbone=dict(_delete_=True, type='SCN', arch='base'),
    # points are looked up at full resolution, so that every layer of the decoder learns
    neck=dict(_delete_=True, type='DecoderFeatures', arch='base'),
    projector=dict(in_channels=24))
train_dataloader = dict(batch_size=16)  # three passes at full resolution need about 15 GiB of memory in float32
