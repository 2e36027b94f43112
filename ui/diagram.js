/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diagram - the space-time diagram: lanes from top to bottom, the axis from left to right. Owns what is shown of it (scale,
 * folds, axis) and draws when something changed, once a frame at most.
 */
import { byId, fit } from './dom.js';
import { Gestures } from './gestures.js';
import { Gutter } from './gutter.js';
import { Lanes } from './lanes.js';
import { Overlay } from './overlay.js';
import { Overview } from './overview.js';
import { Ruler } from './ruler.js';
import { Scale } from './scale.js';
import { Scene } from './scene.js';
import { count, duration, moment, stepOf } from './text.js';
import { Windows } from './windows.js';

export class Diagram {
	/*
	 * hooks: picked(id) an event was clicked; changed() the view did; failed(error); story() the lines for the ruler;
	 * told(line number) one of them was clicked
	 */
	constructor(hooks) {
		this.hooks = hooks;
		this.canvas = byId('canvas');
		this.scroller = byId('scroller');
		this.scale = new Scale();
		this.axis = 'wall';
		this.open = new Set(); /* lanes that are unfolded */
		this.pinned = new Set(); /* lanes that are shown though the one around them is folded */
		this.query = { text: '', mode: 'highlight' };
		this.selection = null;
		this.scene = new Scene();
		this.overlay = new Overlay();
		this.windows = new Windows(() => this.#arrived(), hooks.failed);
		this.matches = new Windows(() => this.dirty(), hooks.failed);
		this.gutter = new Gutter(byId('gutter'), { fold: (id, open) => this.fold(id, open), doubt: (l, short) => this.#doubt(l, short) });
		this.overview = new Overview(byId('overview'), this, hooks.failed);
		this.ruler = new Ruler(byId('axis'), this);
		this.gestures = new Gestures(this);
		this.frames = []; /* how long drawing took, for measurements: { at, ms } of the last frames */
		this.#watchSize();
		this.scroller.addEventListener('scroll', () => this.dirty());
	}

	/* --- what is shown --- */

	setInfo(info) {
		this.info = info;
		this.offsets = new Map(info.hosts.map((h) => [String(h.id), h.offset]));
	}

	setLanes(list) {
		/* t is on the first host's clock: others may have begun before it */
		this.first = Math.min(0, ...list.filter((l) => l.parent === null && l.first !== null).map((l) => l.first));
		this.#bounds();
		this.lanes = new Lanes(list);
		this.#rows();
	}

	/* The recording has grown, or what is drawn means something else now. */
	refresh() {
		this.windows.forget();
		this.matches.forget();
		this.overview.forget();
		this.dirty();
	}

	repaint() {
		this.scene.drop();
		this.overview.dirty();
		this.dirty();
	}

	#bounds() {
		if (this.axis === 'wall')
			this.scale.bounds(this.first, this.info.span_ns);
		else
			this.scale.bounds(0, this.info.max_clock + 1);
		this.scale.least = this.axis === 'wall' ? 0.5 : 0.002;
	}

	setAxis(axis) {
		if (axis === this.axis)
			return;
		const middle = this.selection?.event;

		this.axis = axis;
		this.#bounds();
		this.scale.all();
		if (middle)
			this.scale.show(this.value(middle) - this.scale.span / 40, this.value(middle) + this.scale.span / 40);
		this.overview.forget();
		this.changed();
	}

	/* Where on the axis an event is. */
	value(event) {
		return this.axis === 'wall' ? event.t : event.clock;
	}

	setQuery(text, mode) {
		this.query = { text, mode };
		this.changed();
	}

	/* Those of a link. */
	unfold(open, pinned) {
		this.open = new Set(open.filter((id) => this.lanes.get(id)));
		this.pinned = new Set(pinned.filter((id) => this.lanes.get(id)));
		this.#rows();
	}

	fold(id, open) {
		this.open[open ? 'add' : 'delete'](id);
		if (!open)
			this.lanes.children(id).forEach((lane) => this.pinned.delete(lane.id));
		this.#rows();
	}

	/* One level more of everything, or hosts only. */
	unfoldAll() {
		const closed = ['host', 'process'].map((kind) => this.lanes.parents(kind).filter((id) => !this.open.has(id)));

		for (const id of closed[0].length ? closed[0] : closed[1])
			this.open.add(id);
		this.#rows();
	}

	foldAll() {
		this.open.clear();
		this.pinned.clear();
		this.#rows();
	}

	#rows() {
		this.rows = this.lanes.rows(this.open, this.pinned);
		this.rows.fill(this.height || 0);
		this.gutter.show(this.rows);
		this.#markLane();
		this.changed();
	}

	/* Shows a lane without the others beside it, and scrolls to it. */
	reveal(laneId, unfold) {
		const hidden = this.lanes.path(laneId).slice(1).filter((lane) => !this.pinned.has(lane.id));

		if (unfold && hidden.length) {
			hidden.forEach((lane) => this.pinned.add(lane.id));
			this.#rows();
		}
		const y = this.rows.top(this.rows.indexOf(laneId)), view = this.scroller;

		if (y < view.scrollTop || y + this.rows.size > view.scrollTop + view.clientHeight)
			view.scrollTop = y - view.clientHeight / 2;
	}

	/* selection: { event, past, future, arrows } or null; see overlay.js */
	select(selection) {
		this.selection = selection;
		this.#markLane();
		this.dirty();
	}

	#markLane() {
		this.gutter.mark(this.selection ? this.rows.indexOf(this.selection.event.lane) : -1);
	}

	/* The scale was changed from outside, or by a gesture. */
	changed() {
		this.gestures.sync();
		this.hooks.changed();
		this.dirty();
	}

