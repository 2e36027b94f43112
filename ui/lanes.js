/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lanes - the tree of hosts, processes and threads, and the rows that are visible of it.
 */
const ROW_MIN = 34, ROW_MAX = 80; /* height of a row, in pixels */
export const ROWS_MAX = 1000; /* more would be no picture; what is beyond is said */

export class Lanes {
	#byId = new Map();
	#children = new Map();

	/* list: of /api/lanes, in drawing order */
	constructor(list) {
		for (const lane of list) {
			const parent = lane.parent ?? null;

			this.#byId.set(lane.id, lane);
			if (!this.#children.has(parent))
				this.#children.set(parent, []);
			this.#children.get(parent).push(lane);
		}
	}

	get(id) {
		return this.#byId.get(id);
	}

	children(id) {
		return this.#children.get(id ?? null) || [];
	}

	/* The lane and those around it, outermost first. */
	path(id) {
		const path = [];

		for (let lane = this.get(id); lane; lane = this.get(lane.parent))
			path.unshift(lane);
		return path;
	}

	/* "node1 › etcd[123] › thread 130" */
	name(id) {
		return this.path(id).map((lane) => nameOf(lane)).join(' › ');
	}

	host(id) {
		return this.path(id)[0];
	}

	/* Every lane of one kind that has something to unfold. */
	parents(kind) {
		return [...this.#byId.values()].filter((l) => l.kind === kind && this.children(l.id).length).map((l) => l.id);
	}

	rows(open, pinned) {
		return new Rows(this, open, pinned);
	}
}

/* Imports may know a lane by its number only. */
export function nameOf({ name, kind, pid, tid }) {
	return name || `${kind} ${tid || pid || ''}`.trim();
}

/*
 * What is visible: below a lane in the set `open` all that it holds, below others those of it that are `pinned`, because
 * something in them was looked at. So a host of a thousand processes shows the two that matter.
 */
export class Rows {
	#index = new Map();

	constructor(lanes, open, pinned) {
		this.lanes = lanes;
		this.list = [];
		this.beyond = 0;
		this.size = ROW_MIN;
		this.#walk(null, 0, open, pinned);
		this.list.forEach((row, i) => this.#index.set(row.lane.id, i));
		this.lanesText = this.list.map((row) => row.lane.id).join(',');
	}

	/* Few rows are higher, to fill the room there is. */
	fill(height) {
		this.size = Math.max(ROW_MIN, Math.min(ROW_MAX, Math.floor(height / Math.max(1, this.list.length))));
	}

	#walk(parent, depth, open, pinned) {
		for (const lane of this.lanes.children(parent)) {
			const below = this.lanes.children(lane.id);

			if (parent !== null && !open.has(parent) && !pinned.has(lane.id))
				continue;
			if (this.list.length >= ROWS_MAX) {
				this.beyond++;
				continue;
			}
			this.list.push({ lane, depth, leaf: !below.length, open: open.has(lane.id), below: below.length,
				shown: open.has(lane.id) ? below.length : below.filter((l) => pinned.has(l.id)).length });
			this.#walk(lane.id, depth + 1, open, pinned);
		}
	}

	get height() {
		return this.list.length * this.size;
	}

	top(i) {
		return i * this.size;
	}


	/* The row on which a lane's events are drawn: its own or the nearest unfolded one around it; -1: none. */
	indexOf(id) {
		for (let lane = this.lanes.get(id); lane; lane = this.lanes.get(lane.parent)) {
			const i = this.#index.get(lane.id);

			if (i !== undefined)
				return i;
		}
		return -1;
	}

	/* The middle of a row, where its line runs. */
	middle(i) {
		return Math.round(i * this.size + 14 + (this.size - ROW_MIN) * 0.4);
	}

	at(y) {
		const i = Math.floor(y / this.size);

		return i >= 0 && i < this.list.length ? i : -1;
	}
}
