import numpy as np

from schanger_mm.utils.digests import WINDOW, content_digest


def test_a_copy_has_the_digest_of_its_source_and_a_changed_file_another(tmp_path):
    content = np.random.default_rng(0).bytes(4 * WINDOW)
    variants = [content, content[1:], content + b'0', b'', content[:100]]
    for place in (0, 2 * WINDOW, 4 * WINDOW - 1):  # a byte at the beginning, in the middle, at the end
        variants.append(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
    for number, variant in enumerate(variants):
        (tmp_path / str(number)).write_bytes(variant)
    (tmp_path / 'copy.tif').write_bytes(content)
    digests = [content_digest(tmp_path / str(number)) for number in range(len(variants))]
    assert len(set(digests)) == len(variants) and all(0 <= digest < 2 ** 64 for digest in digests)
    assert content_digest(tmp_path / 'copy.tif') == digests[0]