	/* --- clocks of hosts --- */

	#offset(laneId) {
		const host = this.lanes.host(laneId);

		return host && this.offsets.get(String(host.host ?? host.id));
	}

	/* Half of the interval in which the host's clock lies, in ns; 0 on the host that gives the time. */
	uncertainty(laneId) {
		const offset = this.#offset(laneId);

		return offset && offset.low !== null && offset.high !== null ? (offset.high - offset.low) / 2 : 0;
	}

	#doubt(lane, short) {
		const offset = this.#offset(lane.id);

		if (!offset)
			return '';
		if (offset.low === null || offset.high === null)
			return short ? 'clock unknown' : 'how its clock differs is not known: no messages in both directions';
		const half = (offset.high - offset.low) / 2;

		if (short)
			return half ? `±${duration(half)}` : '';
		return half ? `its clock is known to ±${duration(half)}, from the messages between the hosts` : '';
	}

	/* --- drawing --- */

	dirty() {
		if (!this.pending)
			this.pending = requestAnimationFrame(() => this.#frame());
	}

	/* Is everything there that the view wants, and drawn? */
	get idle() {
		return !this.pending && !this.stretched && !this.windows.busy && !this.matches.busy;
	}

	#watchSize() {
		new ResizeObserver(() => {
			this.#size();
			this.gestures.sync();
			this.dirty();
		}).observe(byId('chart'));
	}

	#size() {
		this.ratio = window.devicePixelRatio || 1;
		const width = this.scroller.clientWidth - byId('gutter').offsetWidth, height = this.scroller.clientHeight;

		this.height = Math.max(1, height);
		this.scale.resize(width);
		fit(this.canvas, width, this.height, this.ratio);
		if (this.rows) {
			this.rows.fill(this.height);
			this.gutter.size(this.rows);
		}
		this.overview.resize(width, this.ratio);
		this.ruler.resize(width, this.ratio);
	}

	want(q) {
		const { size, list } = this.rows, y = this.scroller.scrollTop;

		return { from: this.scale.from, to: this.scale.to, px: this.scale.width, lanes: this.rows.lanesText, axis: this.axis, q,
			top: Math.min(list.length, Math.floor(y / size)), bottom: Math.min(list.length, Math.ceil((y + this.height) / size)),
			count: list.length, first: this.scale.first, last: this.scale.last };
	}

	#frame() {
		this.pending = 0;
		if (!this.rows || !this.info)
			return;
		const begin = performance.now();
		const filter = this.query.mode === 'filter' ? this.query.text : '';
		const found = this.windows.find(this.want(filter));
		const what = { scale: this.scale, rows: this.rows, win: found && found.data, axis: this.axis, height: this.height,
			top: this.scroller.scrollTop, ratio: this.ratio, uncertainty: (lane) => this.uncertainty(lane),
			cone: this.selection && this.selection.past ? this.selection : null };

		if (!this.scene.holds(what))
			this.#render(what);
		this.#paint(what);
		this.overview.paint();
		this.ruler.paint();
		this.#say(what.win);
		this.#measured(begin, what.win);
	}

	#render(what) {
		if (!this.scene.mayStretch(what))
			this.scene.render(what);
		else if (!this.stretched)
			this.stretched = setTimeout(() => {
				this.stretched = 0;
				this.dirty();
			}, 60);
	}

	#paint({ top, win }) {
		const c = this.canvas.getContext('2d');

		c.setTransform(1, 0, 0, 1, 0, 0);
		c.clearRect(0, 0, this.canvas.width, this.canvas.height);
		this.scene.copyTo(c, this.scale, top, this.ratio);
		c.setTransform(this.ratio, 0, 0, this.ratio, 0, -top * this.ratio);
		const marked = this.query.text && this.query.mode === 'highlight' ? this.matches.find(this.want(this.query.text)) : null;

		this.overlay.draw(c, this, marked && marked.data, win);
	}

	#measured(begin, win) {
		this.frames.push({ at: begin, ms: performance.now() - begin });
		if (this.frames.length > 600)
			this.frames.shift();
		if (win && !this.painted) {
			this.painted = true;
			performance.mark('saker:first-picture');
		}
	}

	#arrived() {
		this.dirty();
	}

	/* What stretch is seen, and what the picture leaves out. */
	#say(win) {
		const { scale } = this;
		const step = stepOf(scale.span);
		const from = Math.max(scale.first, scale.from), to = Math.min(scale.last, scale.to);
		const words = this.axis === 'wall' ? `${moment(from, step)} to ${moment(to, step)} · ${duration(to - from)}`
			: `logical time ${count(from)} to ${count(to)}`;

		setText(byId('span'), words);
		setText(byId('left-out'), win ? leftOut(win, this.rows) : 'Loading…');
		byId('left-out').classList.toggle('warn', Boolean(win && win.left_out && (win.left_out.events || win.left_out.arrows)));
	}
}

function leftOut(win, rows) {
	const parts = [];
	const binned = win.lanes.reduce((n, lane) => n + (lane.bins || []).reduce((sum, bin) => sum + bin.n, 0), 0);

	if (binned)
		parts.push(`${count(binned)} events drawn as bars: zoom in for each one`);
	if (win.left_out && win.left_out.arrows)
		parts.push(`${count(win.left_out.arrows)} arrows left out`);
	if (win.left_out && win.left_out.events)
		parts.push(`${count(win.left_out.events)} events left out`);
	if (rows.beyond)
		parts.push(`${count(rows.beyond)} lanes left out`);
	return parts.join(' · ');
}

/* Writing the same text again would make the browser lay out again. */
function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}
