/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay - what changes without the picture below it: the selected event, matches of a search, what the pointer is over.
 */
import { drawArrowWithin, drawEvents, eventColour, eventLook } from './marks.js';
import { LOG_Y, caption, cut } from './scene.js';
import { colours, fonts } from './theme.js';
import { duration } from './text.js';

const TAU = 2 * Math.PI;
const CHAR = 6.2, CAPTION_LEAST = 60; /* pixels */

export class Overlay {
	draw(c, diagram, marked) {
		this.c = c;
		this.d = diagram;
		if (marked)
			this.#matches(marked);
		if (diagram.selection)
			this.#selection(diagram.selection);
		if (diagram.over)
			this.#over(diagram.over);
	}

	#x(event) {
		return this.d.scale.x(this.d.value(event));
	}

	#end(t, clock) {
		return this.d.scale.x(this.d.axis === 'wall' ? t : clock);
	}

	#onScreen(x) {
		return x > -20 && x < this.d.scale.width + 20;
	}

	#matches(win) {
		const { c, d } = this;

		c.beginPath();
		for (const lane of win.lanes) {
			const i = d.rows.indexOf(lane.id);

			if (i < 0)
				continue;
			for (const event of lane.events || [])
				c.rect(this.#x(event) - 6.5, d.rows.middle(i) - 6.5, 13, 13);
			for (const bin of lane.bins || [])
				c.rect(d.scale.x(bin.at) - 1.5, d.rows.top(i) + 2, 3, d.rows.size - 10);
		}
		c.strokeStyle = colours.match;
		c.lineWidth = 1.8;
		c.stroke();
	}

	#selection({ event, named }) {
		const { c, d } = this;
		const i = d.rows.indexOf(event.lane), x = this.#x(event);

		this.#named(named || []);
		if (i < 0 || !this.#onScreen(x))
			return;
		this.#doubt(event, x, d.rows.middle(i));
		c.fillStyle = colours.accent;
		c.fillRect(x - 0.5, d.scroller.scrollTop, 1, d.height);
		this.#disc(x, d.rows.middle(i), 9);
		this.#glyph(event, x, d.rows.middle(i));
		c.strokeStyle = colours.accent;
		c.lineWidth = 2.5;
		this.#ring(x, d.rows.middle(i), 8.5);
	}

	/* Captions that stay while the picture below steps back, each as long as the next one on its lane leaves it room. */
	#named(events) {
		const lanes = new Map();

		for (const event of events) {
			const i = this.d.rows.indexOf(event.lane), x = this.#x(event);

			if (i >= 0 && this.#onScreen(x))
				lanes.set(i, [...(lanes.get(i) || []), { event, x }]);
		}
		lanes.forEach((places, i) => {
			places.sort((a, b) => a.x - b.x);
			places.forEach(({ event, x }, k) => this.#caption(event, x, this.d.rows.middle(i) + LOG_Y, (places[k + 1]?.x ?? this.d.scale.width) - x));
		});
	}

	#caption(event, x, y, room) {
		const { c } = this, text = cut(caption(event), (room - 12) / CHAR);

		if (room < CAPTION_LEAST || !event.label)
			return;
		c.font = fonts.small;
		c.fillStyle = colours.panel;
		c.fillRect(x - 5, y - 12, c.measureText(text).width + 5, 16);
		c.fillStyle = event.mark === 'trouble' ? colours.trouble : colours.ink;
		c.fillText(text, x - 3, y - 1);
	}

	/* The event itself, on a ground of its own: others of its past or future may lie on the same pixel. */
	#glyph(event, x, y) {
		const look = eventLook(event);

		drawEvents(this.c, look.form, eventColour(event, look), [x, y]);
	}

	#disc(x, y, r) {
		this.c.beginPath();
		this.c.arc(x, y, r, 0, TAU);
		this.c.fillStyle = colours.panel;
		this.c.fill();
	}

	#ring(x, y, r) {
		this.c.beginPath();
		this.c.arc(x, y, r, 0, TAU);
		this.c.stroke();
	}

	/* The stretch in which the event lies on the clock of the first host. */
	#doubt(event, x, y) {
		const { c, d } = this;
		const ns = d.axis === 'wall' ? d.uncertainty(event.lane) : 0, half = ns / d.scale.per;

		if (half < 1)
			return;
		c.fillStyle = colours.accent;
		c.fillRect(x - half, y - 12, 2 * half, 1.5);
		c.fillRect(x - half, y - 15, 1.5, 7);
		c.fillRect(x + half - 1.5, y - 15, 1.5, 7);
		c.font = fonts.small;
		c.fillText(`±${duration(ns)}`, x + half + 4, y - 8);
	}

	#over(hit) {
		const { c, d } = this;

		c.strokeStyle = colours.ink;
		c.lineWidth = 1.2;
		if (hit.event) {
			const i = d.rows.indexOf(hit.lane);

			if (i >= 0)
				this.#ring(this.#x(hit.event), d.rows.middle(i), 6.5);
		} else if (hit.arrow) {
			const { arrow } = hit;
			const i = d.rows.indexOf(arrow.lane0), j = d.rows.indexOf(arrow.lane1);

			if (i >= 0 && j >= 0)
				drawArrowWithin(c, { ...arrow, n: (arrow.n || 1) * 8 }, this.#end(arrow.t0, arrow.clock0), d.rows.middle(i),
					this.#end(arrow.t1, arrow.clock1), d.rows.middle(j), -20, d.scale.width + 20);
		}
	}
}
