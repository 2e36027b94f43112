/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cone - the causal past and future of an event, over a picture that steps back: past as squares, future as discs. Thousands of
 * events fall on few pixels, so each place is drawn once.
 */
import { drawArrowWithin } from './marks.js';
import { colours } from './theme.js';

const TAU = 2 * Math.PI;
const GRID = 3; /* pixels that count as one place */

/* on: { rows, x(event), left, right }; cone: { past, future, arrows } */
export function drawCone(c, on, { past, future, arrows }) {
	drawArrows(c, on, arrows);
	drawEvents(c, on, past, colours.past, (x, y) => c.rect(x - 3, y - 3, 6, 6));
	drawEvents(c, on, future, colours.future, (x, y) => {
		c.moveTo(x + 3.4, y);
		c.arc(x, y, 3.4, 0, TAU);
	});
}

function drawEvents(c, { rows, x: xOf, left, right }, events, colour, form) {
	const seen = new Set();

	c.beginPath();
	for (const event of events) {
		const x = xOf(event), i = x < left || x > right ? -1 : rows.indexOf(event.lane);
		const place = Math.round(x / GRID) * 4096 + i;

		if (i < 0 || seen.has(place))
			continue;
		seen.add(place);
		form(x, rows.middle(i));
	}
	c.fillStyle = colour;
	c.fill();
}

/* arrows: { kind, a, b }, their ends as events */
function drawArrows(c, { rows, x: xOf, left, right }, arrows) {
	const seen = new Set();

	for (const arrow of arrows) {
		const x0 = xOf(arrow.a), x1 = xOf(arrow.b);

		if (x1 < left || x0 > right)
			continue;
		const i = rows.indexOf(arrow.a.lane), j = rows.indexOf(arrow.b.lane);
		const place = `${Math.round(x0 / GRID)} ${i} ${Math.round(x1 / GRID)} ${j} ${arrow.kind}`;

		if (i < 0 || j < 0 || i === j || seen.has(place))
			continue;
		seen.add(place);
		drawArrowWithin(c, arrow, x0, rows.middle(i), x1, rows.middle(j), left, right);
	}
}
