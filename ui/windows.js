/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windows - what /api/window answered, kept and asked for ahead. What is asked for reaches a screen further on both sides
 * than what is seen, so that panning finds it there. A new question ends the one before.
 */
import { Latest } from './api.js';

const KEPT = 16;
const AHEAD = 1; /* screens on each side */
const WAIT_MS = 40; /* a wheel turns further in this time: one question for all of it */

export class Windows {
	#latest = new Latest();
	#kept = []; /* newest first: { key, from, to, per, data } */
	#timer = 0;
	#asked = null;
	#last = '';

	/* arrived(): there is something new to draw. failed(error): there is not. */
	constructor(arrived, failed) {
		this.arrived = arrived;
		this.failed = failed;
	}

	get busy() {
		return this.#asked !== null;
	}

	/* All that was kept is of another recording, or of an earlier state of it. */
	forget() {
		this.#kept = this.#kept.slice(0, 1).map((w) => ({ ...w, stale: true }));
		this.#asked = null;
		this.#latest.cancel();
	}

	/*
	 * The best window for what is shown, or null; asks for a better one if there is need. want: { from, to, px } of the view
	 * and { lanes, top, bottom, count, axis, q } of its contents: of the lanes, which rows are seen, and how many there are.
	 */
	find(want) {
		const key = [want.axis, want.q, want.lanes].join('\n');
		const good = this.#kept.find((w) => w.key === key && serves(w, want));

		if (!good)
			this.#ask(key, want);
		else if (this.#nearEdge(good, want))
			this.#ask(key, want);
		return good || this.#kept.find((w) => w.key === key && overlaps(w, want)) || this.#keptOf(want);
	}

	/* An old picture is better than none as long as it is of the same axis. */
	#keptOf(want) {
		return this.#kept.find((w) => w.axis === want.axis && w.q === want.q && overlaps(w, want)) || null;
	}

	#nearEdge(w, want) {
		const margin = (want.to - want.from) * 0.25;
		const last = want.last ?? Infinity, first = want.first ?? -Infinity;

		return (w.from > want.from - margin && w.from > first) || (w.to < want.to + margin && w.to < last);
	}

	#ask(key, want) {
		const span = want.to - want.from;
		const from = Math.floor(want.from - span * AHEAD), to = Math.ceil(want.to + span * AHEAD);
		const asked = { key, axis: want.axis, q: want.q, from, to, per: span / want.px, ...partOf(want) };

		if (this.#asked && this.#asked.key === key && serves(this.#asked, want) && !this.#nearEdge(this.#asked, want))
			return;
		this.#asked = asked;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#fetch(asked, want), this.#last === key ? WAIT_MS : 0);
		this.#last = key;
	}

	async #fetch(asked, want) {
		const px = Math.max(1, Math.round((asked.to - asked.from) / asked.per));

		try {
			const data = await this.#latest.get('window', { from: asked.from, to: asked.to, px, lanes: want.lanes,
				part: asked.top > 0 || asked.bottom < want.count ? `${asked.top}-${asked.bottom}` : '', axis: want.axis, q: want.q });

			this.#kept.unshift({ ...asked, data: index(data) });
			this.#kept = this.#kept.filter((w) => !w.stale).slice(0, KEPT);
			if (this.#asked === asked)
				this.#asked = null;
			this.arrived();
		} catch (e) {
			if (e.name === 'AbortError')
				return;
			this.#asked = null;
			this.failed(e);
		}
	}
}

/* The rows that are seen and as many on both sides; all, if they are not many more. */
function partOf({ top, bottom, count }) {
	const seen = bottom - top;

	return count <= 4 * seen ? { top: 0, bottom: count } : { top: Math.max(0, top - seen), bottom: Math.min(count, bottom + seen) };
}

function overlaps(w, want) {
	return w.from < want.to && w.to > want.from;
}

/* It covers what is seen, and is neither coarser nor, where something was left out, finer than the screen. */
function serves(w, want) {
	const per = (want.to - want.from) / want.px;
	const ratio = per / w.per;
	const whole = w.data && w.data.whole;

	return !w.stale && w.top <= want.top && w.bottom >= want.bottom && w.from <= want.from && w.to >= want.to && ratio < 1.6 && (ratio > 0.8 || whole);
}

/* Adds what drawing needs: the middles of bins, and whether everything is there as single events. */
function index(data) {
	data.byLane = new Map();
	for (const lane of data.lanes) {
		data.byLane.set(lane.id, lane);
		for (const bin of lane.bins || [])
			bin.at = bin.x + data.bin / 2;
	}
	data.whole = data.lanes.every((lane) => !lane.bins || !lane.bins.length) &&
		!(data.left_out && (data.left_out.events || data.left_out.arrows));
	return data;
}
