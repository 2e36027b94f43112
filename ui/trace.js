/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace - one request: its spans below one another as they called each other, what of them the request waited for (the critical
 * path: ◆ and full bars; the rest has thin ones), where the time of each went, and the lines that were written meanwhile.
 */
import { Latest } from './api.js';
import { el, fill } from './dom.js';
import { count, duration, plural } from './text.js';

const SHOWN = 30; /* differences between two */
const FIRST = 6; /* before the reader asks for all of these */
const LANES = 16; /* of a request, that are unfolded in the diagram */

export class Trace {
	#answer = new Latest();
	#compared = new Latest();
	#before = ''; /* the trace that was open before this one */
	#now = '';

	/*
	 * hooks: show(id, t, duration, lanes), event(id), list(), back(): words for that, compare(trace or 'normal' or ''),
	 * say(words)
	 */
	constructor(root, hooks) {
		this.root = root;
		this.hooks = hooks;
	}

	async show(id, against) {
		if (this.data?.trace !== id) {
			this.data = null;
			fill(this.root, el('p', {}, 'Loading…'));
		}
		const [data, other] = await Promise.all([this.data ?? this.#answer.get('trace', { id }),
			against ? this.#compared.get('compare', { id, with: against }) : null]);

		if (this.#now && this.#now !== data.trace)
			this.#before = this.#now;
		this.#now = data.trace;
		this.data = data;
		fill(this.root, this.#head(data, against), other ? this.#differences(other) : null, this.#rows(data), this.#notes(data));
		this.hooks.say(`${plural(data.spans.length, 'span')}, ${duration(data.duration_ns)}`);
	}

	/* --- head --- */

	#head({ trace, duration_ns: ns, spans, failed }, against) {
		const [root] = spans;
		const button = (name, words, act, pressed) => el('button', { class: name, onclick: act, 'aria-pressed': pressed }, words);

		return el('header', {},
			button('list', this.hooks.back(), () => this.hooks.list()),
			el('h3', {}, el('bdi', {}, `${root.service} ${root.operation} ${root.resource}`)),
			el('span', { class: 'when' }, el('b', {}, duration(ns)), failed ? ' · ✗ failed' : '', ` · ${plural(spans.length, 'span')} · `,
				el('span', { class: 'id', title: `trace ${trace}` }, trace.slice(0, 8))),
			el('span', { class: 'acts' },
				button('goto', 'Show in the diagram', () => this.#goto(root, spans)),
				button('normal', 'Compare with normal', () => this.hooks.compare(against === 'normal' ? '' : 'normal'),
					String(against === 'normal')),
				this.#before && this.#before !== trace ? button('before', `Compare with ${this.#before.slice(0, 8)}, seen before`,
					() => this.hooks.compare(against === this.#before ? '' : this.#before), String(against === this.#before)) : null));
	}

	/* spans: whose lanes shall be seen, too: a request is seldom of one thread only. */
	#goto(span, spans = []) {
		const id = span.refs[0] ?? span.refs[1];

		if (id)
			this.hooks.show(id, span.t, span.duration_ns, [...new Set(spans.map((s) => s.lane))].filter((lane) => lane !== null).slice(0, LANES));
		else
			this.hooks.say('Its events are not in the diagram.');
	}

	/* --- beside another one --- */

	#differences({ one_ns: one, other_ns: other, other: id, differences, left_out: beyond }) {
		const list = differences.filter((d) => d.one_ns !== d.other_ns).slice(0, SHOWN);
		const more = (ns) => `${ns < 0 ? '−' : '+'}${duration(Math.abs(ns))}`;
		const hidden = differences.length - list.length + beyond;

		return el('table', { class: 'differences' },
			el('caption', {}, `Time on the critical path: this one (${duration(one)}) beside `,
				el('span', { class: 'id', title: `trace ${id}` }, id.slice(0, 8)), ` (${duration(other)})`,
				hidden ? ` · ${count(hidden)} equal or smaller ones are not listed` : ''),
			el('thead', {}, el('tr', {}, ['more', 'this', 'other', 'where', 'on what'].map((name) => el('th', { scope: 'col' }, name)))),
			el('tbody', {}, list.map((d, i) => el('tr', { hidden: i >= FIRST }, el('td', { class: 'more' }, more(d.one_ns - d.other_ns)),
				el('td', {}, duration(d.one_ns)), el('td', {}, duration(d.other_ns)),
				el('td', { class: 'where' }, el('bdi', {}, `${d.service} ${d.operation}`)),
				el('td', { class: 'where' }, this.data.classes[d.time] ?? d.time)))),
			list.length > FIRST ? el('tfoot', {}, el('tr', {}, el('td', { colspan: 5 }, el('button', { class: 'rest', onclick: unfold },
				`${count(list.length - FIRST)} smaller ones`)))) : null);
	}

	/* --- the waterfall --- */

	#rows(data) {
		return el('ol', { class: 'waterfall', 'aria-label': 'Spans' }, data.spans.map((span) => this.#row(span, data)));
	}

	#row(span, data) {
		const evidence = span.depth ? `child by evidence of: ${span.evidence}, ${span.confidence} %` : 'nobody recorded caused it';

		return el('li', { class: span.on_path ? 'span on' : 'span', 'data-span': span.id, 'data-path': String(span.on_path) },
			indented(el('span', { class: 'name' },
				el('button', { title: `${span.service} ${span.operation || span.protocol} ${span.resource}\nshow in the diagram: ${evidence}`, onclick: () => this.#goto(span) },
					el('span', { class: 'sign', title: span.on_path ? 'on the critical path' : undefined }, span.on_path ? '◆' : '·'),
					' ', el('bdi', {}, el('b', {}, span.service), ` ${span.operation || span.protocol} ${span.resource}`)),
				el('span', { class: 'of' }, ` ${span.kind}${span.flags.length ? ` · ${span.flags.join(', ')}` : ''}` +
					`${span.depth ? ` · by ${span.evidence}${span.confidence < 100 ? `, ${span.confidence} %` : ''}` : ''}`),
				words(span)),
			span.depth),
			el('span', { class: 'bar', 'aria-hidden': 'true' }, bars(span, data)),
			el('span', { class: 'took' }, duration(span.duration_ns)),
			el('span', { class: 'times' }, classes(span, data), el('bdi', {}, span.reason || (span.time_ns.child ? 'others worked' : 'not known')),
				span.slack_ns ? ` · could have taken ${duration(span.slack_ns)} more` : ''),
			this.#lines(span, data));
	}

	/* Lines that were written for it, where in the request, each a way to its event. */
	#lines(span, data) {
		if (!span.logs?.length)
			return null;
		return el('ul', { class: 'lines' }, span.logs.map((line) => el('li', {},
			el('button', { 'data-event': `${line.host}:${line.event}`, onclick: () => this.hooks.event(`${line.host}:${line.event}`) },
				el('time', {}, `+${duration(line.ns - data.begin_ns)}`), ' ', el('bdi', {}, line.text)))));
	}

	#notes({ spans_left_out: spans, lines_left_out: lines, left_out: outside }) {
		const notes = [spans && `${plural(spans, 'span')} beside the critical path are not shown`, lines && `${plural(lines, 'line')} are not shown`,
			outside && `${plural(outside, 'span')} lie outside of their parents and are on no path`];

		return el('p', { class: 'notes' }, ['◆ and full bars: what the request waited for (the critical path).', ...notes.filter(Boolean)].join(' · '));
	}
}

/* What its program said of it (saker.h). */
function words({ attributes }) {
	return attributes ? el('bdi', { class: 'of words' }, ` · ${Object.entries(attributes).map(([key, value]) => `${key}=${value}`).join(' ')}`) : null;
}

/* The lines of a table that were left out at first. */
function unfold(e) {
	const table = e.target.closest('table');

	table.querySelectorAll('tr[hidden]').forEach((row) => { row.hidden = false; });
	table.tFoot.remove();
}

function indented(node, depth) {
	node.style.paddingLeft = `${Math.min(depth, 24) * 14}px`;
	return node;
}

/* A piece of a line that stands for the whole request. */
function piece(name, from, to, { begin_ns: begin, duration_ns: whole }, title) {
	const node = el('i', { class: name, title });
	const part = (ns) => `${100 * Math.max(0, Math.min(1, ns / Math.max(1, whole)))}%`;

	node.style.left = part(from - begin);
	node.style.width = `calc(${part(to - from)} + 1px)`;
	return node;
}

function bars(span, data) {
	return [piece('whole', span.begin_ns, span.end_ns, data), (span.segments || []).map(([from, to]) => piece('own', from, to, data)),
		(span.logs || []).map((line) => piece('line', line.ns, line.ns, data))];
}

/* A small bar of where its time went; the words beside it say the same. */
function classes({ time_ns: times, duration_ns: whole }, { classes: words }) {
	return el('span', { class: 'classes', role: 'img',
		'aria-label': Object.entries(times).map(([key, ns]) => `${words[key] ?? key} ${duration(ns)}`).join(', ') },
	Object.entries(times).map(([key, ns]) => {
		const node = el('i', { class: `time-${key}`, title: `${words[key] ?? key} ${duration(ns)}` });

		node.style.width = `${100 * ns / Math.max(1, whole)}%`;
		return node;
	}));
}
