'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const stage = document.getElementById('stage');
const swipe = document.getElementById('swipe');
const overlay = document.getElementById('overlay');
const statusLine = document.getElementById('status');
const scene = Object.fromEntries(['before', 'after', 'overlay', 'marks'].map(
  (id) => [id, document.querySelector(`#${id} .scene`)]));
const OVERLAYS = ['changed', 'probability'];

// The scene is laid out one CSS pixel per preview pixel: browsers do not take elements of 50,000 px well.
const scale = Math.max(1, Math.max(data.width, data.height) / 2048);
const width = data.width / scale, height = data.height / scale;
const view = {x: 0, y: 0, zoom: 1};
let chosen = null;

function add(parent, tag, attributes = {}, text = '') {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return parent.appendChild(element);
}

function place(element, [left, top, wide, high]) {
  Object.assign(element.style, {left: `${left / scale}px`, top: `${top / scale}px`,
    width: `${wide / scale}px`, height: `${high / scale}px`});
  return element;
}

/* Lay pictures of both dates and both overlays over a part of the scene. */
function lay(pictures, box, kind) {
  for (const date of ['before', 'after']) {
    place(add(scene[date], 'img', {src: pictures[date], alt: '', class: kind, draggable: 'false'}), box);
  }
  for (const name of OVERLAYS) {
    place(add(scene.overlay, 'img', {src: pictures[name], alt: '', class: `${name} ${kind}`}), box);
  }
  for (const [group, source] of Object.entries(pictures.groups || {})) {
    place(add(scene.overlay, 'img', {src: source, alt: '', class: `changed ${kind}`, 'data-group': group}), box);
  }
}

/* ---- view ---- */

const fitZoom = () => Math.min(stage.clientWidth / width, stage.clientHeight / height);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function show() {
  const limit = fitZoom();
  view.zoom = clamp(view.zoom, limit, Math.max(limit, 8 * scale));
  for (const [axis, side, length] of [['x', stage.clientWidth, width], ['y', stage.clientHeight, height]]) {
    const size = length * view.zoom;
    view[axis] = size < side ? (side - size) / 2 : clamp(view[axis], side - size, 0);
  }
  stage.style.setProperty('--x', `${view.x}px`);
  stage.style.setProperty('--y', `${view.y}px`);
  stage.style.setProperty('--zoom', view.zoom);
  drawScalebar();
  showPlace();
}

/* Zoom by a factor and keep the point (x, y) of the stage where it is. */
function zoomAt(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const limit = fitZoom();
  const zoom = clamp(view.zoom * factor, limit, Math.max(limit, 8 * scale));
  view.x = x - (x - view.x) * zoom / view.zoom;
  view.y = y - (y - view.y) * zoom / view.zoom;
  view.zoom = zoom;
  show();
}

/* Fill the stage with a part of the scene, given in pixels of the rasters. */
function zoomTo([left, top, wide, high]) {
  view.zoom = scale * Math.min(stage.clientWidth / wide, stage.clientHeight / high);
  view.x = stage.clientWidth / 2 - (left + wide / 2) / scale * view.zoom;
  view.y = stage.clientHeight / 2 - (top + high / 2) / scale * view.zoom;
  show();
}

function drawScalebar() {
  const bar = document.getElementById('scalebar');
  bar.hidden = !data.metres;
  if (bar.hidden) return;
  const perPixel = data.metres * scale / view.zoom;
  const longest = perPixel * Math.min(160, stage.clientWidth / 3);
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = power * [5, 2, 1].find((step) => step * power <= longest);
  bar.style.width = `${length / perPixel}px`;
  bar.textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
}

/* ---- place ---- */

const where = document.getElementById('where');
let pointer = null; // where on the page the pointer is, while it is over the map

/* Word the place under the pointer, or of the middle of the map where there is none. */
function showPlace() {
  const box = stage.getBoundingClientRect();
  const [x, y] = pointer ? [pointer[0] - box.left - stage.clientLeft, pointer[1] - box.top - stage.clientTop]
    : [stage.clientWidth / 2, stage.clientHeight / 2];
  const col = (x - view.x) / view.zoom * scale, row = (y - view.y) / view.zoom * scale;
  const inside = col >= 0 && row >= 0 && col < data.width && row < data.height;
  const pixel = `column ${Math.floor(col)}, row ${Math.floor(row)}`;
  const words = data.place ? `${wordPlace(col, row)}; ${pixel}` : pixel;
  where.textContent = inside ? `${pointer ? 'Pointer' : 'Middle of the map'}: ${words}` : '\u00a0';
}

