/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gutter - the names of the lanes, as a tree that the keyboard walks: arrows up and down, right unfolds, left folds.
 */
import { el } from './dom.js';
import { nameOf } from './lanes.js';
import { duration, rough } from './text.js';

export class Gutter {
	#items = [];
	#at = 0;

	/* fold(lane id, open): the reader wants it. doubt(lane, short): words about its clock, or ''. */
	constructor(tree, { fold, doubt }) {
		this.tree = tree;
		this.fold = fold;
		this.doubt = doubt;
		tree.addEventListener('keydown', (e) => this.#key(e));
		tree.addEventListener('click', (e) => this.#click(e));
		tree.addEventListener('focusin', (e) => this.#focused(e));
	}

	show(rows) {
		const keep = this.tree.contains(document.activeElement) ? this.#items[this.#at]?.dataset.lane : null;

		this.rows = rows;
		this.#items = rows.list.map((row) => this.#item(row));
		this.tree.replaceChildren(...this.#items);
		if (rows.beyond)
			this.tree.append(el('li', { role: 'none', class: 'beyond' }, `${rough(rows.beyond)} more lanes: fold or filter`));
		this.size(rows);
		this.#move(Math.max(0, this.#items.findIndex((item) => item.dataset.lane === keep)), keep !== null);
	}

	size(rows) {
		this.tree.style.setProperty('--row-height', `${rows.size}px`);
		this.tree.style.height = `${rows.height}px`;
	}

	/* Where the selected event is. */
	mark(i) {
		this.#items.forEach((item, k) => item.classList.toggle('chosen', k === i));
	}

	#item({ lane, depth, leaf, open, shown, below }) {
		const doubt = depth === 0 ? this.doubt(lane) : '';
		const life = `${lane.about || nameOf(lane)}: ${rough(lane.events)} events over ${duration(lane.last - lane.first)}`;

		return el('li', {
			role: 'treeitem', tabindex: -1, 'data-lane': lane.id, 'aria-level': depth + 1, class: `${lane.kind} depth${depth}${leaf ? ' leaf' : ''}`,
			'aria-expanded': leaf ? null : String(open || shown > 0), title: doubt ? `${life}\n${doubt}` : life,
		}, el('span', { class: 'fold', 'aria-hidden': 'true' }, leaf ? '' : open ? '▾' : shown ? '▿' : '▸'),
		el('span', { class: 'name' }, el('bdi', {}, lane.name || lane.kind), number(lane)),
		doubt ? el('span', { class: 'doubt' }, this.doubt(lane, true)) : null,
		shown && !open ? el('span', { class: 'count' }, `${shown} of ${rough(below)}`) : null,
		el('span', { class: 'count', 'aria-label': `${rough(lane.events)} events` }, rough(lane.events)));
	}

	#focused(e) {
		const i = this.#items.indexOf(e.target.closest('li'));

		if (i >= 0)
			this.#move(i, false);
	}

	#move(i, focus) {
		if (!this.#items.length)
			return;
		this.#items[this.#at]?.setAttribute('tabindex', -1);
		this.#at = Math.max(0, Math.min(i, this.#items.length - 1));
		this.#items[this.#at].setAttribute('tabindex', 0);
		if (focus)
			this.#items[this.#at].focus({ preventScroll: false });
	}

	#click(e) {
		const i = this.#items.indexOf(e.target.closest('li'));

		if (i < 0)
			return;
		this.#move(i, true);
		this.#toggle(i);
	}

	#toggle(i, open = !this.rows.list[i].open) {
		const row = this.rows.list[i];

		if (!row.leaf && (row.open !== open || row.shown))
			this.fold(row.lane.id, open);
	}

	#parent(i) {
		const depth = this.rows.list[i].depth;

		while (i > 0 && this.rows.list[i].depth >= depth)
			i--;
		return i;
	}

	#key(e) {
		const i = this.#at, row = this.rows.list[i];
		const acts = {
			ArrowDown: () => this.#move(i + 1, true),
			ArrowUp: () => this.#move(i - 1, true),
			Home: () => this.#move(0, true),
			End: () => this.#move(this.#items.length - 1, true),
			ArrowRight: () => (row.open ? this.#move(i + 1, true) : this.#toggle(i, true)),
			ArrowLeft: () => (row.open || row.shown ? this.#toggle(i, false) : this.#move(this.#parent(i), true)),
			Enter: () => this.#toggle(i),
			' ': () => this.#toggle(i),
		};

		if (!row || !acts[e.key] || e.ctrlKey || e.metaKey || e.altKey)
			return;
		e.preventDefault();
		e.stopPropagation();
		acts[e.key]();
	}
}

function number(lane) {
	const id = lane.kind === 'process' ? lane.pid : lane.kind === 'thread' ? lane.tid : 0;

	return id ? el('span', { class: 'id' }, ` ${id}`) : null;
}
