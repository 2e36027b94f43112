/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why - what the balancer would do with a packet, as `saker lb why` says it: the programs that run are asked, on tables of their own.
 */
import { Latest } from './api.js';
import { byId, el, fill } from './dom.js';
import { count } from './text.js';

export class Why {
	#answer = new Latest();

	/* hooks: on(): the interface; reason(name): words, or undefined */
	constructor(hooks) {
		this.hooks = hooks;
		byId('lb-why-form').addEventListener('submit', (e) => {
			e.preventDefault();
			this.#ask(byId('lb-why').value.trim());
		});
	}

	async #ask(packet) {
		if (!packet)
			return;
		fill(byId('lb-because'), 'the programs are asked …');
		try {
			this.#tell(await this.#answer.get('why', { packet, on: this.hooks.on() }));
		} catch (e) {
			if (e.name !== 'AbortError')
				fill(byId('lb-because'), el('p', { class: 'wrong' }, e.message));
		}
	}

	#tell({ packet, action, stage, reason, vip, backend, cpus, notes, bytes, bytes_out: out }) {
		const row = (name, ...words) => el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, words));
		const text = (name) => this.hooks.reason(name) || name;
		const known = cpus.length ? `known in the table of CPU ${cpus.join(', ')}; a packet on another CPU would be a new one there` : 'no table has it';

		fill(byId('lb-because'), el('p', {}, el('b', {}, packet), `: ${action}`), el('table', {}, el('tbody', {},
			row('because', `${text(reason)} (${stage}, ${reason})`), vip ? row('entry', `VIP ${vip}`) : '', backend ? row('backend', backend) : '',
			vip ? row('connection', known) : '', notes.map((name) => row('on the way', text(name))), out > bytes ? row('leaves', `${count(out - bytes)} bytes longer than it came`) : '')));
	}
}
