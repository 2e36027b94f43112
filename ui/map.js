/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map - services, and who calls whom: callers on the left, an arrow for each kind of call with its rate, errors and durations. A click
 * on a service lists the requests in which it takes part.
 */
import { Latest } from './api.js';
import { byId, el, fill } from './dom.js';
import { count, duration, plural } from './text.js';

const WIDTH = 178, GAP = 196, HEIGHT = 62, ROOM = 18, EDGE = 12;
const LABEL = 164, PORT = 34; /* of an arrow: how wide its words are, how high */
const SVG = 'http://www.w3.org/2000/svg';

function svg(tag, attributes, ...children) {
	const node = document.createElementNS(SVG, tag);

	for (const [name, value] of Object.entries(attributes))
		node.setAttribute(name, value);
	node.append(...children);
	return node;
}

export class ServiceMap {
	#answer = new Latest();

	/* hooks: service(name) was clicked; failed(error) */
	constructor(hooks) {
		this.hooks = hooks;
		this.root = byId('map');
	}

	async show() {
		try {
			this.#draw(await this.#answer.get('map'));
		} catch (e) {
			this.hooks.failed(e);
		}
	}

	#draw(map) {
		this.data = map;
		if (!map.services.length) {
			fill(this.root, el('p', { class: 'none' }, 'No requests are in this recording: ', el('code', {}, 'saker record --with sched'), ' records them.'));
			return;
		}
		const nodes = layers(map);
		const width = Math.max(...nodes.map((n) => n.x)) + WIDTH + EDGE, height = Math.max(...nodes.map((n) => n.y + n.height)) + EDGE;
		const chart = el('div', { class: 'chart' }, nodes.map((node) => this.#node(node)));

		chart.style.width = `${width}px`;
		chart.style.height = `${height}px`;
		const found = routes(map, nodes);

		chart.prepend(arrows(found, width, height));
		chart.append(...found.map(label).filter(Boolean));
		fill(this.root, el('div', { class: 'scroll' }, chart), calls(map));
	}

	#node({ name, outside, requests, failed, p50_ns: p50, p99_ns: p99, x, y, height }) {
		const node = el('button', { class: outside ? 'node outside' : 'node', title: `requests of ${name || 'outside'}`, 'data-service': name,
			onclick: () => this.hooks.service(name) },
		el('b', {}, el('bdi', {}, name || 'outside'), outside && name ? ' (not recorded)' : ''),
		el('span', {}, requests ? `${plural(requests, 'request')}${errors(failed, requests)}` : 'asks only'),
		el('span', {}, p50 === null ? '' : `p50 ${duration(p50)} · p99 ${duration(p99)}`));

		node.style.left = `${x}px`;
		node.style.top = `${y}px`;
		node.style.width = `${WIDTH}px`;
		node.style.height = `${height}px`;
		return node;
	}
}

function errors(failed, requests) {
	return failed ? ` · ✗ ${count(failed)} (${Number((100 * failed / requests).toPrecision(2))} %)` : '';
}

/*
 * Each service one layer to the right of the last of its callers; circles are cut where the search meets them. In a layer
 * they stand as their callers do, each as high as the words of the arrows to it need.
 */
function layers({ services, edges }) {
	const nodes = services.map((service) => ({ ...service, layer: 0 }));
	const byName = new Map(nodes.map((node) => [node.name, node]));
	const calls = edges.map(({ from, to }) => [byName.get(from), byName.get(to)]).filter(([a, b]) => a && b && a !== b);

	const callees = window.d3.group(calls, ([a]) => a);
	const onward = calls.filter(([a, b]) => !reaches(b, a, callees));

	for (let round = 0, moved = true; moved && round < nodes.length; round++) {
		moved = false;
		for (const [a, b] of onward.filter(([from, to]) => to.layer <= from.layer)) {
			b.layer = a.layer + 1;
			moved = true;
		}
	}
	const columns = window.d3.group(nodes, (node) => node.layer);

	for (const layer of [...columns.keys()].sort((a, b) => a - b)) {
		const column = columns.get(layer);
		const wish = (node) => window.d3.mean(calls.filter(([a, b]) => b === node && a.layer < layer), ([a]) => a.y) ?? 0;

		let y = EDGE;

		for (const node of column.map((n) => [wish(n), n]).sort((a, b) => a[0] - b[0]).map(([, n]) => n)) {
			node.x = EDGE + layer * (WIDTH + GAP);
			node.y = y;
			node.height = Math.max(HEIGHT, PORT * calls.filter(([a, b]) => b === node && a.layer < layer).length);
			y += node.height + ROOM;
		}
	}
	/* each column in the middle */
	const bottom = (column) => Math.max(...column.map((node) => node.y + node.height));
	const lowest = bottom(nodes);

	for (const column of columns.values()) {
		const shift = (lowest - bottom(column)) / 2;

		column.forEach((node) => { node.y += shift; });
	}
	return nodes;
}

