/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vips - the VIPs of a balancer, a row each, which unfolds to its backends: their state, weight, share, rates, checks. States have a
 * sign and a word, so none is told by colour alone.
 */
import { checkLong, checkShort, checksOf } from './checks.js';
import { el } from './dom.js';
import { Keyed, put } from './keyed.js';
import { Rates, spark } from './rates.js';
import { count, duration, plural, rough } from './text.js';

const STEP = 100; /* rows that are shown at first, and with each `more` */
const STATES = new Map([['ejected', ['✕', 'ejected']], ['down', ['▼', 'down']], ['suspect', ['◐', 'suspect']],
	['slow_start', ['◔', 'slow start']], ['draining', ['◇', 'draining']], ['healthy', ['●', 'healthy']], ['unknown', ['○', 'not watched']]]);
const TROUBLED = ['ejected', 'down', 'suspect', 'slow_start'];
const COLUMNS = ['', 'backend', 'last check', 'weight', 'share', 'packets/s', 'bytes/s', 'connections'];

/* How many backends of these VIPs are in each state: { state: count }. */
export function states(vips) {
	const all = {};

	for (const vip of vips)
		for (const [state, n] of Object.entries(vip.states))
			all[state] = (all[state] || 0) + n;
	return all;
}

/* "● 3 healthy  ✕ 1 ejected" */
export function stateWords(of) {
	return [...STATES.keys()].filter((name) => of[name]).map((name) => `${sign(name)} ${count(of[name])} ${word(name)}`).join('  ');
}

export function isTroubled({ states }) {
	return TROUBLED.some((name) => states[name]);
}

function sign(state) {
	return STATES.get(state)?.[0] || '○';
}

function word(state) {
	return STATES.get(state)?.[1] || state;
}

/* "3.2 k", "" where it is not known yet */
function perSecond(rate) {
	return rate === undefined ? '' : rate >= 100 || rate === 0 ? rough(rate) : String(Number(rate.toPrecision(2)));
}

function bytes(rate) {
	const unit = ['B', 'kB', 'MB', 'GB'], power = rate >= 1000 ? Math.min(3, Math.floor(Math.log10(rate) / 3)) : 0;

	return rate === undefined ? '' : `${Number((rate / 1000 ** power).toPrecision(3))} ${unit[power]}`;
}

export class Vips {
	#rates = new Map(); /* of VIPs and of backends, by name */
	#limit = STEP;

