'use strict';
// The table of layers, the drawing, the theme. No framework, no request; what comes from a file is only ever text.
(() => {
  const $ = (id) => document.getElementById(id);
  const svgNames = 'http://www.w3.org/2000/svg';

  /** An element with attributes and children; texts become text nodes. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
      else if (value !== null) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  function draw(name, attributes, parent) {
    const element = document.createElementNS(svgNames, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  // ---- numbers: four digits, as the tables that the program wrote have them

  function scaled(count, base, units) {
    let value = Number(count), unit = -1;
    while (value >= base && unit + 1 < units.length) { value /= base; unit += 1; }
    const digits = (v) => v.toFixed(v >= 1000 ? 0 : v >= 100 ? 1 : v >= 10 ? 2 : 3);
    if (Number(digits(value)) >= base && unit + 1 < units.length) { value /= base; unit += 1; }
    return unit < 0 ? null : `${digits(value)} ${units[unit]}`;
  }
  const count = (n) => (n === null ? 'unknown' : Number(n) === 0 ? '-' : scaled(n, 1000, ['k', 'M', 'G', 'T', 'P', 'E']) ?? String(n));
  const bytes = (n) => (Number(n) === 0 ? '-' : scaled(n, 1024, ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']) ?? `${n} B`);
  const many = (n, thing) => `${grouped(n)} ${thing}${Number(n) === 1 ? '' : 's'}`;
  const grouped = (n) => String(n ?? 'unknown').replace(/\B(?=(\d{3})+$)/g, ',');

  // ---- theme

  const theme = $('theme');
  const themes = ['system', 'dark', 'light'];
  theme.hidden = false;
  theme.addEventListener('click', () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? 'system') + 1) % 3];
    if (next === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    theme.textContent = `Theme: ${next}`;
  });

  if (!$('data')) return;
  const data = JSON.parse($('data').textContent);
  const [NAME, OP, SETTINGS, STAGE, SHAPE, PARAMETERS, MACS, FLOPS, ACTIVATIONS, CIO, TRAFFIC, PLACE, READS, ID] =
    Array(14).keys();
  const total = Number(data.macs) || 1;
  const byId = new Map(data.nodes.map((node) => [node[ID], node]));
  const paths = new Map(data.gradient.map((row) => [row[0], row]));
  const readers = new Map();
  for (const node of data.nodes) {
    for (const source of new Set(node[READS])) {
      if (!readers.has(source)) readers.set(source, []);
      readers.get(source).push(node[ID]);
    }
  }
  const stageOf = (node) => (node[STAGE] < 0 ? '' : data.stages[node[STAGE]]);
  const percent = (macs) => (Number(macs) === 0 ? '-' : `${((100 * Number(macs)) / total).toFixed(1)} %`);

  // ---- the table

  const columns = [
    { title: 'layer', text: (n) => n[NAME] },
    { title: 'op', text: (n) => data.ops[n[OP]] },
    { title: 'output', text: (n) => n[SHAPE] },
    { title: 'params', number: PARAMETERS, show: count },
    { title: 'MACs', number: MACS, show: count },
    { title: '%', number: MACS, show: percent },
    { title: 'FLOPs', number: FLOPS, show: count },
    { title: 'activations', number: ACTIVATIONS, show: count },
    { title: 'CIO', number: CIO, show: count },
    { title: 'traffic', number: TRAFFIC, show: bytes },
  ];
  // In the copy there is no share, which follows from the MACs, and there is the stage, which names mostly begin with.
  const copied = [...columns.filter((column) => column.title !== '%'), { title: 'stage', text: stageOf }];
  const order = { column: null, down: true };
  const rows = new Map();
  const status = $('status');
  let heads = [];

  function row(node) {
    const cells = columns.map((column, index) => {
      if (index === 0) {
        const choice = make('button', { type: 'button', class: 'name', title: 'Show it in the drawing' }, make('bdi', {}, node[NAME]));
        choice.addEventListener('click', () => { choose(node[ID]); reveal(node[ID]); });
        return make('th', { scope: 'row' }, choice);
      }
      if (column.text) return make('td', {}, make('bdi', {}, column.text(node)));
      return make('td', { class: 'n', title: grouped(node[column.number]) }, column.show(node[column.number]));
    });
    return make('tr', {}, ...cells);
  }

  function visible() {
    const words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
    const stage = $('stage').value;
    const chosen = data.nodes.filter((node) => {
      if (stage !== '' && node[STAGE] !== Number(stage)) return false;
      const text = `${node[NAME]} ${data.ops[node[OP]]}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const column = columns[order.column];
    if (!column) return chosen;
    const key = column.text ?? ((node) => Number(node[column.number]));
    const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b, 'en', { numeric: true }) : a - b);
    const sign = order.down ? -1 : 1;
    return chosen.map((node) => [key(node), node]).sort((a, b) => sign * compare(a[0], b[0])).map(([, node]) => node);
  }

  function fill() {
    const nodes = visible();
    const bodies = [];
    if ($('group').checked) {
      const groups = new Map();
      for (const node of nodes) {
        if (!groups.has(node[STAGE])) groups.set(node[STAGE], []);
        groups.get(node[STAGE]).push(node);
      }
      for (const [stage, members] of [...groups].sort((a, b) => a[0] - b[0])) {
        const sum = (index) => members.reduce((all, node) => all + Number(node[index]), 0);
        const head = make('tr', { class: 'stage' },
          make('th', { scope: 'rowgroup' }, make('bdi', {}, stage < 0 ? 'outside all stages' : data.stages[stage])),
          make('td', {}, many(members.length, 'layer')), make('td', {}),
          ...columns.slice(3).map((column) => make('td', { class: 'n' }, column.show(sum(column.number)))));
        bodies.push(make('tbody', {}, head, ...members.map((node) => rows.get(node[ID]))));
      }
    } else {
      bodies.push(make('tbody', {}, ...nodes.map((node) => rows.get(node[ID]))));
    }
    table.querySelectorAll('tbody').forEach((body) => body.remove());
    table.append(...bodies);
    heads.forEach((head, index) => {
      if (index === order.column) head.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    status.textContent = `${grouped(nodes.length)} of ${grouped(data.nodes.length)} layers`;
  }

  function sort(index) {
    const first = Boolean(columns[index].number);
    if (order.column !== index) Object.assign(order, { column: index, down: first });
    else if (order.down === first) order.down = !first;
    else order.column = null;
    fill();
  }

  function csv() {
    const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
    const lines = [copied.map((column) => column.title).join(',')];
    for (const node of visible()) {
      lines.push(copied.map((column) => field(column.text ? column.text(node) : String(node[column.number] ?? ''))).join(','));
    }
    return `${lines.join('\n')}\n`;
  }

  async function copy() {
    const text = csv();
    const done = () => { status.textContent = `${many(visible().length, 'layer')} copied as CSV`; };
    try {
      await navigator.clipboard.writeText(text);
      done();
    } catch {
      // Pages that are opened from disk may have no clipboard of that kind.
      const area = make('textarea', { class: 'unseen', 'aria-label': 'CSV' });
      area.value = text;
      document.body.append(area);
      area.select();
      const copied = document.execCommand('copy');
      area.remove();
      if (copied) done();
      else status.textContent = 'The browser does not let this page copy.';
    }
  }

  const table = make('table', {}, make('caption', { class: 'unseen' }, 'All layers; the heads sort'));
  heads = columns.map((column, index) => make('th', { scope: 'col', class: column.number ? 'n' : null },
    make('button', { type: 'button', onclick: () => sort(index) }, column.title)));
  table.append(make('thead', {}, make('tr', {}, ...heads)));
  for (const node of data.nodes) rows.set(node[ID], row(node));
  $('rows').append(table);
  data.stages.forEach((stage, index) => {
    if (data.nodes.some((node) => node[STAGE] === index)) $('stage').append(make('option', { value: String(index) }, stage));
  });
  $('filter').addEventListener('input', fill);
  $('stage').addEventListener('change', fill);
  $('group').addEventListener('change', fill);
  $('csv').addEventListener('click', copy);
  $('table').hidden = false;
  fill();

  // ---- the drawing: boxes are laid out in rows and columns already; here are only their sizes

  const boxes = data.drawing.containers;
  const canvas = $('canvas'), panel = $('panel');
  const open = new Set([0]);
  const parent = new Array(boxes.length).fill(-1), home = new Map();
  boxes.forEach((box, index) => box.items.forEach((item) => {
    if (item < 0) parent[-1 - item] = index; else home.set(item, index);
  }));
  // Below this zoom names are too small to read.
  const READABLE = 0.85;
  const GAP = 30, SIDE = 26, PAD = 14, HEAD = 30, HIGH = 40, LANE = 7, LANES = 280;
  const state = { zoom: 1, chosen: null, elements: new Map(), places: new Map(), current: null, svg: null, width: 0, height: 0 };

  const cut = (text, most = 30) => (text.length > most ? `…${text.slice(1 - most)}` : text);
  const short = (name, group) => {
    const outer = boxes[group].name;
    return outer !== '' && name.startsWith(`${outer}/`) ? name.slice(outer.length + 1) : name;
  };
  const words = (item, group) => {
    if (item < 0) {
      const box = boxes[-1 - item];
      return [cut(box.label), `${many(box.nodes, 'layer')} · ${percent(box.sums[1])} of MACs`];
    }
    const node = byId.get(item);
    return node ? [cut(short(node[NAME], group)), `${node[SHAPE]}`] : [String(item), ''];
  };
  const share = (item) => Number(item < 0 ? boxes[-1 - item].sums[1] : byId.get(item)?.[MACS] ?? 0) / total;
  const isOpen = (item) => item < 0 && open.has(-1 - item) && boxes[-1 - item].items.length > 0;

  function size(item, group) {
    if (isOpen(item)) return measure(-1 - item);
    const [label, sub] = words(item, group);
    return { width: Math.min(260, Math.max(96, 28 + Math.max(label.length * 6.8, sub.length * 5.4))), height: HIGH };
  }

  /** Sizes and places of what is in an open box, relative to it. */
  function measure(group) {
    const box = boxes[group];
    const sizes = box.items.map((item) => size(item, group));
    const widths = [], heights = [];
    sizes.forEach(({ width, height }, index) => {
      widths[box.columns[index]] = Math.max(widths[box.columns[index]] ?? 0, width);
      heights[box.rows[index]] = Math.max(heights[box.rows[index]] ?? 0, height);
    });
    const lefts = [], tops = [];
    let right = PAD, bottom = (group === 0 ? 0 : HEAD) + GAP / 2;
    for (let column = 0; column < widths.length; column += 1) { lefts[column] = right; right += (widths[column] ?? 0) + SIDE; }
    for (let line = 0; line < heights.length; line += 1) { tops[line] = bottom; bottom += heights[line] + GAP; }
    right = Math.max(right - SIDE, 0);
    const step = box.lanes ? Math.min(LANE, LANES / box.lanes) : 0;
    const places = sizes.map(({ width, height }, index) => {
      const column = box.columns[index], line = box.rows[index];
      return {
        x: lefts[column] + (widths[column] - width) / 2, y: tops[line] + (heights[line] - height) / 2, width, height,
        top: tops[line], bottom: tops[line] + heights[line],
      };
    });
    const lane = (index) => right + 16 + index * step;
    return {
      width: Math.max((box.lanes ? lane(box.lanes - 1) : right) + PAD, 60 + cut(box.label).length * 7),
      height: Math.max(bottom - GAP / 2, HIGH), sizes, places, lane,
    };
  }

  /** The line from one end to others, relative to the box. */
  function wire(group, found, from, to, lane) {
    const end = found.height, head = group === 0 ? 0 : HEAD;
    const at = (index) => found.places[index];
    const middle = (place) => place.x + place.width / 2;
    if (lane === null) {
      const target = to[0];
      if (from === -1) return `M${middle(at(target))} ${head}V${at(target).y}`;
      if (target === -2) return `M${middle(at(from))} ${at(from).y + at(from).height}V${end}`;
      const a = at(from), b = at(target), x = middle(a), z = middle(b), y = (a.bottom + b.top) / 2;
      return `M${x} ${a.y + a.height}V${a.bottom}C${x} ${y} ${z} ${y} ${z} ${b.top}V${b.y}`;
    }
    const x = found.lane(lane), bend = 4;
    const start = from === -1 ? head : at(from).bottom + GAP / 3;
    let line = from === -1 ? `M${x} ${head}`
      : `M${middle(at(from))} ${at(from).y + at(from).height}V${start - bend}q0 ${bend} ${bend} ${bend}H${x - bend}q${bend} 0 ${bend} ${bend}`;
    const stops = to.map((target) => (target === -2 ? end : at(target).top - GAP / 3));
    line += `V${Math.max(...stops) - (to.includes(-2) ? 0 : bend)}`;
    if (Math.min(...stops) < start) line += `M${x} ${start}V${Math.min(...stops)}`;
    to.forEach((target, index) => {
      if (target === -2) return;
      const z = middle(at(target));
      line += `M${x} ${stops[index] - bend}q0 ${bend} ${-bend} ${bend}H${z + bend}q${-bend} 0 ${-bend} ${bend}V${at(target).y}`;
    });
    return line;
  }

  function paint(item, group, where, own, into) {
    const element = draw('g', { class: isOpen(item) ? 'box open' : 'box', tabindex: '-1', role: 'button', transform: `translate(${where.x} ${where.y})` }, into);
    const [label, sub] = words(item, group);
    const isBox = item < 0 && boxes[-1 - item].items.length > 0;
    element.dataset[item < 0 ? 'box' : 'node'] = String(item < 0 ? -1 - item : item);
    element.setAttribute('aria-label', `${label}, ${sub}${item < 0 ? '' : `, ${data.ops[byId.get(item)?.[OP]] ?? ''}`}`);
    if (isBox) element.setAttribute('aria-expanded', String(isOpen(item)));
    draw('rect', { class: 'shape', width: where.width, height: where.height, rx: item < 0 ? 8 : 4 }, element);
    const full = item < 0 ? boxes[-1 - item].name : byId.get(item)?.[NAME] ?? '';
    draw('title', {}, element).textContent = full;
    const title = draw('text', { x: isBox ? 12 : where.width / 2, y: isOpen(item) ? 20 : 18, 'text-anchor': isBox ? 'start' : 'middle' }, element);
    title.textContent = isBox ? `${isOpen(item) ? '▾' : '▸'} ${label}` : label;
    if (!isOpen(item)) {
      const text = draw('text', { class: 'sub', x: isBox ? 12 : where.width / 2, y: 31, 'text-anchor': isBox ? 'start' : 'middle' }, element);
      text.textContent = sub;
      const part = share(item);
      if (part > 0) draw('rect', { class: 'bar', x: 4, y: where.height - 4, width: Math.max(1, (where.width - 8) * part), height: 2.5, rx: 1 }, element);
    }
    state.elements.set(item, element);
    if (isOpen(item)) fillBox(-1 - item, own, element);
  }

  function fillBox(group, found, into) {
    const box = boxes[group];
    const wires = draw('g', { 'aria-hidden': 'true' }, into);
    for (const [from, to] of box.straight) draw('path', { class: 'wire', d: wire(group, found, from, [to], null) }, wires);
    for (const [lane, from, to] of box.buses) draw('path', { class: 'wire', d: wire(group, found, from, to, lane) }, wires);
    box.items.forEach((item, index) => paint(item, group, found.places[index], found.sizes[index], into));
    state.places.set(group, found);
  }

  function redraw() {
    state.elements.clear();
    state.places.clear();
    const found = measure(0);
    Object.assign(state, { width: found.width, height: found.height + 4 });
    const svg = document.createElementNS(svgNames, 'svg');
    svg.setAttribute('viewBox', `0 -2 ${state.width} ${state.height}`);
    fillBox(0, found, svg);
    state.svg = svg;
    canvas.replaceChildren(svg);
    zoom(state.zoom);
    mark();
  }

  function zoom(to) {
    state.zoom = Math.min(3, Math.max(0.05, to));
    state.svg.setAttribute('width', String(state.width * state.zoom));
    state.svg.setAttribute('height', String(state.height * state.zoom));
  }

  function zoomAt(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const before = state.zoom;
    const [left, top] = [(canvas.scrollLeft + x) / before, (canvas.scrollTop + y) / before];
    zoom(before * factor);
    canvas.scrollLeft = left * state.zoom - x;
    canvas.scrollTop = top * state.zoom - y;
  }

  /** The whole width in view, and the height as far as letters stay legible; all of it where nothing is `least`. */
  function fit(least = READABLE) {
    zoom(Math.min(1.25, Math.max(least, Math.min((canvas.clientWidth - 16) / state.width, (canvas.clientHeight - 16) / state.height))));
    canvas.scrollLeft = (canvas.scrollWidth - canvas.clientWidth) / 2;
  }

  /** The box that shows a layer: itself, or the outermost folded box around it. */
  function shownAs(id) {
    if (!home.has(id)) return null;
    let item = id;
    for (let group = home.get(id); group > 0; group = parent[group]) if (!open.has(group)) item = -1 - group;
    return item;
  }
  const groupOf = (item) => (item < 0 ? parent[-1 - item] : home.get(item));

  function spot(item) {
    const element = state.elements.get(item);
    const own = element.getBoundingClientRect(), all = state.svg.getBoundingClientRect();
    const shape = element.querySelector('rect.shape').getBoundingClientRect();
    return { x: (own.left - all.left) / state.zoom, y: (shape.top - all.top + shape.height / 2) / state.zoom - 2, left: (shape.left - all.left) / state.zoom };
  }

  function mark() {
    state.elements.forEach((element) => element.classList.remove('self', 'source', 'reader'));
    rows.forEach((element, id) => element.classList.toggle('chosen', id === state.chosen));
    state.svg.querySelector('.marks')?.remove();
    if (state.chosen === null) return;
    const own = shownAs(state.chosen);
    if (own === null || !state.elements.has(own)) return;
    const marks = draw('g', { class: 'marks', 'aria-hidden': 'true', 'pointer-events': 'none' }, state.svg);
    const around = groupOf(own), found = state.places.get(around), box = boxes[around];
    const place = box.items.indexOf(own);
    const element = state.elements.get(own);
    const base = element.parentNode === state.svg ? { x: 0, y: 0 } : offset(element.parentNode);
    const light = (from, to, lane, kind) => draw('path', { class: `wire ${kind}`, d: wire(around, found, from, [to], lane), transform: `translate(${base.x} ${base.y})` }, marks);
    for (const [from, to] of box.straight) {
      if (to === place) light(from, to, null, 'into');
      if (from === place) light(from, to, null, 'out');
    }
    for (const [lane, from, targets] of box.buses) {
      for (const to of targets) {
        if (to === place) light(from, to, lane, 'into');
        if (from === place) light(from, to, lane, 'out');
      }
    }
    const row = paths.get(state.chosen);
    const here = row ? spot(own) : null;
    const side = (ids, kind) => {
      for (const item of new Set(ids.map(shownAs))) {
        if (item === null || item === own || !state.elements.has(item)) continue;
        state.elements.get(item).classList.add(kind);
        const there = spot(item);
        const reach = Math.min(there.left, here.left) - 18 - Math.min(60, Math.abs(there.y - here.y) / 12);
        draw('path', { class: `wire arc ${kind === 'source' ? 'into' : 'out'}`, d: `M${there.left} ${there.y}C${reach} ${there.y} ${reach} ${here.y} ${here.left} ${here.y}` }, marks);
      }
    };
    if (row) {
      side(row[5].filter((id) => id >= 0), 'reader');
      side(row[4].map((source) => source[0]).filter((id) => id >= 0), 'source');
    }
    element.classList.add('self');
  }

  /** Where a box stands in the drawing. */
  function offset(element) {
    const at = { x: 0, y: 0 };
    for (let box = element; box && box !== state.svg; box = box.parentNode) {
      const [, x, y] = /translate\(([^ ]+) ([^ )]+)\)/.exec(box.getAttribute('transform') ?? '') ?? [0, 0, 0];
      at.x += Number(x);
      at.y += Number(y);
    }
    return at;
  }

  const facts = (pairs) => make('dl', {}, ...pairs.flatMap(([name, value, title]) => [make('dt', {}, name), make('dd', { title: title ?? null }, make('bdi', {}, value))]));
  const link = (id, note = '') => {
    const node = byId.get(id);
    const choice = node ? make('button', { type: 'button', class: 'name', onclick: () => { choose(id); reveal(id); } }, make('bdi', {}, node[NAME])) : make('bdi', {}, id < 0 ? 'loss' : String(id));
    return make('li', {}, choice, make('span', { class: 'quiet' }, note));
  };
  const list = (title, items) => (items.length ? [make('h4', {}, title), make('ul', {}, ...items)] : []);

  function describe(id) {
    const node = byId.get(id);
    if (!node) return;
    const own = paths.get(id);
    const settings = data.settings[node[SETTINGS]];
    const costs = [['op', data.ops[node[OP]]], ['output', node[SHAPE]], ['parameters', count(node[PARAMETERS]), grouped(node[PARAMETERS])],
      ['MACs', `${count(node[MACS])} (${percent(node[MACS])})`, grouped(node[MACS])], ['FLOPs', count(node[FLOPS]), grouped(node[FLOPS])],
      ['activations', count(node[ACTIVATIONS])], ['CIO', count(node[CIO])], ['traffic', bytes(node[TRAFFIC])]];
    if (stageOf(node)) costs.push(['stage', stageOf(node)]);
    if (node[PLACE]) costs.push(['in the file', node[PLACE]]);
    panel.replaceChildren(make('h3', {}, make('bdi', {}, node[NAME])), facts(costs));
    if (settings.length) panel.append(make('h4', {}, 'Attributes'), facts(settings));
    if (own) {
      const lengths = own[2] === null ? [] : [['shortest path', many(own[2], 'layer')], ['longest path', many(own[3], 'layer')]];
      panel.append(make('h4', {}, 'Gradient paths'), facts([...(own[1] === null ? [] : [['log₂ of their number', own[1]]]), ...lengths]));
      panel.append(...list(`Gradient sources: ${own[4].length}`, own[4].map(([source, first, channels, ways]) =>
        link(source, `channels ${first}–${first + channels - 1}${ways > 1 ? ` ×${ways}` : ''}`))));
      panel.append(...list(`Consumers: ${own[5].length}`, own[5].map((reader) => link(reader))));
    }
    panel.append(...list('Reads', node[READS].map((source) => link(source))));
    panel.append(...list('Read by', (readers.get(id) ?? []).map((reader) => link(reader))));
    panel.scrollTop = 0;
  }

  function describeBox(group) {
    const box = boxes[group];
    const [parameters, macs, flops] = box.sums;
    panel.replaceChildren(make('h3', {}, make('bdi', {}, box.name)), facts([['layers', grouped(box.nodes)], ['parameters', count(parameters), grouped(parameters)],
      ['MACs', `${count(macs)} (${percent(macs)})`, grouped(macs)], ['FLOPs', count(flops), grouped(flops)]]));
  }

  function choose(id) {
    state.chosen = id;
    if (state.svg) mark(); else rows.forEach((element, other) => element.classList.toggle('chosen', other === id));
    describe(id);
  }

  /** Unfolds what is around a layer and brings it into view. */
  function reveal(id) {
    if (!home.has(id)) return;
    let changed = false;
    for (let group = home.get(id); group > 0; group = parent[group]) if (!open.has(group)) { open.add(group); changed = true; }
    if (changed) redraw();
    if (state.zoom < READABLE) zoom(READABLE);
    $('drawing').scrollIntoView({ block: 'nearest' });
    center(state.elements.get(id));
    state.elements.get(id)?.focus({ preventScroll: true });
  }

  function center(element) {
    if (!element) return;
    const own = element.getBoundingClientRect(), all = canvas.getBoundingClientRect();
    canvas.scrollLeft += own.left + own.width / 2 - all.left - canvas.clientWidth / 2;
    canvas.scrollTop += own.top + Math.min(own.height, 60) / 2 - all.top - canvas.clientHeight / 2;
  }

  function toggle(group) {
    const item = -1 - group;
    const top = () => { const at = state.elements.get(item).getBoundingClientRect(); return [at.left, at.top]; };
    const before = top();
    if (open.has(group)) open.delete(group); else open.add(group);
    redraw();
    const after = top();
    canvas.scrollLeft += after[0] - before[0];
    canvas.scrollTop += after[1] - before[1];
    state.elements.get(item).focus({ preventScroll: true });
  }

  function act(element) {
    if (element.dataset.node) return choose(Number(element.dataset.node));
    const group = Number(element.dataset.box);
    describeBox(group);
    if (boxes[group].items.length) toggle(group);
  }

  const actions = {
    in: () => zoomAt(1.25), out: () => zoomAt(0.8), fit: () => { fit(0); canvas.scrollTop = 0; },
    unfold: () => { boxes.forEach((_, group) => open.add(group)); redraw(); },
    fold: () => { open.clear(); open.add(0); redraw(); fit(); },
  };

  function keys(event) {
    const elements = [...state.elements.values()];
    const at = elements.indexOf(document.activeElement);
    const go = (index) => { const next = elements[Math.min(elements.length - 1, Math.max(0, index))]; next?.focus({ preventScroll: true }); center(next); };
    const focused = at >= 0 ? elements[at] : null;
    const known = {
      ArrowDown: () => go(at + 1), ArrowRight: () => go(at + 1), ArrowUp: () => go(at - 1), ArrowLeft: () => go(at - 1),
      Home: () => go(0), End: () => go(elements.length - 1), Enter: () => focused && act(focused),
      ' ': () => focused && (focused.dataset.node ? act(focused) : describeBox(Number(focused.dataset.box))),
      '+': actions.in, '=': actions.in, '-': actions.out, 0: actions.fit,
    };
    if (!known[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    known[event.key]();
  }

  function drag(event) {
    if (event.button !== 0 || event.pointerType === 'touch') return;
    const start = { x: event.clientX, y: event.clientY, left: canvas.scrollLeft, top: canvas.scrollTop };
    let moved = false;
    const move = (next) => {
      const [x, y] = [next.clientX - start.x, next.clientY - start.y];
      if (!moved && Math.hypot(x, y) < 5) return;
      moved = true;
      canvas.classList.add('drags');
      canvas.scrollLeft = start.left - x;
      canvas.scrollTop = start.top - y;
    };
    const end = () => {
      window.removeEventListener('pointermove', move);
      canvas.classList.remove('drags');
      // A drag ends in a click, which is none.
      if (moved) window.addEventListener('click', (click) => click.stopPropagation(), { capture: true, once: true });
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', end, { once: true });
  }

  if (boxes.length === 0) return;
  $('drawing').hidden = false;
  // Unfolded as far as it stays in view.
  for (let level = [0], shown = boxes[0].items.length; level.length;) {
    const inner = level.flatMap((group) => boxes[group].items.filter((item) => item < 0).map((item) => -1 - item));
    shown += inner.reduce((all, group) => all + boxes[group].items.length, 0);
    if (shown > 48) break;
    inner.forEach((group) => open.add(group));
    level = inner;
  }
  redraw();
  fit();
  canvas.addEventListener('click', (event) => { const box = event.target.closest('.box'); if (box) act(box); });
  canvas.addEventListener('keydown', keys);
  canvas.addEventListener('pointerdown', drag);
  canvas.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const at = canvas.getBoundingClientRect();
    zoomAt(Math.exp(-event.deltaY / 300), event.clientX - at.left, event.clientY - at.top);
  }, { passive: false });
  document.querySelectorAll('[data-do]').forEach((button) => button.addEventListener('click', () => actions[button.dataset.do]()));
})();
