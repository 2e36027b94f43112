/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overview - the whole recording in one strip: how much happened when, where trouble, loss and stops were, and the stretch
 * that is shown. Drag it, or click beside it.
 */
/* global d3 */
import { Latest } from './api.js';
import { fit } from './dom.js';
import { hatch } from './marks.js';
import { colours } from './theme.js';

const HEIGHT = 40;
const BARS = 4; /* pixels a bar */

export class Overview {
	#latest = new Latest();
	#bars = null;
	#asked = false;
	#painted = '';

	constructor(canvas, diagram, failed) {
		this.canvas = canvas;
		this.d = diagram;
		this.failed = failed;
		d3.select(canvas).call(d3.drag().on('start drag', () => this.#drag()));
	}

	resize(width, ratio) {
		if (this.width !== width)
			this.forget();
		this.width = width;
		this.ratio = ratio;
		fit(this.canvas, width, HEIGHT, ratio);
		this.dirty();
	}

	forget() {
		this.#asked = false;
		this.dirty();
	}

	dirty() {
		this.#painted = '';
	}

	async #ask() {
		const { scale, axis, lanes } = this.d;
		const ids = lanes.children(null).map((lane) => lane.id);
		const px = Math.max(16, Math.floor(this.width / BARS));

		this.#asked = true;
		try {
			const { first, last } = scale;
			const data = await this.#latest.get('window', { from: Math.floor(first), to: Math.ceil(last), px, lanes: ids.join(','),
				axis });

			this.#bars = summed(data, axis, first, last);
			this.#painted = '';
			this.d.dirty();
		} catch (e) {
			if (e.name !== 'AbortError')
				this.failed(e);
		}
	}

	#drag() {
		const { scale } = this.d;
		const value = scale.first + (d3.event.x / this.width) * (scale.last - scale.first);

		scale.set(value - scale.span / 2, scale.per);
		this.d.hooks.moved();
		this.d.changed();
	}

	#x(value) {
		const { scale } = this.d;

		return ((value - scale.first) / (scale.last - scale.first)) * this.width;
	}

	paint() {
		const { scale } = this.d;
		const state = `${scale.from} ${scale.per} ${scale.last}`;

		if (!this.#asked)
			this.#ask();
		if (state === this.#painted)
			return;
		this.#painted = state;
		const c = this.canvas.getContext('2d');

		c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
		c.clearRect(0, 0, this.width, HEIGHT);
		if (this.#bars)
			this.#drawBars(c, this.#bars);
		this.#drawView(c, this.#x(scale.from), this.#x(scale.to));
	}

	#drawBars(c, { n, trouble, losses, stopped, first, last }) {
		const most = Math.log1p(Math.max(1, ...n)), width = this.width / n.length;

		/* the recording may have grown since */
		const x = (i) => this.#x(first + (i / n.length) * (last - first));

		c.fillStyle = colours.stop;
		c.globalAlpha = 0.3;
		for (const { from, to } of stopped)
			c.fillRect(this.#x(from), 0, Math.max(1, this.#x(Math.min(to ?? last, last)) - this.#x(from)), HEIGHT);
		c.globalAlpha = 1;
		c.fillStyle = colours.dot;
		n.forEach((count, i) => {
			const h = (Math.log1p(count) / most) * (HEIGHT - 12);

			c.fillRect(x(i), HEIGHT - h, Math.max(1, width - 1), h);
		});
		c.fillStyle = hatch(c, colours.loss);
		for (const { from, to } of losses)
			c.fillRect(this.#x(from), 0, Math.max(3, this.#x(to) - this.#x(from)), HEIGHT);
		c.fillStyle = colours.trouble;
		trouble.forEach((count, i) => count && c.fillRect(x(i), 3, Math.max(2, width - 1), 4));
	}

	#drawView(c, x0, x1) {
		c.fillStyle = colours.bg;
		c.globalAlpha = 0.6;
		c.fillRect(0, 0, Math.max(0, x0), HEIGHT);
		c.fillRect(x1, 0, Math.max(0, this.width - x1), HEIGHT);
		c.globalAlpha = 1;
		c.strokeStyle = colours.accent;
		c.lineWidth = 1.5;
		c.strokeRect(x0 + 0.75, 0.75, Math.max(2, x1 - x0 - 1.5), HEIGHT - 1.5);
	}
}

/* All hosts together: { n, trouble } a bar, and the stretches of loss and of stops. */
function summed(data, axis, first, last) {
	const px = Math.max(1, Math.round((last - first) / data.bin));
	const n = new Array(px).fill(0), trouble = new Array(px).fill(0);
	const place = (value) => ((value - first) / (last - first)) * px;
	const add = (i, count, bad) => {
		const at = Math.max(0, Math.min(px - 1, Math.floor(i)));

		n[at] += count;
		trouble[at] += bad;
	};

	for (const lane of data.lanes) {
		for (const bin of lane.bins || [])
			add(place(bin.x + data.bin / 2), bin.n, bin.trouble || 0);
		for (const event of lane.events || [])
			add(place(axis === 'wall' ? event.t : event.clock), 1, event.mark === 'trouble' ? 1 : 0);
	}
	return { n, trouble, losses: data.losses || [], stopped: data.stopped || [], first, last };
}
