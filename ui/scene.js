/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene - the picture of a window: lanes, densities, events, arrows, log lines, losses. It is drawn once onto a canvas
 * larger than what is seen; while the reader pans, only this canvas is copied. What was drawn is kept for hit().
 */
import { drawCone } from './cone.js';
import { drawArrowWithin, drawEvents, eventColour, eventLook, hatch } from './marks.js';
import { colours, fonts } from './theme.js';
import { brief, message, plural, printable } from './text.js';

const AHEAD_Y = 200; /* pixels drawn above and below what is seen */
export const LOG_Y = 17; /* log lines stand that far below the lane's line */
const CHAR = 6.7; /* width of a character of a log line: a guess that is measured at the first use */
const CAPTION_ROOM = 64;
const LINE_ROOM = 46;
const STRETCH_MS = 120; /* so long is the old picture good enough */

export class Scene {
	#canvas = document.createElement('canvas');
	#what = null;
	#char = 0;

	/* what: { scale, rows, win, axis, uncertainty(lane), cone, height, top, ratio } */
	render(what) {
		const { scale, ratio } = what;
		const ahead = scale.width * (ratio > 1.5 ? 0.5 : 1);

		this.#what = { ...what, from: scale.from, per: scale.per, size: what.rows.size, ahead, y: Math.max(0, what.top - AHEAD_Y) };
		this.width = scale.width + 2 * ahead;
		this.height = Math.min(what.rows.height, what.top + what.height + AHEAD_Y) - this.#what.y;
		this.height = Math.max(this.height, what.height);
		this.left = -ahead - 20;
		this.right = scale.width + ahead + 20;
		this.#resize(ratio);
		const c = this.#canvas.getContext('2d');

		c.setTransform(ratio, 0, 0, ratio, ahead * ratio, -this.#what.y * ratio);
		c.clearRect(-ahead, this.#what.y, this.width, this.height);
		this.#draw(c);
		this.rendered = performance.now();
	}

	#resize(ratio) {
		const w = Math.ceil(this.width * ratio), h = Math.ceil(this.height * ratio);

		if (this.#canvas.width !== w || this.#canvas.height !== h) {
			this.#canvas.width = w;
			this.#canvas.height = h;
		}
	}

	/* Is what is seen still within what was drawn, of the same things at the same scale? */
	holds({ scale, rows, win, axis, cone, height, top, ratio }) {
		const w = this.#what;

		if (!w || w.rows !== rows || w.win !== win || w.axis !== axis || w.per !== scale.per || w.ratio !== ratio ||
			w.size !== rows.size || w.cone !== cone)
			return false;
		const dx = Math.abs(scale.from - w.from) / scale.per;

		return dx <= w.ahead && top >= w.y && (top + height <= w.y + this.height || w.y + this.height >= rows.height);
	}

	/* It was drawn a moment ago: while the reader turns the wheel, the old picture is stretched instead. */
	mayStretch({ scale, rows, axis, ratio }) {
		const w = this.#what;

		return w && w.rows === rows && w.axis === axis && w.ratio === ratio && w.size === rows.size &&
			performance.now() - this.rendered < STRETCH_MS && Math.abs(Math.log2(w.per / scale.per)) < 1.5;
	}

	drop() {
		this.#what = null;
	}

	copyTo(c, scale, top, ratio) {
		const w = this.#what, stretch = w.per / scale.per;
		const x = Math.round(((w.from - scale.from) / scale.per - w.ahead * stretch) * ratio), y = Math.round((w.y - top) * ratio);

		if (!this.#canvas.width || !this.#canvas.height) /* nothing was in view: an empty picture cannot be copied */
			return;
		c.setTransform(1, 0, 0, 1, 0, 0);
		c.drawImage(this.#canvas, x, y, this.#canvas.width * stretch, this.#canvas.height);
	}

	#x(value) {
		return (value - this.#what.from) / this.#what.per;
	}

	/* A part of an axis as pixels, cut to what is drawn: [x, width] or null. */
	#stretch(from, to) {
		const w = this.#what;
		const x0 = Math.max(this.#x(from), -w.ahead - 10);
		const x1 = Math.min(this.#x(to), w.scale.width + w.ahead + 10);

		return x1 < x0 ? null : [x0, Math.max(1, x1 - x0)];
	}

	#drawn(x, margin) {
		return x >= this.left - margin && x <= this.right + margin;
	}

	#visible(i) {
		const y = this.#what.rows.top(i);

		return y + this.#what.rows.size >= this.#what.y && y <= this.#what.y + this.height;
	}

	#draw(c) {
		const { rows, win } = this.#what;

		this.hits = rows.list.map(() => []);
		this.arrows = [];
		c.lineJoin = 'round';
		rows.list.forEach((row, i) => this.#visible(i) && this.#ground(c, row, i));
		if (!win)
			return;
		this.#areas(c, win.stopped || [], (...a) => this.#stop(...a));
		this.#areas(c, win.losses || [], (...a) => this.#loss(...a));
		rows.list.forEach((row, i) => this.#visible(i) && this.#life(c, row, i));
		this.#most = mostOf(win);
		rows.list.forEach((row, i) => this.#visible(i) && this.#bins(c, row, i));
		this.#placeEvents(c);
		this.#ink = win.arrows.length > 1500 ? 0.3 : win.arrows.length > 400 ? 0.5 : 0.9;
		for (const arrow of win.arrows)
			this.#arrow(c, arrow);
		this.#marks(c);
		rows.list.forEach((row, i) => this.#visible(i) && this.#captions(c, i));
		if (this.#what.cone)
			this.#cone(c, this.#what);
	}

	/* All else steps back. */
	#cone(c, { cone, rows, axis, ahead, y }) {
		const x = (event) => this.#x(axis === 'wall' ? event.t : event.clock);

		c.fillStyle = colours.panel;
		c.globalAlpha = 0.62;
		c.fillRect(-ahead, y, this.width, this.height);
		c.globalAlpha = 1;
		drawCone(c, { rows, x, left: this.left, right: this.right }, cone);
	}

	#most = 1; /* events of the fullest bin */
	#ink = 1; /* of arrows: many are drawn lightly */

	#ground(c, row, i) {
		const { ahead, scale, rows } = this.#what;

		if (row.depth === 0) {
			c.fillStyle = colours.row;
			c.fillRect(-ahead, rows.top(i), this.width, rows.size);
		}
		c.fillStyle = colours.line;
		c.globalAlpha = row.depth === 0 ? 1 : 0.45;
		c.fillRect(-ahead, rows.top(i), scale.width + 2 * ahead, 1);
		c.globalAlpha = 1;
	}

	/* The lane's line runs as long as the lane lives; on the logical axis nobody knows. */
	#life(c, row, i) {
		const { axis, ahead, scale } = this.#what;
		const wall = axis === 'wall' && row.lane.first !== null;
		const part = wall ? this.#stretch(row.lane.first, row.lane.last) : [-ahead, scale.width + 2 * ahead];

		if (!part)
			return;
		c.fillStyle = colours.faint;
		c.fillRect(part[0], this.#what.rows.middle(i) - 0.5, part[1], 1);
	}

	/* Where losses are, each row is told; a stop is of a process: its threads stop, too, and a row that it is folded into has a
	 * thin band. */
	#areas(c, areas, draw) {
		const { rows } = this.#what;

		for (const area of areas) {
			const part = this.#stretch(area.from, area.to ?? Infinity);

			if (!part)
				continue;
			if (area.of === undefined) {
				this.#areaOn(c, area, part, rows.indexOf(area.lane), draw);
				continue;
			}
			let own = false;

			rows.list.forEach((row, i) => {
				if (!rows.lanes.path(row.lane.id).some((lane) => lane.id === area.of))
					return;
				own = true;
				this.#areaOn(c, area, part, i, draw);
			});
			const i = own ? -1 : rows.indexOf(area.lane);

			if (i >= 0 && this.#visible(i))
				draw(c, area, part, rows.top(i) + rows.size - 10, 9);
		}
	}

	#areaOn(c, area, part, i, draw) {
		const { rows } = this.#what;

		if (i >= 0 && this.#visible(i))
			draw(c, area, part, rows.top(i) + 1, rows.size - 1);
	}

	#stop(c, area, [x, width], y, height) {
		c.fillStyle = colours.stop;
		c.globalAlpha = 0.28;
		c.fillRect(x, y, width, height);
		c.globalAlpha = 1;
		c.fillStyle = colours.soft;
		c.fillRect(x, y, 1, height);
		c.fillRect(x + width - 1, y, 1, height);
		this.#word(c, 'stopped', x, width, y + height - 2);
	}

	#loss(c, area, [x, width], y, height) {
		const wide = Math.max(width, 3);

		c.fillStyle = hatch(c, colours.loss);
		c.fillRect(x, y, wide, height);
		c.fillStyle = colours.loss;
		c.fillRect(x, y, 1, height);
		c.fillRect(x + wide - 1, y, 1, height);
		this.#word(c, `${plural(area.count, 'event')} lost`, x, width, y + height - 2);
	}

	/* A word within an area, where it can be read: at the left edge of the screen if the area began before it. */
	#word(c, words, x, width, y) {
		const left = Math.max(x, 0) + 5;

		c.font = fonts.small;
		const size = c.measureText(words).width;

		if (left + size + 5 > x + width)
			return;
		c.fillStyle = colours.panel;
		c.fillRect(left - 2, y - 10, size + 4, 12);
		c.fillStyle = colours.ink;
		c.fillText(words, left, y);
	}

	/* How much happened: bars on both sides of the line, logarithmic. */
	#bins(c, row, i) {
		const { win, per, rows } = this.#what;
		const bins = (win.byLane.get(row.lane.id)?.bins || []).filter((bin) => this.#drawn(this.#x(bin.at), win.bin / per));
		const y = rows.middle(i), width = Math.max(1, win.bin / per), scale = (rows.size * 0.42 - 4.3) / Math.log1p(this.#most);

		/* rectangles on whole pixels: as one path they take a hundred times as long to paint */
		c.fillStyle = colours.dot;
		for (const bin of bins) {
			const h = 1.5 + Math.log1p(bin.n) * scale;

			c.fillRect(Math.round(this.#x(bin.at) - width / 2), Math.round(y - h), Math.ceil(width), Math.round(2 * h));
		}
		this.#binLogs(c, bins, y, width);
		this.#binTroubles(c, bins, y);
		for (const bin of bins)
			this.hits[i].push({ x: this.#x(bin.at), bin });
	}

	#binLogs(c, bins, y, width) {
		c.fillStyle = colours.log;
		for (const bin of bins)
			if (bin.log)
				c.fillRect(Math.round(this.#x(bin.at) - width / 2), y + 12, Math.ceil(width), 6);
	}

	#binTroubles(c, bins, y) {
		const places = [];
		let last = -Infinity;

		for (const bin of bins) {
			const x = this.#x(bin.at);

			if (!bin.trouble || x - last < 9)
				continue;
			places.push(x, y - 7);
			last = x;
		}
		drawEvents(c, 'alarm', 'trouble', places);
	}

	/* Positions first: arrows go below the marks, and the marks are drawn look by look. */
	#placeEvents(c) {
		const { win, rows } = this.#what;

		this.looks = new Map();
		for (const lane of win.lanes) {
			const i = rows.indexOf(lane.id);

			if (i < 0 || !lane.events)
				continue;
			for (const event of lane.events)
				this.#placeEvent(event, i, lane.id);
			this.hits[i].sort((a, b) => a.x - b.x);
			if (this.#visible(i))
				this.#doubts(c, i);
		}
	}

	#placeEvent(event, i, lane) {
		const { axis, rows } = this.#what;
		const x = this.#x(axis === 'wall' ? event.t : event.clock);

		if (!this.#drawn(x, 0))
			return;
		this.hits[i].push({ x, event, lane });
		if (!this.#visible(i))
			return;
		const look = eventLook(event);
		const colour = eventColour(event, look);
		const key = `${look.form} ${colour}`;

		if (!this.looks.has(key))
			this.looks.set(key, { form: look.form, colour, places: [] });
		this.looks.get(key).places.push(x, rows.middle(i));
	}

	/* How far an event may lie from where it is drawn: what the hosts' clocks leave open. */
	#doubts(c, i) {
		const { rows, per, axis, uncertainty } = this.#what;
		const half = axis === 'wall' ? uncertainty(rows.list[i].lane.id) / per : 0;

		if (half < 1.5)
			return;
		const y = rows.middle(i);

		c.fillStyle = colours.accent;
		c.globalAlpha = 0.16;
		c.beginPath();
		for (const { x } of this.hits[i])
			c.rect(x - half, y - 5, 2 * half, 10);
		c.fill();
		c.globalAlpha = 0.6;
		c.beginPath();
		for (const { x } of this.hits[i]) {
			c.rect(x - half, y - 5, 1, 10);
			c.rect(x + half - 1, y - 5, 1, 10);
		}
		c.fill();
		c.globalAlpha = 1;
	}

	#arrow(c, arrow) {
		const { rows } = this.#what;
		const i = rows.indexOf(arrow.lane0), j = rows.indexOf(arrow.lane1);

		if (i < 0 || j < 0 || i === j)
			return;
		if (!this.#visible(Math.min(i, j)) && !this.#visible(Math.max(i, j)) &&
			(rows.top(i) < this.#what.y) === (rows.top(j) < this.#what.y))
			return;
		const wall = this.#what.axis === 'wall';
		const x0 = this.#x(wall ? arrow.t0 : arrow.clock0), x1 = this.#x(wall ? arrow.t1 : arrow.clock1), y0 = rows.middle(i), y1 = rows.middle(j);

		c.globalAlpha = this.#ink * (arrow.after_loss ? 0.6 : 1) * (this.#visible(i) || this.#visible(j) ? 1 : 0.4);
		drawArrowWithin(c, arrow, x0, y0, x1, y1, this.left, this.right);
		c.globalAlpha = 1;
		this.arrows.push({ arrow, x0, y0, x1, y1 });
	}

	#marks(c) {
		const order = [...this.looks.values()].sort((a, b) => (a.form === 'dot' ? 0 : 1) - (b.form === 'dot' ? 0 : 1));

		for (const { form, colour, places } of order)
			drawEvents(c, form, colour, places, colour === 'trouble');
	}

	/* Log lines and, where a lane is nearly empty, what its events are. */
	#captions(c, i) {
		const { scale, ahead } = this.#what;
		const hits = this.hits[i].filter((hit) => hit.event);
		const end = scale.width + ahead;
		const lines = hits.filter((hit) => hit.event.type === 'log');
		let free = -Infinity; /* from where on no log line stands */
		let line = 0;

		for (let k = 0; k < hits.length; k++) {
			const next = k + 1 < hits.length ? hits[k + 1].x : end;

			if (hits[k].event.type === 'log')
				free = this.#logLine(c, i, hits[k], lines[++line]?.x ?? end);
			else if (next - hits[k].x > CAPTION_ROOM && told(hits[k].event) && hits[k].x > free)
				this.#caption(c, i, hits[k], next);
		}
	}

	/* Returns where it ends. */
	#logLine(c, i, { x, event }, next) {
		const y = this.#what.rows.middle(i) + LOG_Y;
		const bad = event.mark === 'trouble';

		c.fillStyle = bad ? colours.trouble : colours.log;
		c.fillRect(x - 0.5, y - 11, bad ? 2.5 : 1.5, 12);
		if (next - x < LINE_ROOM)
			return x + 4;
		c.font = fonts.mono;
		this.#char = this.#char || c.measureText('0123456789').width / 10 || CHAR;
		c.fillStyle = bad ? colours.trouble : colours.ink;
		const text = cut(message(event.label || ''), (next - x - 8) / this.#char);

		c.fillText(text, x + 4, y - 1);
		return x + 12 + text.length * this.#char;
	}

	#caption(c, i, { x, event }, next) {
		const y = this.#what.rows.middle(i) + LOG_Y;

		c.font = fonts.small;
		c.fillStyle = event.mark === 'trouble' ? colours.trouble : colours.soft;
		c.fillText(cut(caption(event), (next - x - 6) / 6.2), x - 3, y - 1);
	}

	/* What lies near a place of the canvas: an event, a bin, an arrow, or null. */
	hit(scale, x, y, reach = 8) {
		const { rows } = this.#what || {};
		const i = rows ? rows.at(y) : -1;

		if (i < 0)
			return null;
		const moved = x + (scale.from - this.#what.from) / this.#what.per;
		const near = Math.abs(y - rows.middle(i)) <= rows.size * 0.38 ? nearest(this.hits[i], moved, reach) : null;

		return near || this.#logAt(i, moved, y) || this.#arrowAt(moved, y) || null;
	}

	/* A log line is as long as its text. */
	#logAt(i, x, y) {
		if (y < this.#what.rows.middle(i) + 8)
			return null;
		return this.hits[i].findLast((hit) => hit.event && hit.x <= x && x - hit.x < 8 + (hit.event.label || '').length * CHAR &&
			hit.event.type === 'log') || null;
	}

	#arrowAt(x, y) {
		let best = null, least = 5;

		for (const a of this.arrows) {
			const d = distance(x, y, a);

			if (d < least) {
				least = d;
				best = { arrow: a.arrow };
			}
		}
		return best;
	}
}

/* What the recorder says about itself and what was there before is no caption's worth. */
function told(event) {
	return event.label && event.mark !== 'state' && event.type !== 'cost';
}

export function caption(event) {
	return `${event.type} ${brief(event.label)}`;
}

function mostOf(win) {
	let most = 1;

	for (const lane of win.lanes)
		for (const bin of lane.bins || [])
			most = Math.max(most, bin.n);
	return most;
}

export function cut(text, chars) {
	const line = printable(text.slice(0, Math.ceil(chars) + 40).split('\n')[0]);

	return line.length <= chars ? line : chars < 3 ? '' : line.slice(0, Math.floor(chars) - 1) + '…';
}

function nearest(hits, x, reach) {
	let best = null;

	for (const hit of hits)
		if (Math.abs(hit.x - x) <= (best ? Math.abs(best.x - x) : reach))
			best = hit;
	return best;
}

function distance(x, y, { x0, y0, x1, y1 }) {
	const dx = x1 - x0, dy = y1 - y0;
	const part = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));

	return Math.hypot(x - x0 - part * dx, y - y0 - part * dy);
}
