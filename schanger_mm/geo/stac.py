"""STAC items: which of the rasters that an item lists is meant."""

from __future__ import annotations

import json
import os
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from schanger_mm.geo.addresses import Address, approve, full, is_network
from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.web import LARGEST_TEXT, fetch_json
from schanger_mm.utils.text import first_of

SUFFIXES = ('.json', '.geojson')
TYPES = ('image/tiff', 'image/vnd.stac.geotiff')
ROLES = {'data', 'visual'}


def is_item(path: str) -> bool:
    """Return whether a name is that of a STAC item: ``.json``, ``.geojson`` or ``.../items/ID`` of a STAC API."""
    name = urlsplit(full(path)).path if is_network(path) else path
    return name.lower().endswith(SUFFIXES) or (is_network(path) and bool(re.search('/items/[^/.]+$', name)))


def raster_of(path: str, asset: str | None, remote: bool) -> str:
    """Return the raster that a STAC item lists, or another path as it is, approved for the network.

    Args:
        path: a raster, or an item by address or as a local file.
        asset: name of the asset; None: the only one that is a GeoTIFF with the role ``data`` or ``visual``.
        remote: whether the user allowed addresses; without it no item is read.

    Raises:
        SceneError: an address or an item without ``remote``, no STAC item, not exactly one such asset, or an asset that
            is neither on a server nor below the folder of a local item.
    """
    path = approve(path, remote)
    if not is_item(path):
        return path
    if not remote:
        raise SceneError(f'{path}: is a STAC item, which leads to addresses; pass --remote if that is meant.')
    name, href = _choose(path, fetch_json(path) if isinstance(path, Address) else _read(path), asset)
    where = f'{path}, asset {name}'
    if isinstance(path, Address):
        return _at(where, path, href)
    if is_network(href):
        return _approved(where, href)
    below = os.path.normpath(href)
    if os.path.isabs(href) or below.split(os.sep)[0] == os.pardir or '://' in href or any(mark < ' ' or mark == '<'
                                                                                          for mark in href):
        raise SceneError(f'{where}: {href[:80]!r} is neither an address nor a file below the folder of the item.')
    return os.path.join(os.path.dirname(path) or os.curdir, href)


def _at(where: str, item: Address, href: str) -> str:
    """Return an address relative to that of an item; only an item of this machine leads to this machine."""
    target = href if href.startswith('s3://') else urljoin(item.full, href)
    if not is_network(target) or (target.startswith('http:') and not item.full.startswith('http:')):
        raise SceneError(f'{where}: leads to {target.partition(":")[0]}:, expected https:// or s3://.')
    return _approved(where, target)


def _approved(where: str, href: str) -> str:
    try:
        return approve(href, True)
    except SceneError as error:
        raise SceneError(f'{where}: {error}') from error


def _read(path: str) -> Any:
    try:
        if os.path.getsize(path) > LARGEST_TEXT:
            raise SceneError(f'{path}: expected a STAC item, found {os.path.getsize(path)} bytes.')
        with open(path, 'rb') as file:
            return json.loads(file.read())
    except OSError as error:
        raise SceneError(f'{path}: cannot be read ({error.strerror}).') from error
    except (ValueError, RecursionError) as error:
        raise SceneError(f'{path}: expected a STAC item, found no JSON ({error}).') from error


def _choose(path: str, item: Any, asset: str | None) -> tuple[str, str]:
    """Return name and ``href`` of an asset."""
    assets = item.get('assets') if isinstance(item, dict) and item.get('type') == 'Feature' else None
    if not isinstance(assets, dict):
        kind = item.get('type') if isinstance(item, dict) else type(item).__name__
        raise SceneError(f'{path}: expected a STAC item (a Feature with assets), found {str(kind)[:40]!r}; name one '
                         'item of a collection or of a search.')
    usable = {name: value for name, value in assets.items()
              if isinstance(value, dict) and isinstance(value.get('href'), str)}
    if asset is not None:
        if asset not in usable:
            raise SceneError(f'{path}: --asset {asset}: no such asset; found {first_of([*usable]) or "none"}.')
        return asset, usable[asset]['href']
    found = [name for name, value in usable.items() if _is_raster(value)]
    if len(found) != 1:
        facts = f'{len(found)}: {first_of(found)}' if found else f'none among {first_of([*usable]) or "no assets"}'
        raise SceneError(f'{path}: expected one asset that is a GeoTIFF with the role data or visual, found {facts}; '
                         'name one: --asset NAME.')
    return found[0], usable[found[0]]['href']


def _is_raster(asset: dict[str, Any]) -> bool:
    roles = asset.get('roles')
    return str(asset.get('type')).lower().startswith(TYPES) and isinstance(roles, list) and any(
        role in ROLES for role in roles if isinstance(role, str))
