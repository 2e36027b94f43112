/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requests - which requests there are: their heat map, a box for a query, a list of what is chosen; one of them is shown by trace.js.
 * Nothing is asked for before the reader wants to see it.
 */
import { Latest } from './api.js';
import { byId, choice, el, fill } from './dom.js';
import { Heat, heatWords, regionWords } from './heat.js';
import { count, duration, moment } from './text.js';
import { Trace } from './trace.js';

const TYPING_MS = 300;
const NOTHING = { q: '', service: '', region: null, sort: 'time', trace: '', against: '' };

export class Requests {
	#heat = new Latest();
	#list = new Latest();
	#timer = 0;
	#shown = false;

	/* hooks: show(id, t, duration, lanes) in the diagram; event(id); changed(); failed(error); say(words) */
	constructor(hooks) {
		this.hooks = hooks;
		this.state = { ...NOTHING };
		this.root = byId('requests');
		this.heat = new Heat(byId('heat'), { chosen: (region) => this.#set({ region }), say: hooks.say });
		this.trace = new Trace(byId('trace'), { ...hooks, list: () => this.open(''),
			compare: (against) => this.#set({ against }) });
		this.setSort = choice(byId('requests-sort'), 'sort', (sort) => this.#set({ sort }));
		byId('requests-query').addEventListener('input', () => this.#typed());
		byId('requests-filter').addEventListener('submit', (e) => {
			e.preventDefault();
			this.#typed(0);
		});
	}

	/* What the address says. */
	restore(state) {
		this.state = { ...NOTHING, ...state };
		byId('requests-query').value = this.state.q;
		this.setSort(this.state.sort);
		if (this.#shown)
			this.show();
	}

	show() {
		this.#shown = true;
		this.#load();
	}

	hide() {
		this.#shown = false;
	}

	/* The recording has grown. */
	grown() {
		if (this.#shown && !this.state.trace)
			this.#load();
	}

	/* Requests in which a service takes part. */
	of(service) {
		this.#set({ ...NOTHING, service });
		byId('requests-query').value = '';
	}

	/* A trace, or '' for the list. */
	open(trace) {
		this.#set({ trace, against: '' });
		if (!trace)
			byId('requests-query').focus();
	}

	repaint() {
		this.heat.paint();
	}

	#typed(wait = TYPING_MS) {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#set({ q: byId('requests-query').value.trim(), region: null }), wait);
	}

	#set(news) {
		const whole = Object.keys(news).some((name) => name === 'q' || name === 'service');

		Object.assign(this.state, news);
		this.setSort(this.state.sort);
		this.hooks.changed();
		if (this.#shown)
			this.#load(whole);
	}

	async #load(whole = true) {
		const { state } = this;

		byId('requests-all').hidden = Boolean(state.trace);
		byId('trace').hidden = !state.trace;
		try {
			if (state.trace)
				await this.trace.show(state.trace, state.against);
			else
				await this.#loadList(whole || !this.heat.data);
		} catch (e) {
			this.#refused(e);
		}
	}

	async #loadList(whole) {
		const { q, service, region, sort } = this.state;
		const [heat, list] = await Promise.all([whole ? this.#heat.get('heat', { q, service }) : this.heat.data,
			this.#list.get('requests', { q, service, ...region, sort: sort === 'time' ? sort : '-duration' })]);

		byId('requests-error').hidden = true;
		byId('requests-query').removeAttribute('aria-invalid');
		if (whole)
			this.heat.show(heat, region);
		this.#say(heat, list);
		fill(byId('requests-list'), list.spans ? list.requests.map((request) => this.#row(request)) : none());
	}

	/* A query that is none is told beside it, all else as everywhere. */
	#refused(e) {
		if (e.status !== 400 || this.state.trace) {
			this.hooks.failed(e);
			return;
		}
		fill(byId('requests-error'), e.message);
		byId('requests-error').hidden = false;
		byId('requests-query').setAttribute('aria-invalid', 'true');
	}

	#say(heat, list) {
		const { region, service } = this.state;
		const clear = (words, title, act) => el('button', { class: 'chip', title, onclick: act }, words, ' ×');

		fill(byId('requests-said'), list.spans ? heatWords(heat) : '',
			service ? [' · ', clear(`of ${service}`, 'of all services', () => this.#set({ service: '' }))] : '',
			region ? [' · ', clear(regionWords(region), 'the whole picture', () => this.heat.clear()),
				` has ${count(list.matched)}`] : '',
			list.left_out ? ` · ${count(list.requests.length)} are listed, ${count(list.left_out)} are not` : '',
			list.facts_left_out ? ` · there was no room for ${count(list.facts_left_out)} facts: requests may lack something` : '');
	}

	#row(request) {
		const { trace, t, service, operation, resource, peer, protocol } = request;

		return el('li', {}, el('button', { 'data-trace': trace, onclick: () => this.open(trace) },
			el('time', {}, moment(t)),
			el('span', { class: 'took' }, duration(request.duration)),
			el('span', { class: request.failed ? 'status failed' : 'status' }, outcome(request)),
			el('span', { class: 'what' }, el('bdi', {}, el('b', {}, service), ` ${operation || protocol} ${resource || peer}`)),
			el('span', { class: 'why' }, el('bdi', {}, request.reason), request.incomplete ? ' [incomplete: events were lost]' : '')));
	}
}

/* "✗ 500", "200", "no answer" */
export function outcome({ status, failed, unanswered }) {
	if (unanswered)
		return 'no answer';
	return failed ? `✗ ${status || 'failed'}` : String(status || 'ok');
}

function none() {
	return el('li', { class: 'none' }, 'No requests are in this recording. They are cut out of what programs said to one another: ',
		el('code', {}, 'saker record --with sched'), ' records that, and where their time went.');
}
