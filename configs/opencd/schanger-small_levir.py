# For a checkout of Open-CD: the encoder, fusion and head of SChanger-small in its SiamEncoderDecoder, on its data.
#   cp -r SCHANGER-MM/configs/opencd OPEN-CD/configs/ && cd OPEN-CD
#   python tools/train.py configs/opencd/schanger-small_levir.py
# Needs this package alongside Open-CD, and Open-CD's data/LEVIR-CD. The schedule is Open-CD's, not the paper's.
_base_ = [
    '../_base_/datasets/levir_cd.py',
    '../_base_/schedules/schedule_40k.py',
    '../_base_/default_runtime.py',
]
# the registry brings the reading of checkpoints that tools/test.py needs under torch 2.6 and later
custom_imports = dict(imports=['schanger_mm.registry'], allow_failed_imports=False)

model = dict(
    type='SiamEncoderDecoder',
    data_preprocessor=dict(
        type='DualInputSegDataPreProcessor',
        # per-date statistics of LEVIR-CD, R, G, B of date A, then of date B
        mean=[114.8163, 113.9003, 97.2434, 88.1084, 86.2405, 73.6478],
        std=[49.1110, 46.3187, 43.1172, 36.8077, 35.7434, 33.8556],
        bgr_to_rgb=True,
        size_divisor=16,
        pad_val=0,
        seg_pad_val=255,
        test_cfg=dict(size_divisor=16)),
    backbone=dict(type='schanger_mm.SCN', arch='small'),
    neck=dict(type='FeatureFusionNeck', policy='concat', out_indices=(0, 1, 2, 3, 4)),
    # takes each level with both dates concatenated along the channels; fuses inside the attention and after the decoder
    decode_head=dict(type='schanger_mm.SpatialConsistencyHead', arch='small', temporal_fusion=dict(type='TFM')),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(256, 256), stride=(256, 256)))

# mmseg's wrapper, which Open-CD's runtime sets, applies the sigmoid twice to one output channel: all becomes changed
tta_model = dict(type='schanger_mm.ChangeTTAModel')
# the F1 of the changed class chooses the best checkpoint
val_evaluator = dict(_delete_=True, type='schanger_mm.ChangeMetric')
test_evaluator = dict(_delete_=True, type='schanger_mm.ChangeMetric')
default_hooks = dict(
    checkpoint=dict(type='schanger_mm.AtomicCheckpointHook', save_best='changed/F1', rule='greater'))
