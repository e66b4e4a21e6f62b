import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.scaling import Range, Scaling, check_type, resolve, to_bytes_range


@pytest.mark.parametrize('text, before, after', [
    ('none', None, None),
    ('0:3000', Range(0, 3000), Range(0, 3000)),
    ('-0.5:1e4', Range(-0.5, 10_000), Range(-0.5, 10_000)),
    ('p2:p98', Range(2, 98, percent=True), Range(2, 98, percent=True)),
    ('0:3000, 200:10000', Range(0, 3000), Range(200, 10_000)),
    ('none,p0.5:p99.5', None, Range(0.5, 99.5, percent=True)),
])
def test_written_rules(text, before, after):
    scaling = Scaling.parse(text)
    assert scaling == Scaling(before, after)
    assert Scaling.parse(str(scaling)) == scaling


@pytest.mark.parametrize('text, message', [
    ('3000', "expected MIN:MAX .* found '3000'"),
    ('', "expected MIN:MAX .* found ''"),
    ('0:a', "found '0:a'"),
    ('p2:98', 'expected two values or two percentiles'),
    ('0:1,0:2,0:3', 'expected one rule, or two'),
    ('3000:0', 'first bound is the lower, found 3000:0'),
    ('5:5', 'first bound is the lower, found 5:5'),
    ('0:1e999', 'first bound is the lower, found 0:inf'),
    ('p-1:p98', 'percentiles from 0 to 100, found p-1:p98'),
    ('p2:p101', 'percentiles from 0 to 100'),
])
def test_other_rules_are_refused(text, message):
    with pytest.raises(SceneError, match=message):
        Scaling.parse(text)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_numbers_survive_being_written(low, high):
    if low < high:
        scaling = Scaling(Range(low, high), None)
        assert Scaling.parse(str(scaling)) == scaling


@pytest.mark.parametrize('dtype', ['uint16', 'int16', 'float32', 'int8', 'uint32'])
def test_other_than_8_bit_needs_a_rule(dtype):
    with pytest.raises(SceneError, match=f'a.tif: holds {dtype}, .*--scale MIN:MAX'):
        check_type(None, dtype, 'a.tif')
    check_type(Range(0, 1), dtype, 'a.tif')


def test_8_bit_needs_none_and_complex_has_none():
    check_type(None, 'uint8', 'a.tif')
    with pytest.raises(SceneError, match='expected real values, found complex64'):
        check_type(Range(0, 1), 'complex64', 'a.tif')


def test_percentiles_become_values():
    values = np.arange(0, 1001, dtype=np.uint16)
    assert resolve(Range(2, 98, percent=True), lambda: values, 'a.tif') == Range(20, 980)
    assert resolve(Range(5, 7), lambda: pytest.fail('not asked for'), 'a.tif') == Range(5, 7)
    assert resolve(None, lambda: pytest.fail('not asked for'), 'a.tif') is None


@pytest.mark.parametrize('values, message', [([], 'found none'), ([7, 7, 7], 'both percentiles of .* are 7')])
def test_percentiles_of_nothing_are_refused(values, message):
    with pytest.raises(SceneError, match=f'a.tif: .*{message}'):
        resolve(Range(2, 98, percent=True), lambda: np.array(values, np.uint16), 'a.tif')


def test_values_are_scaled_and_clipped():
    values = np.array([-5, 100, 850, 1600, 9000], np.int16)
    scaled = to_bytes_range(values, Range(100, 1600))
    assert scaled.dtype == np.float32 and scaled == pytest.approx([0, 0, 127.5, 255, 255])
    assert to_bytes_range(np.array([3, 255], np.uint8), None).tolist() == [3, 255]


def test_large_and_missing_values():
    big = np.array([2**31 - 11, 2**31 - 6, 2**31 - 1], np.int32)  # float32 cannot tell these apart
    assert to_bytes_range(big, Range(2**31 - 11, 2**31 - 1)) == pytest.approx([0, 127.5, 255])
    assert to_bytes_range(np.array([np.nan, 0.5, np.inf], np.float32), Range(0, 1)).tolist() == [0, 127.5, 255]


def test_percentiles_left_open_are_refused():
    with pytest.raises(SceneError, match='must be resolved'):
        to_bytes_range(np.zeros(1, np.uint16), Range(2, 98, percent=True))
