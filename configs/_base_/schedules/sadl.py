# SGD and polynomial decay over 200 epochs.
optim_wrapper = dict(
    type='AmpOptimWrapper',  # float32 where there is no GPU
    loss_scale='dynamic',
    constructor='MergedGroupsConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=200, by_epoch=True, convert_to_iter_based=True),
]
val_cfg = None
test_cfg = None
default_hooks = dict(
    runtime_info=dict(type='LazyRuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='AtomicCheckpointHook', by_epoch=True, interval=10, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    exact_resume=dict(type='ExactResumeHook'),
    bad_loss=dict(type='BadLossHook', on_nan='stop', max_in_row=10, max_skipped=100),
    stop_signal=dict(type='StopSignalHook'))