/* Whether calls lead back from one to the other: then it is a circle. */
function reaches(from, to, callees) {
	const seen = new Set([from]);

	for (const node of seen)
		(callees.get(node) || []).forEach(([, callee]) => seen.add(callee));
	return seen.has(to);
}

/* Where each arrow begins and ends: those to a service come below one another, as their callers stand. */
function routes({ edges }, nodes) {
	const byName = new Map(nodes.map((node) => [node.name, node]));
	const found = edges.map((edge) => ({ edge, a: byName.get(edge.from), b: byName.get(edge.to) })).filter(({ a, b }) => a && b);

	found.sort((p, q) => p.a.y - q.a.y || p.a.x - q.a.x);
	for (const route of found) {
		const { a, b } = route;

		route.back = b.x <= a.x;
		route.begin = a.y + a.height / 2;
		route.end = route.back ? b.y + b.height - 6 : b.y + b.height / 2;
	}
	for (const [b, to] of window.d3.group(found.filter((route) => !route.back), (route) => route.b))
		to.forEach((route, i) => { route.end = b.y + b.height * (i + 0.5) / to.length; });
	return found;
}

function arrows(found, width, height) {
	const head = svg('marker', { id: 'map-head', viewBox: '0 0 10 10', refX: 9, refY: 5, markerWidth: 8, markerHeight: 8, orient: 'auto' },
		svg('path', { d: 'M0 0 L10 5 L0 10 z', class: 'head' }));
	const curve = window.d3.linkHorizontal();
	const paths = found.map(({ edge, a, b, back, begin, end }) => {
		const source = [back ? a.x : a.x + WIDTH, begin], target = [back ? b.x + WIDTH : b.x - LABEL - 10, end];

		return svg('path', { d: curve({ source, target }) + (back ? '' : `H${b.x}`), class: edge.failed ? 'call failed' : 'call',
			'marker-end': 'url(#map-head)' });
	});

	return svg('svg', { width, height, 'aria-hidden': 'true' }, svg('defs', {}, head), ...paths);
}

/* On the arrow, before the callee; one that leads back has none: the table has all. */
function label({ edge, b, back, end }) {
	if (back)
		return null;
	const node = el('div', { class: 'label', 'aria-hidden': 'true' }, el('span', {}, `${edge.protocol} ${rate(edge)}/s${errors(edge.failed, edge.requests)}`),
		el('span', {}, edge.p50_ns === null ? '' : `p50 ${duration(edge.p50_ns)} · p99 ${duration(edge.p99_ns)}`));

	node.style.left = `${b.x - LABEL - 10}px`;
	node.style.width = `${LABEL}px`;
	node.style.top = `${end}px`;
	return node;
}

function rate({ per_second: n }) {
	return Number(n.toPrecision(3)).toLocaleString('en-US');
}

function calls({ edges, left_out: beyond }) {
	const columns = ['caller', 'callee', 'protocol', 'requests', 'a second', 'failed', 'p50', 'p99', 'sent again'];
	const ns = (value) => (value === null ? '' : duration(value));

	return [el('table', { class: 'calls' }, el('thead', {}, el('tr', {}, columns.map((name) => el('th', { scope: 'col' }, name)))),
		el('tbody', {}, edges.map((e) => el('tr', {}, [e.from || 'outside', e.to || 'outside', e.protocol, count(e.requests), rate(e), count(e.failed),
			ns(e.p50_ns), ns(e.p99_ns), e.retransmits === null ? 'not known' : count(e.retransmits)].map((text, i) =>
			el('td', { class: i < 3 ? 'name' : '' }, el('bdi', {}, text))))))),
	beyond.services || beyond.calls ? el('p', { class: 'notes' },
		`${plural(beyond.services, 'service')} and ${plural(beyond.calls, 'arrow')} are left out`) : null];
}