	/* hooks: opened(): others are unfolded than before */
	constructor(root, hooks) {
		this.hooks = hooks;
		this.open = new Set();
		this.list = el('ol', { class: 'vips', 'aria-label': 'VIPs' });
		this.more = el('button', { class: 'more', hidden: true, onclick: () => this.#more() }, 'more');
		root.append(this.list, this.more);
		this.rows = new Keyed(this.list, (vip) => this.#row(vip));
	}

	#more() {
		this.#limit += STEP;
		this.hooks.opened();
	}

	/* vips: those of the answer that are to be shown; all of them have their counters taken in. */
	update(data, chosen) {
		const shown = chosen.slice(0, this.#limit);

		this.data = data;
		data.vips.forEach((vip) => this.#take(data, vip));
		this.rows.update(shown, ({ vip }) => vip);
		this.more.hidden = shown.length === chosen.length;
		put(this.more, `${plural(chosen.length - shown.length, 'more VIP')} of ${count(chosen.length)}: show ${Math.min(STEP, chosen.length - shown.length)}`);
	}

	/* Another interface: other counters. */
	forget() {
		this.#rates.clear();
		this.open.clear();
	}

	rates(name) {
		if (!this.#rates.has(name))
			this.#rates.set(name, new Rates());
		return this.#rates.get(name);
	}

	#take({ boot_ms: ms }, vip) {
		if (vip.packets !== undefined)
			this.rates(vip.vip).add(ms, { packets: vip.packets, bytes: vip.bytes });
		for (const b of vip.open || [])
			if (b.packets !== undefined)
				this.rates(`${vip.vip} ${b.backend}`).add(ms, { packets: b.packets, bytes: b.bytes });
	}

	toggle(name) {
		if (!this.open.delete(name))
			this.open.add(name);
		this.hooks.opened();
	}

	#row({ vip: name }) {
		const cell = (kind) => el('span', { class: kind });
		const [fold, mode, states, rate] = ['fold', 'mode', 'states', 'rate'].map(cell);
		const picture = spark();
		const button = el('button', { class: 'vip', 'data-vip': name, onclick: () => this.toggle(name) }, fold, el('b', {}, name), mode, states, rate, picture.node);
		const inner = el('div', { class: 'backends', hidden: true });
		const table = backends(inner, this, name);
		const update = (vip) => {
			const rates = this.rates(name), open = this.open.has(name);

			put(fold, open ? '▾' : '▸');
			button.setAttribute('aria-expanded', open);
			put(mode, [vip.mode, ...vip.flags, watched(vip)].filter(Boolean).join(' '));
			put(states, summary(vip));
			states.classList.toggle('troubled', isTroubled(vip));
			put(rate, vip.packets === undefined ? 'not running' : rateWords(rates));
			picture.update(rates.series('packets'));
			inner.hidden = !open;
			if (open)
				table(vip);
		};

		return { node: el('li', {}, button, inner), update };
	}
}

/* What the agent may do, and how much of the weight is out. */
function watched({ health }) {
	if (!health || health.mode === 'off')
		return '';
	return `· ${health.mode}${health.out ? `, ${health.out} % is out (at most ${health.eject_max} %)` : ''}`;
}

function rateWords(rates) {
	const packets = rates.rate('packets');

	return packets === undefined ? '' : `${perSecond(packets)} packets/s · ${bytes(rates.rate('bytes'))}/s`;
}

function summary({ backends: all, states: of }) {
	return all ? stateWords(of) : 'no backend';
}

/* Fills a VIP's backends; what comes back brings them up to date. */
function backends(root, vips, name) {
	const table = el('table', {}, el('thead', {}, el('tr', {}, COLUMNS.map((title) => el('th', { scope: 'col' }, title))))), note = el('p', { class: 'notes' });
	let limit = STEP;
	const more = el('button', { class: 'more', hidden: true, onclick: () => {
		limit += STEP;
		vips.hooks.opened();
	} }, 'more');
	const rows = new Keyed(table, (backend) => backendRow(vips, name, backend), table.firstChild);

	root.append(el('div', { class: 'scroll' }, table), more, note);
	return (vip) => {
		const all = vip.open || [], shown = all.slice(0, limit);
		const whole = { wished: vip.weight, packets: sum(all.map((b) => vips.rates(`${name} ${b.backend}`).since('packets')?.more || 0)) };

		rows.update(shown.map((b) => ({ ...b, whole, of: vip.check, now: vips.data.boot_ms })), (b) => b.backend);
		more.hidden = shown.length === all.length;
		put(more, `${plural(all.length - shown.length, 'more backend')}: show ${Math.min(STEP, all.length - shown.length)}`);
		put(note, vip.open ? (all.length ? checksOf(vip.check) : 'No backend: its packets are dropped.') : '…');
	};
}

function sum(numbers) {
	return numbers.reduce((a, b) => a + b, 0);
}

function share(part, whole) {
	return whole ? `${Number((100 * part / whole).toPrecision(2))} %` : '';
}

function backendRow(vips, vip, { backend }) {
	const cells = Object.fromEntries(['state', 'name', 'check', 'weight', 'share', 'packets', 'bytes', 'connections'].map((kind) => [kind, el('td', { class: kind })]));
	const words = el('span', { class: 'known' }), below = el('tr', {}, el('td', { colspan: COLUMNS.length }, words));
	const update = (b) => {
		const rates = vips.rates(`${vip} ${backend}`), now = weightNow(b);

		put(cells.state, `${sign(b.state)} ${word(b.state)}${b.health?.shadow ? ' (shadow)' : ''}`);
		cells.state.className = `state ${b.state}`;
		cells.state.title = b.health?.shadow ? 'only said: its share is as if it were healthy' : '';
		put(cells.name, b.name ? `${b.name} ${b.backend}` : b.backend);
		put(cells.weight, now === b.weight ? count(now) : `${Number(now.toPrecision(3))} of ${count(b.weight)}`);
		put(cells.share, b.whole.packets ? `${share(rates.since('packets')?.more || 0, b.whole.packets)}, wished ${share(b.weight, b.whole.wished)}` : `wished ${share(b.weight, b.whole.wished)}`);
		put(cells.packets, perSecond(rates.rate('packets')));
		put(cells.bytes, bytes(rates.rate('bytes')));
		put(cells.connections, b.connections === undefined ? '' : count(b.connections));
		const check = checkShort(b.check, b.of, b.now);

		put(cells.check, check.text);
		cells.check.className = `check ${check.kind}`;
		put(words, known(b));
		below.hidden = !words.textContent;
	};

	return { node: el('tbody', { 'data-backend': backend }, el('tr', {}, Object.values(cells)), below), update };
}

/* What the agent leaves it of its weight. */
function weightNow({ weight, health }) {
	return health && !health.shadow && health.share !== undefined ? weight * health.share / 1000 : weight;
}

/* Why it is in its state and since when; what its checks say; what speaks against it. */
function known({ health: h, syns_again: again, check: found, of }) {
	const said = checkLong(found, of);

	if (!h)
		return [again ? plural(again, 'SYN again', 'SYNs again') : '', said].filter(Boolean).join(' · ');
	const since = h.since_unix_ns ? `for ${span(Date.now() * 1e6 - h.since_unix_ns)}` : '';
	const check = found ? (h.why && found.text && h.why.includes(found.text) ? checkLong(found, of, true) : said) : h.check === 'none' ? '' : `check ${h.check}${h.check === 'fails' && h.check_text ? `: ${h.check_text}` : ''}${h.check_in_row > 1 ? ` (${count(h.check_in_row)} in a row)` : ''}`;
	const against = [[h.again, 'SYN again', 'SYNs again'], [h.resets, 'reset'], [h.overflow, 'overflow'], [found ? 0 : h.failed, 'failed check']]
		.filter(([n]) => n).map(([n, one, many]) => plural(n, one, many));

	return [h.why, since, check, ...against, h.silent ? 'its host is not heard' : '', h.rtt_us ? `round trip ${duration(h.rtt_us * 1e3)}` : '',
		h.load ? `load ${h.load / 10} %` : ''].filter(Boolean).join(' · ');
}

function span(ns) {
	return ns < 120e9 ? `${Math.max(0, Math.round(ns / 1e9))} s` : duration(ns);
}
