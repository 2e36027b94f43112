/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables - how full the balancer's tables of connections are, and when they will be (as `saker lb stats` says it); what became of packets.
 */
import { byId, el } from './dom.js';
import { Keyed, put } from './keyed.js';
import { Rates } from './rates.js';
import { count, plural, rough } from './text.js';

const ORDER = ['drop', 'note', 'send', 'pass'];
const KINDS = { drop: '✕ dropped', note: '· noted', send: '→ sent', pass: '↓ to the host' };

export function tableName({ table, cpu }) {
	return cpu === null || cpu === undefined ? table : `${table} of CPU ${cpu}`;
}

/*
 * A table that gets full is nothing bad in itself, since entries only leave when their place is needed: bad is that what gives way is in use, or
 * that nobody knows whether it is.
 */
export function isTight({ urgent, young_permille: young, unused_s: unused, idle_s: idle }) {
	return urgent && (young > 0 || unused === null || unused < idle);
}

export class Tables {
	#rates = new Map();

	constructor() {
		this.fills = new Keyed(byId('lb-fills'), () => fillRow());
		this.reasons = new Keyed(byId('lb-reasons'), () => reasonRow());
	}

	/* Another interface: other counters. */
	forget() {
		this.#rates.clear();
	}

	update({ connections, tables, reasons, boot_ms: ms }) {
		const met = reasons.filter(({ packets }) => packets).map((reason) => {
			if (!this.#rates.has(reason.reason))
				this.#rates.set(reason.reason, new Rates());
			const rates = this.#rates.get(reason.reason);

			rates.add(ms, { packets: reason.packets });
			return { ...reason, rate: rates.rate('packets') };
		});
		const fresh = met.find(({ reason }) => reason === 'LB_MISS_SYN')?.rate;

		put(byId('lb-fill'), `${fresh === undefined ? '' : `${rough(fresh)} new connections a second; `}${plural(connections.all, 'is remembered', 'are remembered')}`);
		this.fills.update(tables || [], tableName);
		met.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
		this.reasons.update(met, ({ reason }) => reason);
	}
}

function fillRow() {
	const name = el('b'), bar = el('span', { class: 'bar' }, el('i')), text = el('span', { class: 'text' });
	const node = el('li', {}, name, bar, text);

	return { node, update: (table) => {
		node.className = isTight(table) ? 'urgent' : '';
		node.dataset.table = table.table;
		put(name, `${isTight(table) ? '⚠ ' : ''}${tableName(table)}`);
		bar.firstChild.style.width = `${Math.min(100, 100 * table.entries / Math.max(1, table.room))}%`;
		put(text, table.text);
	} };
}

function reasonRow() {
	const [kind, number, rate, text] = ['kind', 'number', 'rate', 'text'].map((name) => el('td', { class: name }));
	const node = el('tr', {}, kind, number, rate, text);

	return { node, update: (r) => {
		node.className = r.kind;
		node.dataset.reason = r.reason;
		put(kind, KINDS[r.kind] || r.kind);
		put(number, count(r.packets));
		put(rate, r.rate ? `${rough(r.rate)}/s` : '');
		put(text, r.text);
	} };
}
