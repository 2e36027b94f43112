/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story - what happened, a line each: when, what, whether it was observed or put together, and the events that show it.
 */
import { byId, el, fill } from './dom.js';
import { count, moment } from './text.js';

export class Story {
	/* hooks: line(i) was clicked; event(id) likewise; trace(id), slow(): the way to a request, to the slow ones; short(id): as people read it */
	constructor(hooks) {
		this.hooks = hooks;
		this.lines = [];
	}

	/* story: of /api/story. A line that is marked stays so when others come. */
	show(story, info) {
		const chosen = this.lines[this.chosen];

		this.lines = story.lines;
		const items = this.lines.map((line, i) => this.#line(line, i));

		fill(byId('story-lines'), items.length ? items
			: el('li', { class: 'calm' }, 'Nobody was stopped, killed or cut off, and nothing was waited for unusually long.'));
		fill(byId('story-notes'), notes(story, info));
		this.mark(chosen ? this.lines.findIndex((line) => line.text === chosen.text) : -1);
	}

	mark(i) {
		this.chosen = i;
		[...byId('story-lines').children].forEach((item, k) => item.classList.toggle('chosen', k === i));
	}

	#line(line, i) {
		return el('li', { class: line.cause ? 'cause' : '' },
			el('span', { class: 'number', 'aria-hidden': 'true' }, i + 1),
			el('time', {}, moment(line.t)),
			el('button', { class: 'told', onclick: () => this.hooks.line(i) },
				line.cause ? el('span', { class: 'kind', title: 'a cause, not only what followed' }, '◆ ') : '', line.text),
			el('span', { class: 'evidence' }, line.inferred ? el('i', { title: 'put together from these events' }, 'inferred')
				: el('b', { title: 'each part of it was seen' }, 'observed'), ' ', this.#refs(line), line.trace ? this.#ways(line) : ''));
	}

	/* To the request that shows it, and to all slow ones. */
	#ways({ trace }) {
		return [' · ', el('button', { class: 'way', 'data-trace': trace, onclick: () => this.hooks.trace(trace), title: `where the time of request ${trace} went` },
			'such a request'), ', ', el('button', { class: 'way', onclick: () => this.hooks.slow(), title: 'what the slowest have that normal ones have not' },
			'the slow ones')];
	}

	#refs(line) {
		return line.refs.map((id, i) => [i ? (i === 1 && line.leads ? ' → ' : ', ') : '',
			el('button', { class: 'ref', onclick: () => this.hooks.event(id), title: `go to event ${id}` }, this.hooks.short(id))]);
	}
}

function notes(story, info) {
	const notes = [];

	if (story.lines.length && !story.lines.some((line) => line.cause))
		notes.push('nobody was stopped, killed or cut off');
	if (story.besides)
		notes.push(`${story.lines.length ? 'another matter, or no news' : 'no news'}: ${story.besides}`);
	if (story.messages)
		notes.push(`${count(story.matched)} of ${count(story.messages)} messages matched`);
	notes.push(info.lost ? el('strong', {}, `${count(info.lost)} events were lost: what lies next to a hatched stretch may lack a cause`)
		: 'nothing was lost');
	if (story.left_out)
		notes.push(`there was no room for ${count(story.left_out)} facts: the story may lack something`);
	return notes.map((note, i) => [i ? ' · ' : '', note]);
}
