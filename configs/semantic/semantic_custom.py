# SChanger-small on your own pairs with class maps of both dates: change, and the classes of both dates.
#   python tools/train.py configs/semantic/semantic_custom.py --cfg-options train_dataloader.dataset.data_root=DIR \
#       val_dataloader.dataset.data_root=DIR test_dataloader.dataset.data_root=DIR
# Expects DIR/{train,val,test}/{A,B,label_a,label_b} with the values 0 and 1; classes= and values= name others:
# `schanger config new` writes a config that does, and inherits this one.
_base_ = '../schanger/custom.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1]['type'] = 'LoadSemanticLabels'
test_pipeline = [
    dict(type='LoadBiTemporalImages'),
    dict(type='LoadSemanticLabels'),
    dict(type='PackBiTemporalInputs'),
]
pairs = dict(_delete_=True, type='SemanticChangeDataset', data_root='data/custom', classes=['class_0', 'class_1'])
train_dataloader = dict(
    dataset=dict(
        **pairs, pipeline=train_pipeline,
        data_prefix=dict(img_path_from='train/A', img_path_to='train/B', seg_map_path_from='train/label_a',
                         seg_map_path_to='train/label_b')))
val_dataloader = dict(
    dataset=dict(
        **pairs, pipeline=test_pipeline, test_mode=True,
        data_prefix=dict(img_path_from='val/A', img_path_to='val/B', seg_map_path_from='val/label_a',
                         seg_map_path_to='val/label_b')))
test_dataloader = dict(
    dataset=dict(
        **pairs, pipeline=test_pipeline, test_mode=True,
        data_prefix=dict(img_path_from='test/A', img_path_to='test/B', seg_map_path_from='test/label_a',
                         seg_map_path_to='test/label_b')))
val_evaluator = dict(type='SemanticChangeMetric')
test_evaluator = dict(type='SemanticChangeMetric')

model = dict(decode_head=dict(semantic=dict(num_classes=2)))  # as many as classes
default_hooks = dict(checkpoint=dict(save_best='Sek'))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=0.02, momentum=5e-3, interval=1, update_buffers=True),
    dict(type='LiveWeightsHook'),
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion',
                                              'decode_head.semantic']),
]
