/* SPDX-License-Identifier: Apache-2.0 */
/*
 * now - how the balancer is at this moment, in one glance: how many backends are in which state, the last thing that was done about it and what
 * came of that, and tables that need attention.
 */
import { VERDICT, WHAT, ago } from './actions.js';
import { el, fill } from './dom.js';
import { isTight, tableName } from './tables.js';
import { count, plural } from './text.js';
import { isTroubled, stateWords, states } from './vips.js';

export class Now {
	#said = '';

	constructor(root) {
		this.root = root;
	}

	/* It is written only where it says something else, so that it is not read out anew each second. */
	update(data) {
		const troubled = data.vips.filter(isTroubled), last = lastOf(data), tight = (data.tables || []).filter(isTight).map(tableWords);
		const how = headline(data.vips, troubled), said = JSON.stringify([how, last, tight]);

		if (said === this.#said)
			return;
		this.#said = said;
		this.root.className = troubled.length ? 'troubled' : '';
		fill(this.root, el('div', { class: 'how' }, how), last ? el('div', { class: 'last' }, last) : '', tight.map((text) => el('div', { class: 'tight' }, text)));
	}
}

function headline(vips, troubled) {
	const words = stateWords(states(vips)) || 'no backend';

	if (!vips.length)
		return 'No VIP.';
	return `${words} · ${troubled.length ? `${count(troubled.length)} of ${plural(vips.length, 'VIP')} troubled${troubled.length <= 3 ? `: ${troubled.map(({ vip }) => vip).join(', ')}` : ''}`
		: `${plural(vips.length, 'VIP')}, none troubled`}`;
}

/* The newest action that holds, else the newest; its age in whole minutes, or `just now`. */
function lastOf({ actions, boot_ms: ms }) {
	const newest = [...(actions || [])].sort((a, b) => b.number - a.number), action = newest.find(({ running }) => running) || newest[0];

	if (!action)
		return '';
	const age = ms * 1e6 - action.at_boot_ns, when = age < 60e9 ? 'within the last minute' : `${ago(Math.floor(age / 60e9) * 60e9)} ago`;
	const [sign, word] = action.effect ? VERDICT[action.effect.verdict] || ['', action.effect.verdict] : ['…', 'its effect is not measured yet'];

	return `${when}: ${action.mode === 'live' ? '' : '(shadow) would '}${WHAT[action.what] || action.what} ${action.backend} of ${action.vip}, because ${action.why} → ${sign} ${word}${
		action.running ? '' : '; over'}`;
}

/* Without figures, which change each second; they stand below. */
function tableWords(table) {
	return `⚠ ${tableName(table)}: ${table.young_permille ? 'new ones take the place of entries in use' : 'it will be full within an hour, and entries in use may give way then'}`;
}
