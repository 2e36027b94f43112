/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app - the page of `saker serve`: the story, the diagram, the selected event, search, live. Joins the modules; each of them
 * knows only what it is told here.
 */
import { Latest, get, waiting } from './api.js';
import { Balancer } from './balancer.js';
import { chainOf } from './chain.js';
import { Detail } from './detail.js';
import { Diagram } from './diagram.js';
import { byId, choice, fill } from './dom.js';
import { help, listen } from './keys.js';
import { legend } from './legend.js';
import { Link, read } from './link.js';
import { Live } from './live.js';
import { ServiceMap } from './map.js';
import { Requests } from './requests.js';
import { Search } from './search.js';
import { Story } from './story.js';
import { Theme } from './theme.js';
import { count, duration, moment } from './text.js';

const CONE = 20000; /* events of a causal past or future that are marked */
const TROUBLE_MS = 8000;

class App {
	#events = new Latest();
	#cones = [new Latest(), new Latest()];
	#steps = new Latest();
	#told = new Latest();
	#back = [];
	#selected = null;
	#named = []; /* the answer of /api/event */

	constructor() {
		const go = (id) => this.go(id);

		this.theme = new Theme(byId('theme'), () => this.#repaint());
		this.story = new Story({ line: (i) => this.line(i), event: (id) => this.go(id, true), short: (id) => this.short(id),
			trace: (id) => this.#toRequests(() => this.requests.only(id)), slow: () => this.#toRequests(() => this.requests.slow()) });
		this.detail = new Detail({ go, step: (dir, axis) => this.step(dir, axis), close: () => this.clear(),
			short: (id) => this.short(id) });
		this.diagram = new Diagram({
			picked: (id) => (id ? go(id) : this.clear()), changed: () => this.link?.changed(), moved: () => this.live.pause(),
			failed: (e) => this.failed(e), story: () => this.story.lines, told: (i) => this.line(i), all: () => this.all(),
		});
		this.search = new Search({ query: (q, mode) => this.diagram.setQuery(q, mode), go: (id) => this.go(id, true),
			lane: (id) => this.diagram.lanes.name(id), failed: (e) => this.failed(e) });
		this.requests = new Requests({ show: (...span) => this.showSpan(...span), event: (id) => this.go(id, true),
			changed: () => this.link?.changed(), failed: (e) => this.failed(e), say: (words) => this.#say(words) });
		this.map = new ServiceMap({ service: (name) => this.#requestsOf(name), failed: (e) => this.failed(e) });
		this.balancer = new Balancer({ changed: () => this.link?.changed(), event: (id) => this.go(id, true), chain: (id) => this.chain(id), short: (id) => this.short(id) });
		this.view = 'story';
		this.live = new Live({ grown: (news) => this.#grown(news), follow: () => this.#follow(), failed: (e) => this.failed(e),
			ended: () => this.#header() });
		this.#controls();
	}

	async start() {
		try {
			const info = await get('info');

			this.info = info;
			this.balancer.begin(info.balancer, info.actions > 0);
			byId('views').querySelector('[data-view=balancer]').hidden = !info.balancer && !info.actions;
			this.#header();
			if (!info.recordings.length) {
				await this.#bare();
				return;
			}
			const lanes = await get('lanes');

			this.diagram.setInfo(info);
			this.diagram.setLanes(lanes);
			this.diagram.scale.all();
			await this.#restore(read());
			this.link = new Link(() => this.#view(), (view) => this.#restore(view));
			legend(info);
			this.story.show(await get('story'), info);
			this.diagram.dirty();
			this.live.start(info);
			this.#tellSlow();
		} catch (e) {
			this.failed(e, true);
		}
	}

	/* No recording: only the balancer. */
	async #bare() {
		document.body.classList.add('bare');
		this.balancer.restore(read().balanced);
		this.link = new Link(() => ({ ...read(), view: 'balancer', balanced: this.balancer.asked }), (view) => this.balancer.restore(view.balanced));
		this.above('balancer');
		performance.mark('saker:first-picture');
	}

	/* --- selecting --- */

	/* Selects an event and shows where it is; unfold: also the lanes around it. */
	async go(id, unfold = false, remember = true) {
		try {
			const answer = await this.#events.get('event', { id });

			if (remember && this.#selected && this.#selected.id !== answer.id)
				this.#back.push(this.#selected.id);
			this.live.pause();
			this.#select(answer, unfold);
		} catch (e) {
			this.failed(e);
		}
	}

	/* named: others that get captions */
	#select(answer, unfold, named = []) {
		this.#selected = answer;
		this.#named = [answer, ...named.filter(({ id }) => id !== answer.id)].map((e) => ({ ...place(e), label: e.label }));
		this.diagram.select({ event: place(answer), named: this.#named });
		this.diagram.reveal(answer.lane, unfold);
		this.diagram.scale.reveal(this.diagram.value(answer));
		this.diagram.changed();
		this.detail.show(answer, { info: this.info, lanes: this.diagram.lanes });
		this.#say(`${answer.event.type} of ${this.diagram.lanes.name(answer.lane)} at ${moment(answer.t)}: ` +
			`${answer.causes.length} causes, ${answer.effects.length} effects`);
		this.#reach(answer);
	}

	/* The whole causal past and future, marked across the hosts. */
	async #reach(answer) {
		const { id } = answer;

		try {
			const [past, future] = await Promise.all(['causes', 'effects'].map((dir, i) =>
				this.#cones[i].get('cone', { id, dir, limit: CONE })));
			const others = (cone) => cone.events.filter((e) => e.id !== id);
			const selection = { event: place(answer), named: this.#named, past: others(past), future: others(future),
				arrows: [...arrowsOf(past), ...arrowsOf(future)] };

			this.diagram.select(selection);
			this.detail.reach({ ...selection, truncated: { past: past.truncated, future: future.truncated } }, this.diagram.lanes);
		} catch (e) {
			this.failed(e);
		}
	}

	clear() {
		this.#events.cancel();
		this.#cones.forEach((c) => c.cancel());
		this.#selected = null;
		this.story.mark(-1);
		this.diagram.select(null);
		this.diagram.changed();
		this.detail.hide();
	}

	/* A line of the story: all that it cites in one view, and the first event selected. */
	async line(i) {
		const line = this.story.lines[i];

		if (!line)
			return;
		this.story.mark(i);
		try {
			const events = await Promise.all(line.refs.map((id) => get('event', { id })));

			const action = events.find(({ event }) => event.type === 'action');

			this.#together(events, action ? await chainOf(action.id) : []);
		} catch (e) {
			this.failed(e);
		}
	}

	/* What an agent did, with what it rests on and what came of it. */
	async chain(id) {
		try {
			const chain = await chainOf(id);

			this.#together(chain.slice(0, 1), chain);
		} catch (e) {
			this.failed(e);
		}
	}

	/* The first of `events` is selected; these and `named`, which get captions, are in view with their lanes. */
	#together(events, named) {
		const all = [...events, ...named];

		this.live.pause();
		for (const event of all)
			this.diagram.reveal(event.lane, true);
		this.#fit(all.filter(({ event }) => event.type !== 'effect')); /* seconds later: what led here stays apart */
		if (events.length)
			this.#select(events[0], true, named);
	}

	#fit(events) {
		const { scale } = this.diagram;
		const values = events.map((e) => this.diagram.value(e));
		const from = Math.min(...values), to = Math.max(...values);
		const least = (scale.last - scale.first) / 400;
		const margin = Math.max((to - from) * 0.3, least);

		if (values.length)
			scale.show(from - margin, to + margin);
	}

	/* A span of a request: its first event, its whole time in view, and the lanes of those below it. */
	async showSpan(id, t, ns, lanes) {
		for (const lane of lanes)
			this.diagram.reveal(lane, true);
		await this.go(id, true);
		if (this.diagram.axis === 'wall')
			this.diagram.scale.show(t - ns * 0.15 - 1000, t + ns * 1.15 + 1000);
		this.diagram.changed();
	}

	/* What stands above the diagram: story, requests, map or balancer. */
	above(view) {
		this.view = view;
		this.setView(view);
		for (const name of ['story', 'requests', 'map', 'balancer'])
			byId(name).hidden = name !== view;
		this.requests.hide();
		this.balancer.hide();
		if (view === 'requests')
			this.requests.show();
		if (view === 'map')
			this.map.show();
		if (view === 'balancer')
			this.balancer.show();
		this.link?.changed();
	}

	/* Groups of requests, or their list again. */
	#groups() {
		const there = this.view === 'requests' && !this.requests.state.trace;

		this.requests.compare(!there || !this.requests.state.groups);
		if (this.view !== 'requests')
			this.above('requests');
	}

	#requestsOf(service) {
		this.#toRequests(() => this.requests.of(service));
	}

	#toRequests(choose) {
		choose();
		this.above('requests');
	}

	/* What makes slow requests slow is found out once all else is seen, and only of what does not grow any more. */
	async #tellSlow() {
		if (this.info.live)
			return;
		try {
			const { info } = this, story = await this.#told.get('story', { requests: 1 });

			if (info !== this.info || JSON.stringify(story.lines) === JSON.stringify(this.story.lines))
				return;
			this.story.show(story, info);
			this.diagram.dirty();
		} catch (e) {
			this.failed(e);
		}
	}

	async step(dir, axis) {
		if (!this.#selected) {
			this.#first(dir);
			return;
		}
		try {
			const next = await this.#steps.get('step', { id: this.#selected.id, dir, axis });

			if (next.id)
				await this.go(next.id);
			else
				this.#say(dir === 'next' ? 'No event after it.' : 'No event before it.');
		} catch (e) {
			this.failed(e);
		}
	}

	/* Nothing is selected: the first event that is seen, or the last. */
	#first(dir) {
		const { scale, scene } = this.diagram;
		const seen = (scene.hits || []).flat().filter((hit) => hit.event)
			.map((hit) => hit.event).filter((e) => this.diagram.value(e) >= scale.from && this.diagram.value(e) <= scale.to)
			.sort((a, b) => a.clock - b.clock || a.t - b.t);

		if (seen.length)
			this.go(seen[dir === 'next' ? 0 : seen.length - 1].id);
		else
			this.#say('No single event is in view: zoom in, or follow a line of the story.');
	}

	/* Along an edge between threads if there is one. */
	follow(edges) {
		const edge = edges && (edges.find((e) => e.kind !== 'program') || edges[0]);

		if (edge)
			this.go(edge.id, true);
		else
			this.#say('There is none.');
	}

	back() {
		const id = this.#back.pop();

		if (id)
			this.go(id, true, false);
	}

	all() {
		this.diagram.scale.all();
		this.live.pause();
		this.diagram.changed();
	}

	zoom(factor) {
		const { scale } = this.diagram;
		const x = this.#selected ? scale.x(this.diagram.value(this.#selected)) : -1;

		scale.zoom(factor, x >= 0 && x <= scale.width ? x : scale.width / 2);
		this.live.pause();
		this.diagram.changed();
	}

	/* Close enough to tell the selected event from its neighbours. */
	close() {
		if (!this.#selected)
			return;
		const { scale } = this.diagram, at = this.diagram.value(this.#selected);
		const half = Math.min(scale.span / 2, (scale.last - scale.first) / 2000);

		scale.show(at - half, at + half);
		this.diagram.changed();
	}

	/* --- the rest of the page --- */

	#controls() {
		const view = this.diagram;

		this.setAxis = choice(byId('controls').querySelector('.choice'), 'axis', (axis) => view.setAxis(axis));
		this.setView = choice(byId('views').querySelector('.choice'), 'view', (name) => this.above(name));
		byId('zoom-in').onclick = () => this.zoom(2);
		byId('zoom-out').onclick = () => this.zoom(0.5);
		byId('zoom-all').onclick = () => this.all();
		byId('fold-all').onclick = () => view.foldAll();
		byId('unfold-all').onclick = () => view.unfoldAll();
		byId('help').onclick = help;
		listen({
			line: (i) => this.line(i),
			next: () => this.step('next', 'causal'), previous: () => this.step('prev', 'causal'),
			nextInThread: () => this.step('next', 'thread'), previousInThread: () => this.step('prev', 'thread'),
			cause: () => this.follow(this.#selected?.causes), effect: () => this.follow(this.#selected?.effects),
			back: () => this.back(), clear: () => this.clear(), zoomIn: () => this.zoom(2), zoomOut: () => this.zoom(0.5),
			all: () => this.all(), close: () => this.close(), axis: () => this.#toggleAxis(), live: () => this.live.toggle(),
			lanes: () => byId('gutter').querySelector('[tabindex="0"]')?.focus(), unfold: () => view.unfoldAll(),
			fold: () => view.foldAll(), diagram: () => byId('canvas').focus(), search: () => this.search.focus(),
			mode: () => this.search.set(byId('query').value, this.search.mode === 'filter' ? 'highlight' : 'filter'),
			theme: () => this.theme.toggle(), help, aboveStory: () => this.above('story'),
			aboveRequests: () => this.above('requests'), aboveMap: () => this.above('map'), aboveBalancer: () => !byId('views').querySelector('[data-view=balancer]').hidden && this.above('balancer'),
			groups: () => this.#groups(),
		});
	}

	#toggleAxis() {
		const axis = this.diagram.axis === 'wall' ? 'logical' : 'wall';

		this.setAxis(axis);
		this.diagram.setAxis(axis);
	}

	#repaint() {
		this.diagram.repaint();
		this.requests?.repaint();
		if (this.info)
			legend(this.info);
	}

	#header() {
		const { recordings, span_ns: span, events, lost } = this.info;
		const parts = [`${count(events)} events in ${duration(span)}`, lost ? `${count(lost)} lost` : ''];
		const names = recordings.map((r) => r.name || r.dir).join(', ');

		fill(byId('recording'), recordings.length ? [names, ' · ', parts.filter(Boolean).join(' · ')] : 'the balancer of this host');
		document.title = `Saker: ${names || 'balancer'}`;
	}

	/* "0:42" is 42 where there is one recording, else "node1:42" */
	short(id) {
		const [host, number] = id.split(':');

		return this.info.hosts.length === 1 ? number : `${this.info.hosts[Number(host)]?.name ?? host}:${number}`;
	}

	#view() {
		const { scale, axis, open, pinned, query } = this.diagram;
		const unit = axis === 'wall' ? 1e9 : 1;

		return { event: this.#selected?.id, axis, from: scale.from / unit, to: scale.to / unit, open: [...open], pin: [...pinned], q: query.text,
			mode: query.mode, view: this.view, asked: this.requests.state,
			balanced: this.balancer.asked };
	}

	async #restore(view) {
		const unit = view.axis === 'wall' ? 1e9 : 1;
		const { diagram } = this;

		this.setAxis(view.axis);
		diagram.setAxis(view.axis);
		diagram.unfold(view.open.map(Number), view.pin.map(Number));
		this.requests.restore(view.asked);
		this.balancer.restore(view.balanced);
		if (view.view !== this.view && (view.view !== 'balancer' || this.info.balancer || this.info.actions))
			this.above(view.view);
		if (view.q)
			this.search.set(view.q, view.mode);
		if (view.event)
			await this.go(view.event, !view.open.length && !view.pin.length);
		if (view.from !== undefined && view.to > view.from)
			diagram.scale.show(view.from * unit, view.to * unit);
		else if (this.#selected)
			this.close();
		diagram.changed();
	}

	/* --- live --- */

	async #grown(news) {
		Object.assign(this.info, news);
		const [info, lanes, story] = await Promise.all([get('info'), get('lanes'), get('story')]);

		const { scale } = this.diagram;
		const whole = scale.from <= scale.first && scale.to >= scale.last;

		this.info = info;
		this.#header();
		this.diagram.setInfo(info);
		this.diagram.setLanes(lanes);
		this.story.show(story, info);
		this.#tellSlow();
		this.diagram.refresh();
		this.balancer.begin(info.balancer, info.actions > 0);
		byId('views').querySelector('[data-view=balancer]').hidden = !info.balancer && !info.actions;
		this.balancer.grown();
		this.requests.grown();
		if (this.view === 'map')
			this.map.show();
		if (this.live.following)
			this.#follow(whole);
	}

	/* The whole recording if all of it was seen, else its end, the stretch as long as before. */
	#follow(whole = false) {
		const { scale } = this.diagram;

		if (whole)
			scale.all();
		else
			scale.set(scale.last - scale.span * 0.97, scale.per);
		this.diagram.changed();
	}

