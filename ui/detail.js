/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detail - the selected event: its fields, its causes and effects, how far its past and future reach, log lines around it.
 */
import { byId, el, fill } from './dom.js';
import { arrowWords } from './marks.js';
import { brief, count, duration, moment, plural, timeOfDay } from './text.js';

const HEADER = ['boot_ns', 'cpu', 'context', 'seq', 'tgid', 'tid', 'start_ns', 'host', 'flags'];
const HIDDEN = new Set(['id', 'type']);

export class Detail {
	/* hooks: go(id), step(dir, axis), close(), short(id) */
	constructor(hooks) {
		this.hooks = hooks;
		this.root = byId('detail');
	}

	hide() {
		this.root.hidden = true;
	}

	/* answer: of /api/event; cones: { past, future, truncated } once they are there */
	show(answer, context) {
		const { event } = answer;

		this.answer = answer;
		this.root.hidden = false;
		this.root.scrollTop = 0;
		fill(this.root,
			this.#head(answer, context),
			el('p', { id: 'reach' }, 'Looking for its past and future…'),
			links('Caused by', answer.causes, answer, this.hooks, 'Nothing recorded comes before it.'),
			links('Led to', answer.effects, answer, this.hooks, 'Nothing recorded follows from it.'),
			fields('Fields', own(event)),
			logs(answer.log, this.hooks),
			fields('Header', header(event)));
	}

	#head({ id, event, who, t, clock, lane, label }, { info, lanes }) {
		const button = (words, title, act, name) => el('button', { title, 'aria-label': name || title, onclick: act }, words);

		return el('header', {},
			el('div', { class: 'row' },
				el('h3', {}, event.type),
				button('×', 'Close (Esc)', () => this.hooks.close(), 'Close')),
			label ? el('p', { class: event.type === 'log' ? 'label line' : 'label' }, event.type === 'log' ? label : brief(label)) : null,
			el('p', { class: 'who' }, actor(who)),
			el('p', { class: 'where' }, lanes.name(lane)),
			who.unit ? el('p', { class: 'where' }, `unit ${who.unit}`) : null,
			who.container ? el('p', { class: 'where' }, `cgroup ${who.container}`) : null,
			el('p', { class: 'when' }, el('b', {}, moment(t, 1)), ` · clock ${count(clock)} · `, el('span', { class: 'id' }, this.hooks.short(id))),
			el('p', { class: 'when' }, timeOfDay(info.t0, t)),
			el('div', { class: 'row steps', role: 'group', 'aria-label': 'Step' },
				button('‹ p', 'Back in causal order (p)', () => this.hooks.step('prev', 'causal')),
				button('n ›', 'On in causal order (n)', () => this.hooks.step('next', 'causal')),
				button('‹ P', 'Back in its thread (P)', () => this.hooks.step('prev', 'thread')),
				button('N ›', 'On in its thread (N)', () => this.hooks.step('next', 'thread'))));
	}

	/* How far its past and future reach: events and lanes of hosts. */
	reach({ past, future, truncated }, lanes) {
		const words = (events, name, sign) => {
			const hosts = new Set(events.map((e) => lanes.host(e.lane)?.id));

			if (!events.length)
				return `${sign} ${name}: nothing`;
			return [el('span', { class: `sign ${name}`, 'aria-hidden': 'true' }, sign),
				` ${name}: ${plural(events.length, 'event')}${truncated[name] ? ' or more' : ''} on ${plural(hosts.size, 'host')}`];
		};

		fill(byId('reach'), words(past, 'past', '■'), el('br'), words(future, 'future', '●'));
	}
}

/* "etcd[123] on node1" */
function actor({ process, pid, tid, place, host }) {
	const name = process ? `${process}${pid ? `[${pid}]` : ''}` : pid || tid ? `process ${pid || tid}` : 'kernel or recorder';

	return place || host ? `${name} on ${place || host}` : name;
}

function section(title, ...content) {
	return el('section', {}, el('h4', {}, title), ...content);
}

/* Edges to other events; a click goes there. */
function links(title, edges, { t }, hooks, none) {
	if (!edges.length)
		return section(title, el('p', { class: 'none' }, none));
	return section(title, el('ul', { class: 'links' }, edges.map((edge) => el('li', {},
		el('button', { onclick: () => hooks.go(edge.id), 'data-event': edge.id },
			el('span', { class: 'kind' }, arrowWords(edge)),
			el('span', { class: 'what' }, [el('b', {}, edge.type), ` ${edge.what || ''}`]),
			el('span', { class: 'gap' }, edge.t === undefined ? '' : `${edge.t < t ? '−' : '+'}${duration(Math.abs(edge.t - t))}`),
			el('span', { class: 'id', title: hooks.short(edge.id) }, hooks.short(edge.id)))))));
}

function own(event) {
	return Object.entries(event).filter(([name]) => !HIDDEN.has(name) && !HEADER.includes(name));
}

function header(event) {
	return Object.entries(event).filter(([name]) => HEADER.includes(name));
}

function fields(title, entries) {
	if (!entries.length)
		return null;
	return section(title, el('table', {}, el('tbody', {}, entries.map(([name, value]) => el('tr', {},
		el('th', { scope: 'row' }, name), el('td', {}, words(name, value)))))));
}

/* Durations also as people say them. */
function words(name, value) {
	const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);

	if (/(duration|span|wait|latency)_ns$/.test(name) && Number(value))
		return `${text} (${duration(Number(value))})`;
	return text;
}

function logs(lines, hooks) {
	if (!lines || !lines.length)
		return null;
	return section('Log lines around it', el('ul', { class: 'links log' }, lines.map((line) => el('li', {},
		el('button', { onclick: () => hooks.go(line.id) }, el('span', { class: 'kind' }, line.t === undefined ? '' : moment(line.t)),
			el('span', { class: 'what' }, line.text))))));
}
