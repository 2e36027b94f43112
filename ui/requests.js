/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requests - which requests there are: their heat map, a box for a query, a list of what is chosen, or what distinguishes it from the
 * others (groups.js); one of them is shown by trace.js.
 * Nothing is asked for before the reader wants to see it.
 */
import { Latest } from './api.js';
import { byId, choice, el, fill } from './dom.js';
import { Groups } from './groups.js';
import { Heat, heatWords, regionWords } from './heat.js';
import { count, duration, moment } from './text.js';
import { Trace } from './trace.js';

const TYPING_MS = 300;
const NOTHING = { q: '', service: '', region: null, beside: null, groups: false, sort: 'time', trace: '', against: '' };

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
		this.heat = new Heat(byId('heat'), { chosen: (region, which) => this.#chosen(region, which), turn: (which) => this.#turn(which),
			say: hooks.say });
		this.groups = new Groups(byId('groups'), { open: (trace, against) => this.open(trace, against), say: hooks.say });
		this.trace = new Trace(byId('trace'), { ...hooks, list: () => this.open(''), back: () => (this.state.groups ? '‹ Groups' : '‹ List'),
			compare: (against) => this.#set({ against }) });
		this.setSort = choice(byId('requests-sort'), 'sort', (sort) => this.#set({ sort }));
		byId('requests-groups').onclick = () => this.compare();
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

	/* Nothing else is chosen: a trace; the slowest of all beside normal ones. */
	only(trace) {
		this.#set({ ...NOTHING, trace });
		byId('requests-query').value = '';
	}

	slow() {
		this.#set({ ...NOTHING, groups: true });
		byId('requests-query').value = '';
	}

	/* A trace, beside another one or not; or '' for the list. */
	open(trace, against = '') {
		this.#set({ trace, against });
		if (!trace)
			byId(this.state.groups ? 'requests-groups' : 'requests-query').focus();
	}

	/* The chosen ones beside the others, or their list. */
	compare(on = !this.state.groups) {
		this.#set({ groups: on, beside: null, trace: '', against: '' });
	}

	#chosen(region, which) {
		if (which)
			this.#set({ beside: region });
		else
			this.#set({ region, beside: region ? this.state.beside : null });
	}

	/* Which of the two regions is chosen next. */
	#turn(which) {
		this.heat.compare(this.state.groups, this.state.region ? which : 0);
		this.hooks.say(this.heat.which ? 'Now the region to compare with.' : 'Now the region that is compared.');
		this.#say(this.heat.data, this.list);
	}

	repaint() {
		this.heat.paint();
	}

	#typed(wait = TYPING_MS) {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#set({ q: byId('requests-query').value.trim(), region: null, beside: null }), wait);
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
		this.root.classList.toggle('one', Boolean(state.trace));
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
		const { q, service, region, beside, sort, groups } = this.state;
		const [heat, list] = await Promise.all([whole ? this.#heat.get('heat', { q, service }) : this.heat.data,
			this.#list.get('requests', { q, service, ...region, sort: sort === 'time' ? sort : '-duration', ...(groups && { limit: 1 }) }),
			groups && this.groups.show({ q, service, one: regionText(region), other: regionText(beside) })]);

		byId('requests-error').hidden = true;
		byId('requests-query').removeAttribute('aria-invalid');
		if (whole)
			this.heat.show(heat);
		this.heat.mark(region, beside);
		this.heat.compare(groups, region ? this.heat.which : 0);
		this.list = list;
		byId('requests-groups').setAttribute('aria-pressed', String(groups));
		byId('requests-sort').hidden = groups;
		byId('groups').hidden = !groups || !list.spans;
		byId('requests-list').hidden = groups && list.spans > 0;
		this.#say(heat, list);
		fill(byId('requests-list'), list.spans ? list.requests.map((request) => this.#row(request)) : none());
		if (list.spans && !list.requests.length)
			fill(byId('requests-list'), el('li', { class: 'none' }, 'None of them is like that.'));
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
		const { region, service, groups } = this.state;
		const clear = (words, title, act) => el('button', { class: 'chip', title, onclick: act }, words, ' ×');

		fill(byId('requests-said'), list.spans ? heatWords(heat) : '',
			service ? [' · ', clear(`of ${service}`, 'of all services', () => this.#set({ service: '' }))] : '',
			region ? [' · ', groups ? 'chosen: ' : '', clear(regionWords(region), 'the whole picture', () => this.heat.clear()),
				` has ${count(list.matched)}`] : '',
			groups && list.spans ? this.#besideWords(clear) : '',
			list.left_out && !groups ? ` · ${count(list.requests.length)} are listed, ${count(list.left_out)} are not` : '',
			list.facts_left_out ? ` · there was no room for ${count(list.facts_left_out)} facts: requests may lack something` : '');
	}

	/* With what the chosen ones are compared, and how to change that. */
	#besideWords(clear) {
		const { region, beside } = this.state;

		if (!region)
			return ' · drag over those that are to be compared with the rest';
		return [' · others: ', beside ? clear(regionWords(beside), 'all the rest', () => this.heat.clear(1)) : 'all the rest',
			' ', el('button', { class: 'chip', 'aria-pressed': String(this.heat.which === 1), title: 'the next region that is dragged over (with shift: always); Enter on the heat map',
				onclick: () => this.#turn(1 - this.heat.which) }, this.heat.which ? 'drag over the others now' : 'choose others')];
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

/* As the server takes it; undefined: none. */
function regionText(region) {
	return region ? [region.from, region.to, region.min, region.max].join(',') : undefined;
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
