/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scale - which stretch of the horizontal axis is shown. Units: ns since the recording began, or logical clocks.
 */
const EDGE = 0.15; /* part of the picture that may lie outside of the recording */

export class Scale {
	constructor() {
		this.from = 0;
		this.per = 1; /* units a pixel */
		this.width = 1; /* pixels */
		this.first = 0; /* of the recording */
		this.last = 1;
		this.least = 1e-3; /* units a pixel: no closer */
	}

	get to() {
		return this.from + this.span;
	}

	get span() {
		return this.per * this.width;
	}

	x(value) {
		return (value - this.from) / this.per;
	}

	value(x) {
		return this.from + x * this.per;
	}

	/* No further out than the recording and a bit, and never so far beside it that nothing of it is seen. */
	#clamp() {
		const whole = Math.max(1e-6, this.last - this.first);

		this.per = Math.max(this.least, Math.min(this.per, (whole * 1.3) / this.width));
		this.from = Math.max(this.first - this.span * EDGE, Math.min(this.from, Math.max(this.first, this.last - this.span * (1 - EDGE))));
	}

	resize(width) {
		const span = this.span;

		this.width = Math.max(1, width);
		this.per = span / this.width;
		this.#clamp();
	}

	bounds(first, last) {
		this.first = first;
		this.last = Math.max(last, first + 1);
	}

	show(from, to) {
		this.per = Math.max(to - from, 0) / this.width;
		this.from = from;
		this.#clamp();
	}

	all() {
		const margin = (this.last - this.first) * 0.015;

		this.show(this.first - margin, this.last + margin);
	}

	set(from, per) {
		this.from = from;
		this.per = per;
		this.#clamp();
	}

	pan(pixels) {
		this.from += pixels * this.per;
		this.#clamp();
	}

	zoom(factor, x = this.width / 2) {
		const value = this.value(x);

		this.per /= factor;
		this.#clamp();
		this.from = value - x * this.per;
		this.#clamp();
	}

	/* Brings a value into view, moving as little as is comfortable. */
	reveal(value) {
		const x = this.x(value);

		if (x < this.width * 0.1 || x > this.width * 0.9)
			this.from = value - this.span / 2;
		this.#clamp();
	}
}
