/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heat - requests as a picture: when they began goes to the right, how long they took upwards, dark is many. A region of it is
 * chosen by dragging, or with the arrow keys (with shift it grows). Cells in which some failed have a cross. With a second region
 * the first is compared: it is chosen with shift held, or while `which` is 1.
 */
import { fit } from './dom.js';
import { count, duration, moment, plural } from './text.js';
import { colours, fonts } from './theme.js';

const LEFT = 58, RIGHT = 8, TOP = 6, BOTTOM = 20;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Heat {
	#anchor = null; /* the cell at which the choice began */
	#cursor = null;
	#dragging = false;
	#kept = 0; /* which one was chosen before this drag */
	#frame = 0;

	/* chosen(region, which): { from, to, min, max } in ns, or null; which: 0, or 1 of the second; say(words) */
	constructor(canvas, hooks) {
		this.canvas = canvas;
		this.hooks = hooks;
		this.data = null;
		this.regions = [null, null];
		this.two = false; /* there may be a second one */
		this.which = 0; /* which of them is chosen now */
		canvas.addEventListener('pointerdown', (e) => this.#down(e));
		canvas.addEventListener('pointermove', (e) => this.#move(e));
		canvas.addEventListener('pointerup', (e) => this.#up(e));
		canvas.addEventListener('keydown', (e) => this.#key(e));
		new ResizeObserver(() => this.paint()).observe(canvas.parentElement);
	}

	/* data: of /api/heat */
	show(data) {
		this.data = data;
		this.#cursor = this.#anchor = null;
		const rows = data.cells.map((cell) => cell[1]).filter(Boolean);

		/* those that took no time, as nobody saw their end, lie at the lower edge */
		this.low = rows.length ? Math.max(0, Math.min(...rows) - 1) : 0;
		this.high = rows.length ? Math.max(...rows) + 1 : 8;
		this.paint();
	}

	/* The regions that the page has now; one that is just dragged stays. */
	mark(...regions) {
		if (!this.#dragging)
			this.regions = regions;
		this.paint();
	}

	/* Whether there may be a second region, and which one is chosen next. */
	compare(two, which = 0) {
		if (this.two !== two || this.which !== which)
			this.#cursor = this.#anchor = null;
		this.two = two;
		this.which = two ? which : 0;
		this.paint();
	}

	get pending() {
		return this.#frame !== 0;
	}

	/* --- places --- */

	#x(column) {
		return LEFT + (this.width - LEFT - RIGHT) * column / this.data.columns;
	}

	/* The lower edge of a row. */
	#y(row) {
		return this.height - BOTTOM - (this.height - TOP - BOTTOM) * (row - this.low) / (this.high + 1 - this.low);
	}

	#cellAt(e) {
		const box = this.canvas.getBoundingClientRect();
		const x = (e.clientX - box.left - LEFT) / (this.width - LEFT - RIGHT);
		const y = (this.height - BOTTOM - (e.clientY - box.top)) / (this.height - TOP - BOTTOM);
		const within = (value, low, high) => Math.max(low, Math.min(high, Math.floor(value)));

		return [within(x * this.data.columns, 0, this.data.columns - 1),
			within(this.low + y * (this.high + 1 - this.low), this.low, this.high)];
	}

	/* The middle of a cell in pixels of the page, for tests. */
	middle([column, exact]) {
		const row = Math.max(exact, this.low);

		return { x: (this.#x(column) + this.#x(column + 1)) / 2, y: (this.#y(row) + this.#y(row + 1)) / 2 };
	}

	/* --- a region --- */

	#choose(a, b) {
		const { from, width, octave } = this.data;
		const low = Math.min(a[1], b[1]), high = Math.max(a[1], b[1]);

		this.regions[this.which] = { from: from + Math.min(a[0], b[0]) * width, to: from + (Math.max(a[0], b[0]) + 1) * width,
			min: low > this.low ? 2 ** (low / octave) : 0, max: 2 ** ((high + 1) / octave) };
		this.paint();
	}

	#down(e) {
		if (!this.data || e.button)
			return;
		this.canvas.setPointerCapture(e.pointerId);
		this.#dragging = true;
		this.#kept = this.which;
		if (this.two && e.shiftKey)
			this.which = 1; /* for this time */
		this.#anchor = this.#cursor = this.#cellAt(e);
		this.#choose(this.#anchor, this.#cursor);
	}

	#move(e) {
		if (!this.#dragging)
			return;
		this.#cursor = this.#cellAt(e);
		this.#choose(this.#anchor, this.#cursor);
	}

	#up(e) {
		if (!this.#dragging)
			return;
		this.#move(e);
		this.#dragging = false;
		const { which } = this;

		this.which = this.#kept;
		this.hooks.chosen(this.regions[which], which);
	}

	#key(e) {
		const step = STEPS[e.key];

		if (e.key === 'Escape' && this.regions.some(Boolean)) {
			e.preventDefault();
			this.clear(this.regions[1] ? 1 : 0);
		}
		if (e.key === 'Enter' && this.two) {
			e.preventDefault();
			this.hooks.turn(1 - this.which);
		}
		if (!step || !this.data || !this.data.cells.length)
			return;
		e.preventDefault();
		this.#step(step, e.shiftKey);
	}

	/* Begins at the cell with most. */
	#step([dx, dy], grow) {
		if (!this.#cursor) {
			this.#cursor = this.data.cells.reduce((most, cell) => (cell[2] > most[2] ? cell : most)).slice(0, 2)
				.map((place, i) => (i ? Math.max(place, this.low) : place));
		} else {
			const [column, row] = this.#cursor;

			this.#cursor = [Math.max(0, Math.min(this.data.columns - 1, column + dx)),
				Math.max(this.low, Math.min(this.high, row + dy))];
		}
		if (!grow || !this.#anchor)
			this.#anchor = this.#cursor;
		this.#choose(this.#anchor, this.#cursor);
		this.hooks.chosen(this.regions[this.which], this.which);
		this.hooks.say(regionWords(this.regions[this.which]));
	}

	clear(which = 0) {
		this.regions[which] = this.#anchor = this.#cursor = null;
		this.paint();
		this.hooks.chosen(null, which);
	}

	/* --- drawing --- */

	/* However often it is asked for, once a frame. */
	paint() {
		this.#frame ||= requestAnimationFrame(() => {
			this.#frame = 0;
			this.#paint();
		});
	}

	#paint() {
		const { canvas } = this, box = canvas.parentElement;
		const ratio = window.devicePixelRatio || 1;

		this.width = box.clientWidth;
		this.height = box.clientHeight;
		if (!this.data || this.width < LEFT + RIGHT + 10)
			return;
		fit(canvas, this.width, this.height, ratio);
		const c = canvas.getContext('2d');

		c.scale(ratio, ratio);
		this.#axes(c);
		this.#cells(c);
		this.regions.forEach((region, i) => region && this.#box(c, region, i));
	}

	#axes(c) {
		const { from, width, columns, octave } = this.data;

		c.font = fonts.small;
		c.lineWidth = 1;
		c.textBaseline = 'middle';
		c.textAlign = 'right';
		for (let ns = 1, last = Infinity; ns < 1e13; ns *= 10) {
			const y = this.#y(Math.log2(ns) * octave);

			if (y > this.height - BOTTOM + 1 || y < TOP || last - y < 14)
				continue;
			last = y;
			c.fillStyle = colours.soft;
			c.fillText(duration(ns), LEFT - 6, y);
			c.fillStyle = colours.line;
			c.fillRect(LEFT, y, this.width - LEFT - RIGHT, 1);
		}
		c.fillStyle = colours.soft;
		c.textBaseline = 'alphabetic';
		c.textAlign = 'left';
		c.fillText(moment(from, width), LEFT, this.height - 5);
		c.textAlign = 'right';
		c.fillText(moment(from + width * columns, width), this.width - RIGHT, this.height - 5);
	}

	#cells(c) {
		const most = Math.log(1 + this.data.cells.reduce((n, cell) => Math.max(n, cell[2]), 1));

		for (const [column, row, n, failed] of this.data.cells) {
			const x = this.#x(column), at = Math.max(row, this.low), y = this.#y(at + 1);
			const w = Math.max(1.5, this.#x(column + 1) - x - 0.5), h = Math.max(1.5, this.#y(at) - y - 0.5);

			c.globalAlpha = 0.3 + 0.7 * Math.log(1 + n) / most;
			c.fillStyle = colours.accent;
			c.fillRect(x, y, w, h);
			c.globalAlpha = 1;
			if (failed)
				cross(c, x + w / 2, y + h / 2, Math.max(2.5, Math.min(w, h) / 2));
		}
	}

	/* The second one is dashed, and each has its name if there may be two. */
	#box(c, region, which) {
		const { from, width, octave, columns } = this.data;
		const x0 = this.#x(Math.max(0, (region.from - from) / width)), x1 = this.#x(Math.min(columns, (region.to - from) / width));
		const y0 = this.#y(Math.min(this.high + 1, Math.log2(region.max) * octave));
		const y1 = this.#y(region.min > 0 ? Math.max(this.low, Math.log2(region.min) * octave) : this.low);

		c.strokeStyle = colours.ink;
		c.lineWidth = 1.5;
		c.setLineDash(which ? [5, 4] : []);
		c.strokeRect(x0 - 1, y0 - 1, x1 - x0 + 2, y1 - y0 + 2);
		c.setLineDash([]);
		if (this.two)
			this.#name(c, which ? 'others' : 'chosen', x0, y0, y1);
	}

	/* Above the box if there is room, else below its upper edge. */
	#name(c, words, x0, y0, y1) {
		const width = c.measureText(words).width + 8, x = Math.max(LEFT, Math.min(this.width - RIGHT - width, x0 - 1));
		const y = y0 - 16 >= TOP ? y0 - 16 : Math.min(y0 + 1, y1);

		c.fillStyle = colours.ink;
		c.fillRect(x, y, width, 15);
		c.fillStyle = colours.panel;
		c.textAlign = 'left';
		c.textBaseline = 'middle';
		c.fillText(words, x + 4, y + 8);
	}
}

function cross(c, x, y, r) {
	c.strokeStyle = colours.trouble;
	c.lineWidth = 1.6;
	c.beginPath();
	c.moveTo(x - r, y - r);
	c.lineTo(x + r, y + r);
	c.moveTo(x - r, y + r);
	c.lineTo(x + r, y - r);
	c.stroke();
}

/* "+1.2 s to +1.4 s, 2 ms to 8 ms" */
export function regionWords({ from, to, min, max }) {
	return `${moment(from, to - from)} to ${moment(to, to - from)}, ${duration(min)} to ${duration(max)}`;
}

export function heatWords({ matched, total, cells }) {
	const failed = cells.reduce((n, cell) => n + cell[3], 0);

	return `${matched === total ? plural(total, 'request') : `${count(matched)} of ${plural(total, 'request')}`}` +
		`${failed ? `, ${count(failed)} failed (×)` : ''}`;
}
