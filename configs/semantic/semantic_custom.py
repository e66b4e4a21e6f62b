# SChanger-small on your own pairs with class maps of both dates: change, and the classes of both dates.
#   schanger config new --data DIR writes a config that inherits this one; docs/semantic.md shows what is in it.
# Expects DIR/{train,val,test}/{A,B,label_a,label_b}; name the classes by classes=, their pixel values by values=.
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
