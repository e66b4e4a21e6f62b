import pytest
from mmengine.config import Config

from schanger_mm.deploy.trained_reading import loading_of, reading_of
from schanger_mm.geo.errors import SceneError


def pipeline(**loading):
    return [dict(type='LoadBiTemporalImages', **loading), dict(type='LoadChangeLabel')]


def test_the_test_pipeline_comes_first_and_inner_data_sets_count():
    train = dict(dataset=dict(type='SemiDataset', labelled=dict(pipeline=pipeline(bands=[1, 2, 3, 4])), unlabelled={}))
    cfg = Config(dict(train_dataloader=train))
    assert loading_of(cfg, 4) == dict(bands=[1, 2, 3, 4])
    cfg.test_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[
        dict(pipeline=[dict(type='schanger_mm.LoadImage', scale='0:3000', allow_grey=True)])]))
    assert loading_of(cfg, 4) == dict(scale='0:3000')
    assert reading_of(cfg, 'c.py', 4).describe() == dict(scale='0:3000')


def test_a_config_without_a_loading_transform_reads_the_first_bands():
    assert loading_of(Config(), 3) == {} and loading_of(Config(), 5) == dict(bands=(1, 2, 3, 4, 5))
    assert reading_of(Config(), 'c.py', 5).describe() == {}


def test_files_of_single_bands_say_nothing_about_the_bands_of_a_raster():
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline(files=['a', 'b'], bands=[1], scale='0:9')))))
    assert reading_of(cfg, 'c.py', 2).describe() == dict(scale='0:9')


@pytest.mark.parametrize('loader', [5, 'x', [], dict(dataset=7), dict(dataset=dict(pipeline='x')),
                                    dict(dataset=dict(pipeline=[3, dict(type=4)], datasets=8))])
def test_a_strange_config_says_nothing(loader):
    assert reading_of(Config(dict(test_dataloader=loader)), 'c.py', 3).describe() == {}


def test_another_number_of_bands_than_the_network_takes_is_refused():
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline(bands=[1, 2])))))
    with pytest.raises(SceneError, match=r'c\.py: its transform that loads images takes 2 bands, .* means of 4'):
        reading_of(cfg, 'c.py', 4)
