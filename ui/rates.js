/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rates - from counters that were read at different times to rates, and a small picture of the last minute.
 */
const KEPT = 61;
const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 90, HEIGHT = 18;

/* The counters of one thing: { packets, bytes, ... }, each time with the clock's ms. */
export class Rates {
	#samples = [];

	add(ms, counters) {
		const last = this.#samples.at(-1);

		if (last && ms <= last.ms)
			return;
		if (last && Object.keys(counters).some((name) => counters[name] < last.counters[name]))
			this.#samples = []; /* it began anew */
		this.#samples.push({ ms, counters });
		if (this.#samples.length > KEPT)
			this.#samples.shift();
	}

	/* A second, between the last two readings; undefined: it was read once. */
	rate(name) {
		return per(this.#samples.at(-2), this.#samples.at(-1), name);
	}

	/* Rates between readings, the oldest first. */
	series(name) {
		return this.#samples.slice(1).map((sample, i) => per(this.#samples[i], sample, name) ?? 0);
	}

	/* How much it was in all since the oldest reading that is kept, and for how many ms. */
	since(name) {
		const [first] = this.#samples, last = this.#samples.at(-1);

		return first && last !== first && first.counters[name] !== undefined
			? { more: last.counters[name] - first.counters[name], ms: last.ms - first.ms } : null;
	}
}

function per(a, b, name) {
	if (!a || !b || a.counters[name] === undefined || b.counters[name] === undefined)
		return undefined;
	return (b.counters[name] - a.counters[name]) * 1000 / (b.ms - a.ms);
}

/* { node, update(series) }: a line that ends at the right edge, its highest value at the top. */
export function spark() {
	const node = document.createElementNS(SVG, 'svg'), path = document.createElementNS(SVG, 'path');

	for (const [name, value] of Object.entries({ width: WIDTH, height: HEIGHT, class: 'spark', 'aria-hidden': 'true' }))
		node.setAttribute(name, value);
	node.append(path);
	return { node, update: (series) => path.setAttribute('d', line(series)) };
}

function line(series) {
	const most = Math.max(...series, 1e-9), step = WIDTH / (KEPT - 2);
	const place = (value, i) => `${(WIDTH - (series.length - 1 - i) * step).toFixed(1)} ${(HEIGHT - 1 - value / most * (HEIGHT - 3)).toFixed(1)}`;

	return series.length > 1 ? `M${series.map(place).join('L')}` : '';
}