function wordPlace(col, row) {
  const {transform: [a, b, c, d, e, f], digits, geographic, lons} = data.place;
  const ground = [a * col + b * row + c, d * col + e * row + f].map((value) => value.toFixed(digits)).join(', ');
  if (!lons) return ground;
  const lat = interpolate(data.place.lats, col, row), east = interpolate(lons, col, row);
  const lon = ((east + 180) % 360 + 360) % 360 - 180;
  const degrees = `${Math.abs(lat).toFixed(5)}° ${lat < 0 ? 'S' : 'N'}, ${Math.abs(lon).toFixed(5)}° ${lon < 0 ? 'W' : 'E'}`;
  return geographic ? degrees : `${ground} (${degrees})`;
}

/* Between the four values of the lattice around a pixel. */
function interpolate(values, col, row) {
  const steps = data.place.steps;
  const [x, y] = [col / data.width * steps, row / data.height * steps];
  const [left, top] = [x, y].map((value) => clamp(Math.floor(value), 0, steps - 1));
  const at = (i, j) => values[(top + j) * (steps + 1) + left + i];
  const [u, v] = [x - left, y - top];
  return (at(0, 0) * (1 - u) + at(1, 0) * u) * (1 - v) + (at(0, 1) * (1 - u) + at(1, 1) * u) * v;
}

function drawNorth() {
  const mark = document.getElementById('north');
  const angle = data.place ? data.place.north : null;
  if (angle === null) return;
  mark.removeAttribute('hidden');
  mark.setAttribute('aria-label', `North is ${angle} degrees clockwise from up`);
  mark.style.setProperty('--north', `${angle}deg`);
}

stage.addEventListener('pointermove', (event) => {
  pointer = [event.clientX, event.clientY];
  showPlace();
});
stage.addEventListener('pointerleave', () => {
  pointer = null;
  showPlace();
});

/* ---- changes ---- */

function showWhole() {
  choose(null);
  zoomTo([0, 0, data.width, data.height]);
  statusLine.textContent = scale > 1 && data.changes.length
    ? `Preview, reduced ${Number(scale.toPrecision(2))} times. Choose a change to see it sharp.` : '';
}

/* Zoom to a change, the index in the list, and put its sharper pictures in place. */
function choose(index) {
  chosen = index;
  for (const old of stage.querySelectorAll('.crop, .frame')) old.remove();
  document.querySelectorAll('#changes button').forEach((button, i) => button.setAttribute('aria-pressed', i === index));
  document.querySelectorAll('.pin').forEach((pin, i) => pin.classList.toggle('chosen', i === index));
  const cut = index === null ? null : data.changes[index].crop;
  for (const preview of scene.overlay.querySelectorAll('.preview')) {
    preview.classList.toggle('cut', cut !== null);
    if (cut) preview.style.setProperty('--cut', hole(cut));
  }
  if (index === null) return;
  const change = data.changes[index];
  lay(change.pictures, change.crop, 'crop');
  filterGroups();
  place(add(scene.marks, 'div', {class: 'frame'}), change.box);
  zoomTo(change.crop);
  statusLine.textContent = `Change ${change.rank}` +
    `${change.name ? `: ${change.name}, ` : ` of ${data.changes.length}: `}${change.area}, mean probability ` +
    `${change.probability}${change.place ? `, middle ${change.place}` : ''}.`;
}

/* Everything but a box: the overlay of the preview must not show through that of a crop. */
function hole([left, top, wide, high]) {
  const [l, t, r, b] = [left, top, left + wide, top + high].map((v) => v / scale);
  return `polygon(evenodd, 0 0, ${width}px 0, ${width}px ${height}px, 0 ${height}px, 0 0, ` +
    `${l}px ${t}px, ${r}px ${t}px, ${r}px ${b}px, ${l}px ${b}px, ${l}px ${t}px)`;
}

function listChanges() {
  const list = document.getElementById('changes');
  data.changes.forEach((change, index) => {
    const button = add(add(list, 'li'), 'button', {type: 'button', 'aria-pressed': 'false'});
    add(button, 'span', {class: 'rank'}, `${change.rank}`);
    add(button, 'img', {src: change.pictures.before, alt: 'before', draggable: 'false'});
    add(button, 'img', {src: change.pictures.after, alt: 'after', draggable: 'false'});
    const text = add(button, 'span');
    add(text, 'b', {}, change.area);
    if (change.name) {
      const name = add(text, 'small');
      const swatch = document.querySelector(`[name=group][value="${change.group}"] + i`);
      if (swatch) name.append(swatch.cloneNode());
      name.append(change.name);
      if (change.classes) add(text, 'small', {}, change.classes);
      button.parentNode.dataset.group = change.group;
    }
    add(text, 'small', {}, `probability ${change.probability}`);
    if (change.spot) add(text, 'small', {class: 'place'}, change.spot);
    button.addEventListener('click', () => {
      choose(index);
      if (stage.getBoundingClientRect().top < 0) stage.scrollIntoView({block: 'start'});
    });
    const [left, top, wide] = change.box;
    const pin = add(scene.marks, 'button', {type: 'button', class: 'pin', tabindex: '-1', 'aria-hidden': 'true'},
      `${change.rank}`);
    Object.assign(pin.style, {left: `${(left + wide / 2) / scale}px`, top: `${top / scale}px`});
    if (change.name) pin.dataset.group = change.group;
    pin.addEventListener('click', () => choose(index));
  });
}

