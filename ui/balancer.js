/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer - what a balancer of this host does now: VIPs and their backends (vips.js), what the agent did (actions.js), packets that were not sent on
 * and why, how full the tables are. It is asked each second while it is seen, and only of the backends that are unfolded. Where no balancer is
 * looked at, but a recording has actions, these. Nothing can be changed here.
 */
import { Actions, join, ofEvents } from './actions.js';
import { ask, get } from './api.js';
import { byId, el, fill } from './dom.js';
import { put } from './keyed.js';
import { Now } from './now.js';
import { Tables } from './tables.js';
import { count, plural } from './text.js';
import { Vips, isTroubled } from './vips.js';
import { Why } from './why.js';

const EVERY_MS = 1000;

export class Balancer {
	#timer = 0;
	#shown = false;
	#asking = null;

	/* hooks: changed(): what the address says; event(id), chain(id), short(id): of events */
	constructor(hooks) {
		this.hooks = hooks;
		this.root = byId('balancer');
		this.state = { on: '', open: [] };
		this.vips = new Vips(byId('lb-vips'), { opened: () => this.#opened() });
		this.actions = new Actions(byId('lb-acted'), hooks);
		this.why = new Why({ on: () => this.data?.interface, reason: (name) => this.data?.reasons?.find((r) => r.reason === name)?.text });
		this.recorded = { actions: [], left_out: 0 };
		this.tables = new Tables();
		this.now = new Now(byId('lb-now'));
		byId('lb-filter').addEventListener('input', () => this.#draw());
		byId('lb-troubled').addEventListener('click', () => this.#onlyTroubled());
		document.addEventListener('visibilitychange', () => this.#shown && this.#now());
	}

	/* What the address says: { on, open }. */
	restore({ on, open }) {
		this.state.on = on;
		this.vips.open = new Set(open);
	}

	get asked() {
		return { on: this.state.on, open: [...this.vips.open] };
	}

	/* live: there is a balancer to look at; recorded: a recording has actions */
	begin(live, recorded) {
		this.live = live;
		this.hasRecording = recorded;
	}

	show() {
		this.#shown = true;
		this.grown();
		this.#now();
	}

	/* Actions of the recordings, again. */
	async grown() {
		if (!this.#shown || !this.hasRecording)
			return;
		try {
			const { actions, left_out: beyond } = await get('actions');

			this.recorded = { actions: actions.map(ofEvents), left_out: beyond };
			this.#draw();
		} catch (e) {
			this.#fail(e);
		}
	}

	hide() {
		this.#shown = false;
		clearTimeout(this.#timer);
	}

	#opened() {
		this.hooks.changed();
		this.#draw();
		this.#now();
	}

	#onlyTroubled() {
		const button = byId('lb-troubled');

		button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
		this.#draw();
	}

	/* Asks at once, and then each second; a newer question ends the one before. */
	async #now() {
		clearTimeout(this.#timer);
		this.#asking?.abort();
		const asking = new AbortController();

		this.#asking = asking;
		if (!this.#shown || document.hidden || !this.live)
			return;
		try {
			const data = await ask('balancer', { on: this.state.on, open: [...this.vips.open].join(' ') }, asking.signal);

			this.#take(data);
		} catch (e) {
			if (e.name === 'AbortError')
				return;
			this.#fail(e);
		}
		if (asking === this.#asking && this.#shown)
			this.#timer = setTimeout(() => this.#now(), EVERY_MS);
	}

	/* What was read last stays, and is marked as old. */
	#fail(e) {
		this.root.classList.add('old');
		fill(byId('lb-trouble'), e.message);
		byId('lb-trouble').hidden = false;
	}

	#take(data) {
		this.data = data;
		this.root.classList.remove('old');
		byId('lb-trouble').hidden = true;
		this.#draw();
	}

	#draw() {
		const { data } = this;

		this.#acted(data);
		this.root.classList.toggle('recorded', !this.live);
		byId('lb-vips').hidden = !this.live;
		byId('lb-tables').hidden = byId('lb-asked').hidden = !data?.connections;
		byId('lb-now').hidden = !data?.interface;
		if (!data)
			return;
		this.#head(data);
		if (!data.interface) {
			byId('lb-vips').hidden = true;
			return;
		}
		const words = byId('lb-filter').value.trim().toLowerCase(), troubled = byId('lb-troubled').getAttribute('aria-pressed') === 'true';
		const chosen = data.vips.filter((vip) => (!words || vip.vip.includes(words)) && (!troubled || isTroubled(vip)));

		this.#begun(data);
		this.now.update(data);
		this.vips.update(data, chosen);
		put(byId('lb-count'), chosen.length === data.vips.length ? plural(chosen.length, 'VIP') : `${count(chosen.length)} of ${plural(data.vips.length, 'VIP')}`);
		if (data.connections)
			this.tables.update(data);
	}

	/* Of one VIP there is nothing to choose. */
	#begun({ vips }) {
		const before = this.seen;

		this.seen = true;
		if (!before && vips.length === 1 && !this.vips.open.size)
			this.vips.toggle(vips[0].vip);
	}

	#head(data) {
		const choice = data.interfaces.length > 1 ? data.interfaces.map((name) => el('button', { class: 'chip', 'aria-pressed': String(name === data.interface),
			onclick: () => this.#turn(name) }, name)) : null;

		if (!data.interface) {
			fill(byId('lb-head'), 'No interface of this host has a balancer: ', el('code', {}, 'saker lb vip add 10.0.0.10:443/tcp --on eth0'));
			return;
		}
		const words = [data.attached ? `${data.mode} XDP, program ${data.program}` : 'not attached: no packet is balanced',
			data.unconfirmed ? 'its last change waits to be confirmed' : ''].filter(Boolean).join(' · ');

		if (this.headed === `${words}${data.interface}${data.interfaces}`)
			return;
		this.headed = `${words}${data.interface}${data.interfaces}`;
		fill(byId('lb-head'), choice || el('b', {}, data.interface), ' ', words);
	}

	#turn(name) {
		this.state.on = name;
		this.vips.forget();
		this.tables.forget();
		this.#opened();
	}

	/* Actions: the agent's own account, and what recordings have of them. */
	#acted(data) {
		const live = data?.actions || [], now = data?.boot_ms ? { boot_ns: data.boot_ms * 1e6 } : null;
		const agent = !this.live ? 'As the recordings have it.' : data?.agent_trouble || data?.checks_trouble || (data?.agent_runs ? ''
			: data?.agent ? 'No agent runs: this is what was known when the last one ended.' : 'No agent runs, so nobody watches the backends: `saker agent`.');

		this.actions.update(join(live, this.recorded.actions), now, (data?.actions_left_out || 0) + this.recorded.left_out, agent);
	}
}