	/* --- talk --- */

	#say(words) {
		byId('said').textContent = words;
	}

	failed(e, stays = false) {
		const box = byId('trouble');

		if (e.name === 'AbortError')
			return;
		fill(box, e.message);
		box.hidden = false;
		clearTimeout(this.quiet);
		if (!stays)
			this.quiet = setTimeout(() => { box.hidden = true; }, TROUBLE_MS);
		if (!e.status && e.name !== 'ApiError')
			console.error(e);
	}
}

/* What the diagram needs of an answer of /api/event. */
function place({ id, lane, t, clock, mark, event }) {
	return { id, lane, t, clock, mark, type: event.type };
}

/* Arrows of a cone between its events: { kind, a, b }; those within a thread are its lane. */
function arrowsOf(cone) {
	const byId = new Map(cone.events.map((e) => [e.id, e]));

	return cone.arrows.filter((arrow) => arrow.kind !== 'program')
		.map((arrow) => ({ ...arrow, a: byId.get(arrow.from), b: byId.get(arrow.to) })).filter(({ a, b }) => a && b);
}

const app = new App();

app.start();
/* For measurements and tests: what is drawn, how long it took, and whether there is more to come. */
window.saker = { app, frames: app.diagram.frames, idle: () => app.diagram.idle && !waiting() && !app.link?.pending &&
	!app.requests.heat.pending };
