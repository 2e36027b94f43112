/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ruler - the axis above the lanes: ticks, and a numbered flag where each line of the story happened.
 */
/* global d3 */
import { fit } from './dom.js';
import { count, moment } from './text.js';
import { colours, fonts } from './theme.js';

const HEIGHT = 34;

export class Ruler {
	#flags = [];

	constructor(canvas, diagram) {
		this.canvas = canvas;
		this.d = diagram;
		canvas.addEventListener('click', (e) => this.#click(e));
		canvas.addEventListener('dblclick', () => diagram.hooks.all());
	}

	resize(width, ratio) {
		this.ratio = ratio;
		fit(this.canvas, width, HEIGHT, ratio);
	}

	paint() {
		const { scale, axis } = this.d;
		const c = this.canvas.getContext('2d');
		const ticks = d3.scaleLinear().domain([scale.from, scale.to]).ticks(Math.max(2, scale.width / 120));
		const step = ticks.length > 1 ? ticks[1] - ticks[0] : scale.span;

		c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
		c.clearRect(0, 0, scale.width, HEIGHT);
		c.font = fonts.small;
		c.fillStyle = colours.soft;
		for (const tick of ticks.filter((t) => axis === 'wall' || t >= 0)) {
			const x = scale.x(tick);

			c.fillRect(x - 0.5, HEIGHT - 6, 1, 6);
			c.fillText(axis === 'wall' ? moment(tick, step) : count(tick), x + 4, HEIGHT - 4);
		}
		this.#drawFlags(c);
	}

	/* Lines that happened close to each other share the first one's flag: "2–4". */
	#drawFlags(c) {
		const { scale } = this.d;

		this.#flags = [];
		this.d.hooks.story().forEach((line, i) => {
			const x = scale.x(this.d.value(line)), last = this.#flags[this.#flags.length - 1];

			if (Number.isNaN(x) || x < -20 || x > scale.width + 20)
				return;
			if (last && x - last.x < 22)
				Object.assign(last, { to: i, cause: last.cause || line.cause });
			else
				this.#flags.push({ x, from: i, to: i, cause: line.cause });
		});
		c.font = fonts.bold;
		for (const flag of this.#flags)
			this.#drawFlag(c, flag);
	}

	#drawFlag(c, { x, from, to, cause }) {
		const words = from === to ? String(from + 1) : `${from + 1}–${to + 1}`;
		const width = c.measureText(words).width + 8;

		c.fillStyle = cause ? colours.trouble : colours.soft;
		c.fillRect(x - 0.5, 2, 1.5, HEIGHT - 2);
		c.fillRect(x, 2, width, 14);
		c.fillStyle = colours.panel;
		c.fillText(words, x + 4, 13);
	}

	#click(e) {
		const x = e.clientX - this.canvas.getBoundingClientRect().left;
		const flag = this.#flags.find((f) => x >= f.x - 3 && x < f.x + 26);

		if (flag)
			this.d.hooks.told(flag.from);
	}
}
