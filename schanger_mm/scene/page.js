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
  place(add(scene.marks, 'div', {class: 'frame'}), change.box);
  zoomTo(change.crop);
  statusLine.textContent = `Change ${change.rank} of ${data.changes.length}: ${change.area}, mean probability ` +
    `${change.probability}.`;
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
    add(text, 'small', {}, `probability ${change.probability}`);
    button.addEventListener('click', () => {
      choose(index);
      if (stage.getBoundingClientRect().top < 0) stage.scrollIntoView({block: 'start'});
    });
    const [left, top, wide] = change.box;
    const pin = add(scene.marks, 'button', {type: 'button', class: 'pin', tabindex: '-1', 'aria-hidden': 'true'},
      `${change.rank}`);
    Object.assign(pin.style, {left: `${(left + wide / 2) / scale}px`, top: `${top / scale}px`});
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
const opacity = document.getElementById('opacity');
const fade = () => stage.style.setProperty('--opacity', opacity.value / 100);
opacity.addEventListener('input', fade);

lay(data.preview, [0, 0, data.width, data.height], 'preview');
listChanges();
chooseOverlay(); // a browser that goes back to the page restores the inputs
fade();
split(50);
showWhole();
new ResizeObserver(() => (chosen === null ? showWhole() : zoomTo(data.changes[chosen].crop))).observe(stage);
