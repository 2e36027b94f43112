/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gestures - wheel, drag, pinch and click on the diagram. D3's zoom behaviour reads mouse and touch; its transform is only
 * another way to write the scale: k = unit / per, x = -from / per.
 */
/* global d3 */
import { el, fill, byId } from './dom.js';
import { arrowWords } from './marks.js';
import { count, moment } from './text.js';

export class Gestures {
	#unit = 1;
	#y = 0;
	#k = 0;

	constructor(diagram) {
		this.d = diagram;
		this.target = d3.select(diagram.canvas);
		this.zoom = d3.zoom()
			.filter(() => !d3.event.button && !(d3.event.type === 'wheel' && d3.event.shiftKey))
			.clickDistance(4)
			.scaleExtent([0, Infinity])
			.on('start', () => this.#start())
			.on('zoom', () => this.#zoomed());
		diagram.canvas.addEventListener('wheel', (e) => this.#wheel(e), { capture: true, passive: false });
		this.target.call(this.zoom);
		diagram.canvas.addEventListener('click', (e) => this.#click(e));
		diagram.canvas.addEventListener('mousemove', (e) => this.#hover(e));
		diagram.canvas.addEventListener('mouseleave', () => this.#over(null));
		diagram.canvas.addEventListener('keydown', (e) => this.#key(e));
	}

	/* The scale has changed: D3 must start its next gesture from there. */
	sync() {
		const { scale } = this.d;

		this.#unit = (scale.last - scale.first) / 1000;
		this.d.canvas.__zoom = d3.zoomIdentity.translate(-scale.from / scale.per, this.#y).scale(this.#unit / scale.per);
	}

	#start() {
		const t = d3.zoomTransform(this.d.canvas);

		this.#y = t.y;
		this.#k = t.k;
		this.#over(null);
	}

	#zoomed() {
		const { transform, sourceEvent } = d3.event;

		if (!sourceEvent)
			return;
		const per = this.#unit / transform.k;
		const sameScale = Math.abs(transform.k / this.#k - 1) < 1e-9;

		this.d.scale.set(-transform.x * per, per);
		if (sameScale)
			this.d.scroller.scrollTop -= transform.y - this.#y;
		this.#y = transform.y;
		this.#k = transform.k;
		this.d.hooks.moved();
		this.d.changed();
	}

	/* Sideways: pan. With shift: over the lanes. Else D3 zooms. */
	#wheel(e) {
		const sideways = Math.abs(e.deltaX) > Math.abs(e.deltaY);

		if (!sideways && !e.shiftKey)
			return;
		e.preventDefault();
		e.stopImmediatePropagation();
		if (e.shiftKey) {
			this.d.scroller.scrollTop += e.deltaY || e.deltaX;
			return;
		}
		this.d.scale.pan(e.deltaX);
		this.d.hooks.moved();
		this.d.changed();
	}

	#key(e) {
		const { scale, scroller } = this.d;
		const acts = {
			ArrowLeft: () => scale.pan(-scale.width * 0.15),
			ArrowRight: () => scale.pan(scale.width * 0.15),
			ArrowUp: () => { scroller.scrollTop -= this.d.rows.size; },
			ArrowDown: () => { scroller.scrollTop += this.d.rows.size; },
			PageUp: () => { scroller.scrollTop -= scroller.clientHeight; },
			PageDown: () => { scroller.scrollTop += scroller.clientHeight; },
		};

		if (!acts[e.key] || e.ctrlKey || e.metaKey || e.altKey)
			return;
		e.preventDefault();
		acts[e.key]();
		this.d.hooks.moved();
		this.d.changed();
	}

	#hit(e) {
		const box = this.d.canvas.getBoundingClientRect();
		const reach = e.pointerType === 'touch' ? 18 : 8;

		return this.d.scene.hit(this.d.scale, e.clientX - box.left, e.clientY - box.top + this.d.scroller.scrollTop, reach);
	}

	#click(e) {
		const hit = this.#hit(e);

		if (!hit)
			this.d.hooks.picked(null);
		else if (hit.event)
			this.d.hooks.picked(hit.event.id);
		else if (hit.arrow)
			this.d.hooks.picked(hit.arrow.to);
		else
			this.#into(e);
	}

	/* A bar of many events: closer. */
	#into(e) {
		this.d.scale.zoom(6, e.clientX - this.d.canvas.getBoundingClientRect().left);
		this.d.hooks.moved();
		this.d.changed();
	}

	#hover(e) {
		if (e.buttons)
			return;
		this.last = e;
		this.waiting = this.waiting || requestAnimationFrame(() => {
			this.waiting = 0;
			this.#over(this.#hit(this.last), this.last);
		});
	}

	#over(hit, e) {
		const tip = byId('tip');

		this.d.canvas.classList.toggle('pointing', Boolean(hit));
		if (hit !== this.d.over && (hit || this.d.over)) {
			this.d.over = hit;
			this.d.dirty();
		}
		tip.hidden = !hit;
		if (!hit)
			return;
		fill(tip, this.#words(hit));
		tip.style.left = `${Math.min(e.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
		tip.style.top = `${e.clientY + 18 + tip.offsetHeight > window.innerHeight ? e.clientY - tip.offsetHeight - 10
			: e.clientY + 18}px`;
	}

	#words({ event, arrow, bin, lane }) {
		const step = Math.max(1, this.d.scale.per);

		if (event)
			return [el('b', {}, event.type), ` ${event.label || ''}`,
				el('div', {}, `${moment(event.t, step)} · ${this.d.lanes.name(lane)} · ${event.id}`)];
		if (arrow)
			return [el('b', {}, arrowWords(arrow)), arrow.n > 1 ? ` × ${count(arrow.n)}` : '',
				el('div', {}, `${this.d.lanes.name(arrow.lane0)} → ${this.d.lanes.name(arrow.lane1)}`)];
		return [el('b', {}, `${count(bin.n)} events`), bin.log ? ` · ${count(bin.log)} log lines` : '',
			bin.trouble ? ` · ${count(bin.trouble)} of trouble` : '', el('div', {}, 'Click to zoom in')];
	}
}
