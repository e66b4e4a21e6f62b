"""Damage to files, drawn from a seed: what transfers, disks and people who mean harm do to bytes."""

import random
import struct
import zlib

LARGE = (0, 1, 127, 128, 255, 256, 32767, 32768, 60_000, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
WORDS = (b'\x00', b'\r\n', b'\r', b'\n', b' ', b'\t', b',', b'..', b'../', b'/', b'/etc/passwd', b'\\', b'"', b"'",
         b'\xef\xbb\xbf', b'\xff\xfe', b'\xc3\xa9', b'e\xcc\x81', b'\xe2\x80\xae', b'NaN', b'Infinity', b'-1', b'1e999',
         b'null', b'[]', b'{}', b'[' * 3000, b'9' * 5000, b'%s', b'<', b'&', b'\x1b[2J')
DAMAGED = 8
"""Most changes to one file."""


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return ``data`` with a few changes; a PNG may get its checksums back, so that decoders look further."""
    png = data.startswith(b'\x89PNG')
    out = bytearray(data)
    for _ in range(min(DAMAGED, 1 + int(rng.expovariate(0.7)))):
        _change(rng, out)
    if png and rng.random() < 0.6:
        out = bytearray(_with_checksums(bytes(out)))
    return bytes(out)


def _change(rng: random.Random, out: bytearray) -> None:
    length = len(out)
    # the first bytes say what the rest is, so they are hit more often
    at = rng.randrange(min(length, 200)) if length and rng.random() < 0.5 else rng.randrange(length + 1)
    kind = rng.randrange(8)
    if kind == 0 and at < length:
        out[at] ^= 1 << rng.randrange(8)
    elif kind == 1 and at < length:
        out[at] = rng.randrange(256)
    elif kind == 2:
        form = rng.choice('<>') + rng.choice('BHIQ')
        value = rng.choice(LARGE) % (256 ** struct.calcsize(form))
        out[at:at + struct.calcsize(form)] = struct.pack(form, value)
    elif kind == 3:
        out[at:at] = rng.choice(WORDS)
    elif kind == 4:
        del out[at:at + rng.randrange(1, 64)]
    elif kind == 5:
        del out[at:]
    elif kind == 6:
        start = rng.randrange(length + 1)
        out[at:at] = out[start:start + rng.randrange(1, 64)]
    else:
        out[at:at + 8] = rng.randbytes(8)


def _with_checksums(data: bytes) -> bytes:
    """Set the checksum of every chunk of a PNG that is whole."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        size, = struct.unpack_from('>I', out, at)
        if at + 12 + size > len(out):
            break
        struct.pack_into('>I', out, at + 8 + size, zlib.crc32(out[at + 4:at + 8 + size]))
        at += 12 + size
    return bytes(out)
