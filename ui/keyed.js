/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyed - a list whose rows stay the same elements while what they say changes, so that a reader who has the focus on one, or
 * copies its text, keeps it.
 */
import { printable } from './text.js';

export class Keyed {
	#rows = new Map(); /* key -> { node, update } */

	/* make(item) -> { node, update(item) }; after: a child that stays before them */
	constructor(root, make, after = null) {
		this.after = after;
		this.root = root;
		this.make = make;
	}

	/* Rows of items, in their order; key(item) is a string that no other one has. */
	update(items, key) {
		const before = this.#rows;

		this.#rows = new Map();
		let at = this.after ? this.after.nextSibling : this.root.firstChild;

		for (const item of items) {
			const name = key(item), row = before.get(name) || this.make(item);

			before.delete(name);
			this.#rows.set(name, row);
			row.update(item);
			if (row.node === at)
				at = at.nextSibling;
			else
				this.root.insertBefore(row.node, at);
		}
		before.forEach((row) => row.node.remove());
	}

	get(key) {
		return this.#rows.get(key);
	}
}

/* Text, as el() would have it, that is written only where it is another one. */
export function put(node, text) {
	const shown = printable(text);

	if (node.textContent !== shown)
		node.textContent = shown;
}
