/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions - what the agent did, or would have done (shadow), the newest first: to whom, for which reason, resting on which events, for how
 * long, what came of it. As the agent tells them now (docs/formats/health.md), as recordings have them (/api/actions), or both: one action
 * is told once, and its events are links where a recording has them.
 */
import { el, fill } from './dom.js';
import { Keyed, put } from './keyed.js';
import { count, duration, moment, plural } from './text.js';

const STEP = 20;
export const WHAT = { eject: 'eject', down: 'take out', return: 'bring back', restore: 'put back', drain: 'drain', weight: 'change the share of' };
export const VERDICT = { kept: ['✓', 'kept'], reverted: ['↶', 'reverted'], yielded: ['—', 'yielded to a person'], expired: ['—', 'expired'],
	shadow: ['◌', 'not done: shadow'], ended: ['—', 'ended'], open: ['…', 'not judged yet'] };
const FIGURES = [['new', 'new connections'], ['packets', 'packets to it'], ['others', 'packets to the others'], ['again', 'SYNs again'], ['resets', 'resets'], ['failed', 'failed checks'],
	['check_ns', 'a check took'], ['rtt_us', 'a round trip took']];
/* Durations: how an event calls them, and their unit in ns. */
const TOOK = { check_ns: [(when) => `check_${when}_ns`, 1], rtt_us: [(when) => `rtt_${when}_us`, 1000] };

/* Of a recording's event: the same form as the agent's own account. */
export function ofEvents({ id, t, event, evidence, effects }) {
	const [effect] = effects;

	return { ...event, number: Number(event.number), at: t, id, links: evidence, vip: undefined, vip_text: vipText(event), running: undefined,
		effect: effect ? { ...effect.event, id: effect.id, before: side(effect.event, 'before'), after: side(effect.event, 'after') } : null };
}

function vipText({ vip, vip_port: port, vip_protocol: protocol }) {
	return `${vip.includes(':') ? `[${vip}]` : vip}:${Number(port) || '*'}/${protocol}`;
}

function side(event, when) {
	return Object.fromEntries(FIGURES.map(([name]) => [name, Number(event[TOOK[name] ? TOOK[name][0](when) : `${name}_${when}`] ?? 0)]));
}

function key({ number, backend, interface: on }) {
	return `${number} ${backend} ${on || ''}`;
}

/* live: of the agent, as it tells them; recorded: by ofEvents(). */
export function join(live, recorded) {
	const rows = new Map(recorded.map((action) => [`${action.number} ${action.backend}`, action]));

	for (const action of live) {
		const name = `${action.number} ${action.backend}`, had = rows.get(name);

		rows.set(name, { ...had, ...action, vip_text: action.vip, id: had?.id, links: had?.links, effect: action.effect || had?.effect });
	}
	return [...rows.values()].sort((a, b) => b.number - a.number);
}

export class Actions {
	#limit = STEP;