/* ---- swipe ---- */

function split(percent) {
  const value = clamp(percent, 0, 100);
  stage.style.setProperty('--split', `${value}%`);
  swipe.setAttribute('aria-valuenow', Math.round(value));
  swipe.setAttribute('aria-valuetext', `${Math.round(value)} % before`);
}

swipe.addEventListener('pointerdown', (event) => {
  event.stopPropagation();
  swipe.setPointerCapture(event.pointerId);
});
swipe.addEventListener('pointermove', (event) => {
  if (!swipe.hasPointerCapture(event.pointerId)) return;
  const box = stage.getBoundingClientRect();
  split(100 * (event.clientX - box.left) / box.width);
});
swipe.addEventListener('keydown', (event) => {
  const now = Number(swipe.getAttribute('aria-valuenow'));
  const next = {ArrowLeft: now - 2, ArrowDown: now - 2, ArrowRight: now + 2, ArrowUp: now + 2,
    PageDown: now - 10, PageUp: now + 10, Home: 0, End: 100}[event.key];
  if (next === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  split(next);
});

/* ---- moving and zooming ---- */

let last = null;
stage.addEventListener('pointerdown', (event) => {
  if (event.button !== 0 || event.target.closest('button')) return;
  last = [event.clientX, event.clientY];
  stage.classList.add('dragging');
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener('pointermove', (event) => {
  if (!last) return;
  view.x += event.clientX - last[0];
  view.y += event.clientY - last[1];
  last = [event.clientX, event.clientY];
  show();
});
for (const name of ['pointerup', 'pointercancel']) {
  stage.addEventListener(name, () => {
    last = null;
    stage.classList.remove('dragging');
  });
}
stage.addEventListener('wheel', (event) => {
  if (event.deltaY > 0 && view.zoom <= fitZoom()) return; // nothing left to zoom out of: the page scrolls
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), event.clientX - box.left, event.clientY - box.top);
}, {passive: false});
stage.addEventListener('keydown', (event) => {
  const step = 60;
  const move = {ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step]}[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (move) {
    view.x += move[0];
    view.y += move[1];
    show();
  } else if (event.key === '+' || event.key === '=') zoomAt(1.5);
  else if (event.key === '-') zoomAt(1 / 1.5);
  else if (event.key === '0') showWhole();
  else return;
  event.preventDefault();
});
document.getElementById('in').addEventListener('click', () => zoomAt(1.5));
document.getElementById('out').addEventListener('click', () => zoomAt(1 / 1.5));
document.getElementById('fit').addEventListener('click', showWhole);

/* ---- overlay ---- */

function chooseOverlay() {
  overlay.dataset.kind = document.querySelector('[name=overlay]:checked').value;
  document.getElementById('opacity').disabled = overlay.dataset.kind === 'none';
}
document.querySelectorAll('[name=overlay]').forEach((input) => input.addEventListener('change', chooseOverlay));

/* Hide pictures, pins and lines of the groups that are not ticked. */
function filterGroups() {
  const hidden = new Set([...document.querySelectorAll('[name=group]:not(:checked)')].map((input) => input.value));
  document.querySelectorAll('[data-group]').forEach((one) => one.classList.toggle('off', hidden.has(one.dataset.group)));
}
document.querySelectorAll('[name=group]').forEach((input) => input.addEventListener('change', filterGroups));
const opacity = document.getElementById('opacity');
const fade = () => stage.style.setProperty('--opacity', opacity.value / 100);
opacity.addEventListener('input', fade);

lay(data.preview, [0, 0, data.width, data.height], 'preview');
listChanges();
filterGroups();
chooseOverlay(); // a browser that goes back to the page restores the inputs
fade();
split(50);
drawNorth();
showWhole();
new ResizeObserver(() => (chosen === null ? showWhole() : zoomTo(data.changes[chosen].crop))).observe(stage);
