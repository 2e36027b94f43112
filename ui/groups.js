/* SPDX-License-Identifier: Apache-2.0 */
/*
 * groups - two groups of requests side by side: in one sentence how they differ, where the time of each goes, what differs most, and
 * what the one has more often than the other. All figures come from the server; each leads to a request that shows it.
 */
import { Latest } from './api.js';
import { choice, el, fill } from './dom.js';
import { count, duration, plural } from './text.js';

const SHOWN = 10; /* lines of a table, before the reader asks for all */
const SERVICES = 8; /* likewise, of the bars */
const ALSO = 4; /* of what the same requests have */

export class Groups {
	#answer = new Latest();
	#all = new Set(); /* tables of which all is shown */
	#scale = 'time';

	/* hooks: open(trace, against), say(words) */
	constructor(root, hooks) {
		this.root = root;
		this.hooks = hooks;
	}

	async show(asked) {
		this.data = await this.#answer.get('groups', asked);
		this.#all.clear();
		this.#draw();
		this.hooks.say(this.data.sentence);
	}

	#draw() {
		const { data } = this;
		const there = data.one.requests && data.other.requests;

		fill(this.root, this.#head(data), there ? [this.#times(data), this.#differences(data), this.#attributes(data)] : this.#why(data));
	}

	#names() {
		return this.data.percent ? [`slowest ${this.data.percent} %`, 'normal'] : ['chosen', 'others'];
	}

	/* --- head --- */

	#head(data) {
		const names = this.#names();

		return el('header', {},
			el('p', { class: 'sentence' }, el('bdi', {}, together(data.sentence)), ' ', el('em', {}, data.inferred ? 'inferred' : 'observed')),
			el('p', { class: 'sets' }, [data.one, data.other].map((group, i) => el('span', { class: i ? 'set other' : 'set one' },
				el('b', {}, names[i]), ` ${setWords(group)}`))),
			data.both ? el('p', { class: 'notes' }, `${plural(data.both, 'request')} of both regions are counted with the chosen ones`) : null,
			data.enough || !data.one.requests ? null : el('p', { class: 'notes' },
				'A group of fewer than ten is too small for most tests: figures without “inferred” are what was measured in these requests, no more.'));
	}

	#why({ matched, percent }) {
		if (!matched)
			return el('p', { class: 'none' }, 'No request is in this recording, or none that the filter finds.');
		return el('p', { class: 'none' }, percent ? 'Of fewer than ten requests none is “the slowest 10 %”: drag over some of them in the heat map.'
			: 'Drag over another region of the heat map; with shift held, over those to compare with.');
	}

	/* --- where the time goes --- */

	#times(data) {
		const services = [...new Set([...data.one.services, ...data.other.services].map((s) => s.service))];
		const groups = [data.one, data.other];
		const most = Math.max(...groups.map((g) => g.mean_ns), 1);
		const kinds = Object.keys(data.classes).filter((k) => groups.some((g) => g.services.some((s) => s.times.some((t) => t.time === k))));
		const bar = (group, service, ns) => this.#bar(group, service, ns, this.#scale === 'time' ? most : group.mean_ns);
		const row = (name, of, cls) => el('tr', { class: cls }, el('th', { scope: 'row' }, el('bdi', {}, name)),
			groups.map((g) => el('td', {}, bar(g, ...of(g)))));
		const left = data.one.services_left_out + data.other.services_left_out;
		const switcher = el('span', { class: 'choice', role: 'radiogroup', 'aria-label': 'What the bars are drawn against' },
			['time', 'share'].map((name) => el('button', { type: 'button', role: 'radio', 'data-scale': name, 'aria-checked': String(name === this.#scale) },
				name === 'time' ? 'One scale' : 'Share of each')));

		choice(switcher, 'scale', (name) => {
			this.#scale = name;
			this.#draw();
			this.root.querySelector(`[data-scale=${name}]`).focus();
		});
		return el('section', { class: 'times' },
			el('h3', {}, 'Where the time goes, on average', switcher),
			el('p', { class: 'kinds' }, kinds.map((k) => el('span', { class: 'sample' }, el('i', { class: `time-${k}` }), data.classes[k]))),
			el('table', {}, el('thead', {}, el('tr', {}, el('td', {}), this.#names().map((name) => el('th', { scope: 'col' }, name)))),
				el('tbody', {}, row('all', (g) => [g, g.mean_ns], 'all'),
					(this.#all.has('times') ? services : services.slice(0, SERVICES)).map((name) => row(name || 'not known', (g) => {
						const service = g.services.find((s) => s.service === name);

						return [service, service?.ns ?? 0];
					}, '')))),
			this.#more('times', services.length - SERVICES),
			left ? el('p', { class: 'notes' }, `${plural(left, 'service')} with less time are not shown`) : null);
	}

	/* A stretch for each kind of time, each a way to the request that has most of it. */
	#bar(group, service, ns, whole) {
		const times = service?.times ?? [];
		const words = times.map((t) => `${this.data.classes[t.time]} ${duration(t.ns)}`).join(', ');

		return [el('span', { class: 'stack', role: 'img', 'aria-label': words || 'nothing' }, times.map((t) => {
			const node = el('button', { class: `time-${t.time}`, tabindex: -1, 'aria-hidden': 'true', 'data-trace': t.trace,
				title: `${this.data.classes[t.time]} ${duration(t.ns)}, ${percent(t.ns, group.mean_ns)} of all: see the request with the most of it`,
				onclick: () => t.trace && this.hooks.open(t.trace, this.#against(t.trace)) });

			node.style.width = `${100 * t.ns / Math.max(1, whole)}%`;
			return node;
		})), el('span', { class: 'figure' }, ns ? duration(ns) : '–', ns && this.#scale === 'share' ? ` · ${percent(ns, group.mean_ns)}` : '')];
	}

	/* What a request of the one is set beside: a typical one of the other. */
	#against(trace) {
		const { typical } = this.data.other;

		return typical === trace ? '' : typical ?? '';
	}

	#example(trace, words, title) {
		return el('button', { class: 'example', 'data-trace': trace, title, onclick: () => this.hooks.open(trace, this.#against(trace)) }, words);
	}

	/* --- tables --- */

	#table(name, list, left, head, row) {
		const shown = this.#all.has(name) ? list : list.slice(0, SHOWN);

		return [el('div', { class: 'scroll' }, el('table', { class: name }, el('thead', {}, el('tr', {}, head.map((words) => el('th', { scope: 'col' }, words)))),
			el('tbody', {}, shown.map(row)))),
		this.#more(name, list.length - SHOWN),
		left && shown.length === list.length ? el('p', { class: 'notes' }, `${count(left)} smaller ones are not listed`) : null];
	}

	/* For those that are not shown yet. */
	#more(name, n) {
		return n <= 0 || this.#all.has(name) ? null : el('button', { class: 'more', onclick: () => {
			this.#all.add(name);
			this.#draw();
		} }, `${count(n)} more`);
	}

	#differences(data) {
		const [one, other] = this.#names();
		const have = (n, group) => `${count(n)} of ${count(group.requests)}`;

		return el('section', {}, el('h3', {}, 'What differs most'),
			this.#table('parts', data.differences, data.differences_left_out,
				['more', one, other, 'where', 'on what', 'have it', ''], (d) => el('tr', {},
					el('td', { class: 'more' }, signed(d.one_ns - d.other_ns)),
					el('td', {}, duration(d.one_ns)), el('td', {}, duration(d.other_ns)),
					el('td', { class: 'where' }, this.#example(d.trace, el('bdi', {}, `${d.service} ${d.operation}`), 'see the slowest request that has it')),
					el('td', { class: 'where' }, data.classes[d.time] ?? d.time),
					el('td', { class: 'have' }, `${have(d.one, data.one)} · ${have(d.other, data.other)}`),
					el('td', { class: 'sure', title: `p = ${d.p} (${d.test}), ${data.tested} tested` }, d.inferred ? 'inferred' : 'may be chance'))),
			data.differences.length ? null : el('p', { class: 'none' }, 'Nothing: their time goes to the same.'));
	}

	#attributes(data) {
		const share = (n, group, cls) => {
			const node = el('i', { class: cls });

			node.style.width = `${100 * n / group.requests}%`;
			return [el('span', { class: 'share', 'aria-hidden': 'true' }, node), `${percent(n, group.requests)}`,
				el('span', { class: 'of' }, ` ${count(n)} of ${count(group.requests)}`)];
		};
		const [one, other] = this.#names();
		const room = data.attributes_without_room;

		return el('section', {}, el('h3', {}, `What the ${one} have more often`),
			data.attributes.length ? this.#table('attributes', data.attributes, data.attributes_left_out,
				['what', one, other, 'examples'], (a) => el('tr', {},
					el('td', { class: 'what' }, said(a), also(a)),
					el('td', { class: 'figures' }, share(a.one, data.one, 'one')), el('td', { class: 'figures' }, share(a.other, data.other, 'other')),
					el('td', { class: 'examples' }, a.traces.map((trace) => this.#example(trace, trace.slice(0, 8), `see request ${trace}`)))))
				: el('p', { class: 'none' }, 'Nothing that could not be by chance.'),
			el('p', { class: 'notes' }, `${plural(data.attributes_tested, 'attribute')} tested (Fisher's exact test, p < 0.01 in all)`,
				room ? `; there was no room for ${count(room)}` : ''));
	}
}

/* A number and its unit stay on one line; it begins as a sentence does. */
function together(sentence) {
	return `${sentence[0].toUpperCase()}${sentence.slice(1).replace(/(\d) (%|s|ms|us|ns)(?![a-z])/g, '$1\u00a0$2')}.`;
}

function setWords({ requests, left_out: left, min_ns: min, max_ns: max, mean_ns: mean }) {
	const range = requests ? `, ${duration(min)} to ${duration(max)}, on average ${duration(mean)}` : '';

	return `${plural(requests, 'request')}${range}${left ? ` (${count(left)} more have no beginning or no end here)` : ''}`;
}

function signed(ns) {
	return `${ns < 0 ? '−' : '+'}${duration(Math.abs(ns))}`;
}

/* "12 %", "0.4 %" */
function percent(part, whole) {
	const value = 100 * part / Math.max(1e-9, whole);

	return `${value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(2))} %`;
}

/* "resource /slow at web" */
function said({ service, attribute, value }) {
	return el('bdi', {}, el('span', { class: 'key' }, attribute), ' ', el('b', {}, value),
		attribute === 'service' ? '' : [' ', el('span', { class: 'key' }, 'at'), ` ${service}`]);
}

function also({ also: list, also_left_out: left }) {
	if (!list.length)
		return null;
	const more = list.length - ALSO + left;

	return el('div', { class: 'also', title: list.map((a) => `${a.attribute} ${a.value} at ${a.service}`).join('\n') }, 'the same requests: ',
		list.slice(0, ALSO).map((a, i) => [i ? ', ' : '', said(a)]), more > 0 ? `, and ${count(more)} more` : '');
}
