# The tiny SChanger on the drawn pairs: change, and the buildings of both dates.
#   python tools/train.py configs/semantic/semantic_demo.py
#   python tools/train.py configs/semantic/semantic_demo.py --cfg-options load_from=None
# Needs demo_out/data, which tools/demo.py draws, and its pre-trained weights.
_base_ = '../schanger/demo.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1]['type'] = 'LoadSemanticLabels'
test_pipeline = [
    dict(type='LoadBiTemporalImages'),
    dict(type='LoadSemanticLabels'),
    dict(type='PackBiTemporalInputs'),
]
classes = dict(type='DemoSemanticDataset')
train_dataloader = dict(dataset=dict(**classes, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(**classes, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(**classes, pipeline=test_pipeline))
val_evaluator = dict(type='SemanticChangeMetric')
test_evaluator = dict(type='SemanticChangeMetric')

model = dict(decode_head=dict(semantic=dict(num_classes=2)))
default_hooks = dict(checkpoint=dict(save_best='Sek'))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=0.02, momentum=5e-3, interval=1, update_buffers=True),
    dict(type='SingleDateHeadHook', class_index=1),  # building
    dict(type='LoadReportHook', expected_new=['decode_head.attention_fusion', 'decode_head.side_fusion',
                                              'decode_head.semantic']),
]
