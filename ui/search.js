/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - the query language of `saker show` in a box: while the reader types, matches are marked in the diagram (or all
 * else is left out); Enter lists them. What is wrong with a query stands below it, with a mark at its place.
 */
import { Latest } from './api.js';
import { byId, choice, el, fill } from './dom.js';
import { count, moment, plural } from './text.js';

const TYPING_MS = 300;
const SHOWN = 200;

export class Search {
	#latest = new Latest();
	#timer = 0;

	/* hooks: query(text, mode); go(id); lane(id) -> words; failed(error) */
	constructor(hooks) {
		this.hooks = hooks;
		this.input = byId('query');
		this.results = byId('results');
		this.mode = 'highlight';
		this.setMode = choice(byId('search').querySelector('.choice'), 'mode', (mode) => this.#setMode(mode));
		this.input.addEventListener('input', () => this.#typed());
		byId('search').addEventListener('submit', (e) => {
			e.preventDefault();
			this.#run(true);
		});
		byId('search').addEventListener('keydown', (e) => this.#key(e));
		document.addEventListener('pointerdown', (e) => byId('search').contains(e.target) || this.hide());
	}

	focus() {
		this.input.focus();
		this.input.select();
	}

	set(text, mode) {
		this.input.value = text;
		this.mode = mode;
		this.setMode(mode);
		this.#run(false);
	}

	hide() {
		this.results.hidden = true;
	}

	#setMode(mode) {
		this.mode = mode;
		this.#run(false);
	}

	#typed() {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#run(false), TYPING_MS);
	}

	/* Asks the server, which knows the language; a wrong query changes nothing in the diagram. */
	async #run(list) {
		const text = this.input.value.trim();

		clearTimeout(this.#timer);
		this.#error(null);
		if (!text) {
			this.#latest.cancel();
			this.hide();
			this.hooks.query('', this.mode);
			return;
		}
		try {
			const found = await this.#latest.get('search', { q: text, limit: list ? SHOWN : 1 });

			this.hooks.query(text, this.mode);
			if (list)
				this.#list(found);
			else if (!found.events.length)
				this.#error({ message: 'No event matches.' });
		} catch (e) {
			if (e.name === 'AbortError')
				return;
			if (e.status === 400)
				this.#error(e);
			else
				this.hooks.failed(e);
		}
	}

	#error(e) {
		const box = byId('query-error');

		box.hidden = !e;
		this.input.setAttribute('aria-invalid', Boolean(e && e.status === 400));
		if (!e)
			return;
		const text = this.input.value, lead = text.length - text.trimStart().length;
		const at = e.at === undefined ? null : Math.max(0, Math.min(text.length, e.at - 1 + lead));

		fill(box, at === null ? null : el('pre', { 'aria-hidden': 'true' }, text.slice(0, at), el('mark', {}, text.slice(at, at + 1) || ' '),
			text.slice(at + 1)), el('p', {}, e.message));
	}

	#list({ events, total, more }) {
		this.results.hidden = false;
		fill(this.results, el('p', {}, more ? `The first ${count(events.length)} of ${count(total)} matches` : plural(events.length, 'match', 'matches')),
		el('ul', {}, events.map((event) => el('li', {}, el('button', { type: 'button', onclick: () => this.hooks.go(event.id) },
			el('time', {}, moment(event.t)), el('b', {}, event.type), el('span', { class: 'what' }, event.label || ''),
			el('span', { class: 'lane' }, this.hooks.lane(event.lane)), el('span', { class: 'id' }, event.id))))));
	}

	/* Down from the box into the list, and through it. */
	#key(e) {
		const buttons = [...this.results.querySelectorAll('button')];
		const i = buttons.indexOf(document.activeElement);

		if (e.key === 'Escape') {
			this.hide();
			(i >= 0 ? this.input : byId('canvas')).focus();
		} else if ((e.key === 'ArrowDown' || e.key === 'ArrowUp') && !this.results.hidden && buttons.length &&
			(i >= 0 || document.activeElement === this.input)) {
			const next = i + (e.key === 'ArrowDown' ? 1 : -1);

			(next < 0 ? this.input : buttons[Math.min(next, buttons.length - 1)]).focus();
		} else {
			return;
		}
		e.preventDefault();
		e.stopPropagation();
	}
}