	/* hooks: event(id): go there; chain(id): there, with what it rests on; short(id): as people read it */
	constructor(root, hooks) {
		this.hooks = hooks;
		this.list = el('ol', { class: 'actions', 'aria-label': 'Actions, the newest first' });
		this.note = el('p', { class: 'notes' });
		this.more = el('button', { class: 'more', hidden: true, onclick: () => this.#more() }, 'more');
		root.append(this.list, this.more, this.note);
		this.rows = new Keyed(this.list, () => this.#row());
	}

	#more() {
		this.#limit += STEP;
		this.update(...this.last);
	}

	/* now: { boot_ns, unix_ns } of the host, or null; besides: a sentence */
	update(actions, now, leftOut, besides) {
		const shown = actions.slice(0, this.#limit), hidden = actions.length - shown.length;

		this.last = [actions, now, leftOut, besides];
		this.rows.update(shown.map((action) => ({ ...action, now })), key);
		this.more.hidden = !hidden;
		put(this.more, `${plural(hidden, 'earlier action')}: show ${Math.min(STEP, hidden)}`);
		fill(this.note, actions.length ? '' : 'Nothing was done or proposed. ', leftOut ? `${plural(leftOut, 'earlier action')} ${leftOut === 1 ? 'is' : 'are'} not told. ` : '', besides);
	}

	#row() {
		const node = el('li');
		let said = '';

		return { node, update: (action) => {
			const words = JSON.stringify([{ ...action, now: null }, whenWords(action), untilWords(action)]);

			if (words === said) /* the focus on a link stays */
				return;
			said = words;
			node.className = `${action.mode} ${action.running === false ? 'over' : ''}`;
			node.dataset.action = action.number;
			fill(node, this.#head(action), el('p', { class: 'why' }, action.why), this.#evidence(action), effect(action, this.hooks));
		} };
	}

	#head(action) {
		const { what, mode, backend, vip_text: vip } = action;

		return el('p', { class: 'head' }, el('span', { class: 'mode' }, mode === 'live' ? '● live' : '◌ shadow'), ' ',
			el('b', {}, mode === 'live' ? '' : 'would ', WHAT[what] || what, ' ', backend), ` of ${vip}: `, shares(action),
			el('span', { class: 'when' }, [whenWords(action), untilWords(action)].filter(Boolean).join(' · ')));
	}

	#evidence({ links, evidence, id }) {
		const link = (event, words) => el('button', { class: 'ref', title: `go to event ${event}`, onclick: () => this.hooks.event(event) }, words);
		const parts = (links || []).map((e) => el('li', {}, link(e.id, `${e.type} ${this.hooks.short(e.id)}`), ' ', e.what));

		if (id)
			return el('div', { class: 'evidence' }, 'rests on ', parts.length ? el('ul', {}, parts) : 'no event that is in these recordings',
				' ', el('button', { class: 'ref', onclick: () => this.hooks.chain(id) }, 'in the diagram, with its causes'));
		return el('p', { class: 'evidence' }, evidence?.length
			? `rests on ${evidence.map((e) => `event ${count(e.seq)} of ${e.host}`).join(', ')}` : 'rests on what the balancer itself counted');
	}
}

function shares({ share_before: before, share_after: after, weight }) {
	const percent = (share) => `${Number((Number(share) / 10).toPrecision(3))} %`;

	return `${percent(before)} → ${percent(after)} of its weight${weight === undefined ? '' : ` ${count(Number(weight))}`}`;
}

function whenWords({ at, at_boot_ns: boot, now }) {
	if (boot !== undefined && now)
		return `${ago(now.boot_ns - boot)} ago`;
	return at === undefined ? '' : moment(at);
}

function untilWords({ running, expiry_boot_ns: expiry, now }) {
	if (running === undefined)
		return '';
	if (!running)
		return 'does not hold any more';
	return expiry && now ? `holds for ${ago(Math.max(0, expiry - now.boot_ns))} more` : 'holds until something else is heard';
}

/* Whole seconds: it is written anew each second. */
export function ago(ns) {
	return ns < 120e9 ? `${Math.round(ns / 1e9)} s` : duration(ns);
}

function effect({ effect: e }, hooks) {
	if (!e)
		return el('p', { class: 'effect' }, '… its effect is not measured yet');
	const [sign, word] = VERDICT[e.verdict] || ['', e.verdict];
	const rows = FIGURES.filter(([name]) => e.before?.[name] || e.after?.[name]);
	const text = (name, value) => (TOOK[name] ? (value ? duration(value * TOOK[name][1]) : '—') : count(value || 0));

	return el('div', { class: `effect ${e.verdict}` }, el('p', {}, el('b', {}, `${sign} ${word}`), e.why ? `: ${e.why}` : '',
		e.id ? [' ', el('button', { class: 'ref', onclick: () => hooks.event(e.id) }, hooks.short(e.id))] : ''),
	rows.length ? el('table', {}, el('thead', {}, el('tr', {}, el('td'), el('th', { scope: 'col' }, e.window_ns ? `${duration(Number(e.window_ns))} before` : 'before'),
		el('th', { scope: 'col' }, 'after'))), el('tbody', {}, rows.map(([name, words]) => el('tr', {}, el('th', { scope: 'row' }, words),
		el('td', {}, text(name, e.before[name])), el('td', {}, text(name, e.after[name])))))) : '');
}
