/* SPDX-License-Identifier: Apache-2.0 */
/*
 * legend - the signs of the diagram, drawn by the same code as the diagram.
 */
import { byId, el, fill, fit } from './dom.js';
import { drawArrow, drawEvents, hatch, legendArrows, legendEvents } from './marks.js';
import { colours } from './theme.js';

const HEIGHT = 16;

function sample(words, width, draw, title) {
	const canvas = el('canvas', { 'aria-hidden': 'true' });
	const ratio = window.devicePixelRatio || 1;

	fit(canvas, width, HEIGHT, ratio);
	const c = canvas.getContext('2d');

	c.scale(ratio, ratio);
	draw(c);
	return el('span', { class: 'sample', title }, canvas, words);
}

function area(words, colour, draw, title) {
	return sample(words, 24, (c) => {
		c.fillStyle = colour;
		draw(c);
	}, title);
}

/* Of /api/info: signs of what the recording does not have need no place. */
export function legend({ kinds, types }) {
	const there = (kind) => kinds.some(({ name, edges }) => name === kind && edges);
	const events = legendEvents.filter((look) => !types || look.more || !look.types.length || look.types.some((type) => types.includes(type))).map(({ form, colour, words }) => sample(words, 14, (c) => drawEvents(c, form, colour, [7, 8])));
	const arrow = (kind, words, more) => sample(words, 40, (c) => drawArrow(c, { kind, ...more }, 4, 8, 38, 8));

	fill(byId('legend'),
		legendArrows.filter(([kind]) => there(kind)).map(([kind, look]) => arrow(kind, look.words)),
		arrow('message', 'ambiguous: one of several candidates', { ambiguous: true }),
		arrow('message', 'many in one', { n: 64 }),
		events,
		area('events lost', hatch(byId('canvas').getContext('2d'), colours.loss), (c) => c.fillRect(0, 0, 24, HEIGHT)),
		area('stopped', colours.stop, (c) => {
			c.globalAlpha = 0.35;
			c.fillRect(0, 0, 24, HEIGHT);
		}),
		area('how far the clock leaves it open', colours.accent, (c) => {
			c.globalAlpha = 0.2;
			c.fillRect(0, 3, 24, 10);
			c.globalAlpha = 0.7;
			c.fillRect(0, 3, 1, 10);
			c.fillRect(23, 3, 1, 10);
		}),
		sample('causal past', 14, (c) => { c.fillStyle = colours.past; c.fillRect(4, 5, 6, 6); }),
		sample('future', 14, (c) => {
			c.fillStyle = colours.future;
			c.beginPath();
			c.arc(7, 8, 3.4, 0, 7);
			c.fill();
		}),
		sample('many events', 24, (c) => {
			c.fillStyle = colours.dot;
			[3, 6, 4, 7, 5, 2].forEach((h, i) => c.fillRect(i * 4, 8 - h, 3, 2 * h));
		}));
}
