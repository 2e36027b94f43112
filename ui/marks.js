/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks - how events and arrows look. Each kind has a form of its own, so that nothing hangs on its colour.
 * What these tables do not know (types that a recording declares itself) is drawn by what it means to a reader.
 */
import { colours } from './theme.js';

const TAU = 2 * Math.PI;

/* --- forms of events: a path around (x, y); the hollow ones are stroked, the others filled --- */

const HEX = [-2.4, -4.2, 2.4, -4.2, 4.8, 0, 2.4, 4.2, -2.4, 4.2, -4.8, 0];
const FORMS = {
	dot: (c, x, y) => { c.moveTo(x + 1.6, y); c.arc(x, y, 1.6, 0, TAU); },
	disc: (c, x, y) => { c.moveTo(x + 3.4, y); c.arc(x, y, 3.4, 0, TAU); },
	ring: (c, x, y) => { c.moveTo(x + 3.2, y); c.arc(x, y, 3.2, 0, TAU); },
	square: (c, x, y) => c.rect(x - 3, y - 3, 6, 6),
	box: (c, x, y) => c.rect(x - 3, y - 3, 6, 6),
	diamond: (c, x, y) => polygon(c, x, y, [0, -4.4, 4.4, 0, 0, 4.4, -4.4, 0]),
	rhomb: (c, x, y) => polygon(c, x, y, [0, -4.4, 4.4, 0, 0, 4.4, -4.4, 0]),
	up: (c, x, y) => polygon(c, x, y, [0, -4.6, 4.4, 3.4, -4.4, 3.4]),
	peak: (c, x, y) => polygon(c, x, y, [0, -4.6, 4.4, 3.4, -4.4, 3.4]),
	play: (c, x, y) => polygon(c, x, y, [-3, -4.4, 4.6, 0, -3, 4.4]),
	pause: (c, x, y) => { c.rect(x - 3.4, y - 4.5, 2.4, 9); c.rect(x + 1, y - 4.5, 2.4, 9); },
	cross: (c, x, y) => { line(c, x - 3.6, y - 3.6, x + 3.6, y + 3.6); line(c, x - 3.6, y + 3.6, x + 3.6, y - 3.6); },
	plus: (c, x, y) => { line(c, x - 4, y, x + 4, y); line(c, x, y - 4, x, y + 4); },
	chevron: (c, x, y) => { c.moveTo(x - 2.4, y - 4); c.lineTo(x + 2.4, y); c.lineTo(x - 2.4, y + 4); },
	clock: (c, x, y) => { c.moveTo(x + 3.6, y); c.arc(x, y, 3.6, 0, TAU); c.moveTo(x, y - 2.4); c.lineTo(x, y);
		c.lineTo(x + 2, y); },
	bar: (c, x, y) => c.rect(x - 4, y - 1.6, 8, 3.2),
	trough: (c, x, y) => c.rect(x - 4, y - 1.8, 8, 3.6),
	tick: (c, x, y) => c.rect(x - 0.8, y - 5, 1.6, 10),
	hex: (c, x, y) => polygon(c, x, y, HEX),
	hexring: (c, x, y) => polygon(c, x, y, HEX),
	packet: (c, x, y) => c.rect(x - 2, y - 3.4, 4, 6.8),
	alarm: (c, x, y) => { polygon(c, x, y, [0, -6, 6, 5, -6, 5]); },
};
const HOLLOW = new Set(['ring', 'box', 'rhomb', 'peak', 'cross', 'plus', 'chevron', 'clock', 'trough', 'hexring']);

function line(c, x0, y0, x1, y1) {
	c.moveTo(x0, y0);
	c.lineTo(x1, y1);
}

function polygon(c, x, y, points) {
	c.moveTo(x + points[0], y + points[1]);
	for (let i = 2; i < points.length; i += 2)
		c.lineTo(x + points[i], y + points[i + 1]);
	c.closePath();
}

/* form, colour, words of the legend; several types may share a form; more: types that are not named here, too */
const EVENTS = [
	{ form: 'disc', colour: 'message', types: ['send', 'dgram_send', 'pipe_write'], words: 'sent' },
	{ form: 'ring', colour: 'message', types: ['recv', 'dgram_recv', 'pipe_read'], words: 'received' },
	{ form: 'rhomb', colour: 'message', types: ['connect', 'listen', 'shutdown', 'close'], words: 'socket opens, closes' },
	{ form: 'diamond', colour: 'message', types: ['connected', 'accept'], words: 'connected' },
	{ form: 'square', colour: 'life', types: ['exec', 'start'], words: 'program starts' },
	{ form: 'plus', colour: 'life', types: ['fork'], words: 'fork' },
	{ form: 'cross', colour: 'life', types: ['exit'], words: 'exit' },
	{ form: 'box', colour: 'life', types: ['join'], words: 'join' },
	{ form: 'up', colour: 'signal', types: ['signal'], words: 'signal sent' },
	{ form: 'peak', colour: 'signal', types: ['deliver'], words: 'signal arrived' },
	{ form: 'pause', colour: 'signal', types: ['stop'], words: 'stopped' },
	{ form: 'play', colour: 'signal', types: ['cont'], words: 'goes on' },
	{ form: 'clock', colour: 'wake', types: ['timer'], words: 'timer fired' },
	{ form: 'chevron', colour: 'wake', more: true, types: ['wake'], words: 'wake-up' },
	{ form: 'tick', colour: 'log', types: ['log', 'log_piece'], words: 'log line' },
	{ form: 'alarm', colour: 'trouble', more: true, types: ['oom_kill', 'reset', 'sockerr', 'retransmit', 'loss', 'shed'],
		words: 'trouble' },
	{ form: 'hex', colour: 'accent', types: ['action'], words: 'action of an agent' },
	{ form: 'hexring', colour: 'accent', types: ['effect', 'check', 'report', 'told'], words: 'effect, check, report' },
	{ form: 'cross', colour: 'trouble', types: ['verdict'], words: 'packet dropped' },
	{ form: 'packet', colour: 'message', types: ['verdict'], words: 'packet of the sample' }, /* the last of a type is its look */
	{ form: 'bar', colour: 'io', more: true, types: ['pipe'], words: 'file, pipe, disk' },
	{ form: 'dot', colour: 'dot', types: [], words: 'other' },
];
const BY_TYPE = new Map(EVENTS.flatMap((look) => look.types.map((type) => [type, look])));
const BY_WORD = new Map(EVENTS.map((look) => [look.words, look]));
const BY_MARK = { log: BY_WORD.get('log line'), trouble: BY_WORD.get('trouble'), signal: BY_WORD.get('signal sent'),
	life: BY_WORD.get('program starts') };

/* The look of an event of /api/window: { form, colour } */
export function eventLook(event) {
	if (event.type === 'verdict' && event.mark === 'trouble')
		return BY_WORD.get('packet dropped');
	if (event.mark === 'state' && (event.type === 'told' || event.type === 'report')) /* how busy a host is, again and again */
		return BY_WORD.get('other');
	if (event.mark === 'trouble' && event.type !== 'log' && event.type !== 'exit')
		return BY_WORD.get('trouble');
	if (BY_TYPE.has(event.type))
		return BY_TYPE.get(event.type);
	if (/^(file|block)_/.test(event.type))
		return BY_WORD.get('file, pipe, disk');
	if (/^(wake|futex|lock)/.test(event.type))
		return BY_WORD.get('wake-up');
	return BY_MARK[event.mark] || BY_WORD.get('other');
}

/* A log line or an exit that means trouble keeps its form and is drawn in the colour of trouble, and larger. */
export function eventColour(event, look) {
	return event.mark === 'trouble' ? 'trouble' : look.colour;
}

/* Many events of one look in one stroke: places is [x0, y0, x1, y1, ...] */
export function drawEvents(c, form, colour, places, heavy) {
	c.beginPath();
	for (let i = 0; i < places.length; i += 2)
		FORMS[form](c, places[i], places[i + 1]);
	if (HOLLOW.has(form)) {
		c.strokeStyle = colours[colour];
		c.lineWidth = heavy ? 2.4 : 1.5;
		c.fillStyle = colours.panel;
		if (form !== 'cross' && form !== 'plus' && form !== 'chevron')
			c.fill();
		c.stroke();
	} else {
		c.fillStyle = colours[colour];
		c.fill();
	}
}

/* --- arrows --- */

/* tail and head: forms at the ends. dots: a pattern that belongs to the kind; ambiguous arrows are dashed whatever they are. */
const ARROWS = {
	message: { colour: 'message', width: 1.2, head: 'full', words: 'message' },
	connect: { colour: 'message', width: 1.2, head: 'open', tail: 'square', words: 'connection' },
	create: { colour: 'life', width: 1.8, head: 'open', tail: 'ring', words: 'fork' },
	join: { colour: 'life', width: 1.8, head: 'stop', words: 'exit → join' },
	signal: { colour: 'signal', width: 1, head: 'full', double: true, words: 'signal' },
	wake: { colour: 'wake', width: 1.4, head: 'open', dots: [1, 3.2], words: 'wake-up' },
	lock: { colour: 'wake', width: 1.4, head: 'diamond', dots: [1, 3.2], words: 'lock handed on' },
	goroutine: { colour: 'wake', width: 1, head: 'full', dots: [1, 3.2], words: 'goroutine' },
	timer: { colour: 'wake', width: 1.2, head: 'disc', dots: [1, 3.2], words: 'timer' },
	disk: { colour: 'io', width: 1.8, head: 'full', tail: 'square', words: 'disk' },
	log: { colour: 'log', width: 1.2, head: 'open', words: 'log' },
	evidence: { colour: 'accent', width: 1.4, head: 'full', tail: 'square', dots: [2, 2], words: 'evidence' },
	report: { colour: 'accent', width: 1.6, head: 'full', tail: 'ring', words: 'report of an agent' },
	program: { colour: 'soft', width: 1, head: 'open', words: 'same thread' },
};
const OTHER = { colour: 'soft', width: 1.2, head: 'open', words: 'other' };
const DASHES = [6, 4];

export function arrowLook(kind) {
	return ARROWS[kind] || OTHER;
}

export function arrowWords(arrow) {
	const words = ARROWS[arrow.kind] ? ARROWS[arrow.kind].words : arrow.kind;

	return `${words}${arrow.ambiguous ? ', ambiguous' : ''}${arrow.after_loss ? ', next to a loss' : ''}`;
}

function drawHead(c, form, x, y, ux, uy) {
	c.beginPath();
	if (form === 'disc') {
		c.arc(x - ux * 3, y - uy * 3, 2.6, 0, TAU);
	} else if (form === 'stop') {
		line(c, x - uy * 4.5, y + ux * 4.5, x + uy * 4.5, y - ux * 4.5);
		c.stroke();
		return;
	} else if (form === 'diamond') {
		polygon(c, 0, 0, [x, y, x - ux * 4 - uy * 3, y - uy * 4 + ux * 3, x - ux * 8, y - uy * 8, x - ux * 4 + uy * 3,
			y - uy * 4 - ux * 3]);
	} else {
		c.moveTo(x - ux * 7 - uy * 3.4, y - uy * 7 + ux * 3.4);
		c.lineTo(x, y);
		c.lineTo(x - ux * 7 + uy * 3.4, y - uy * 7 - ux * 3.4);
		if (form === 'open') {
			c.stroke();
			return;
		}
		c.closePath();
	}
	c.fill();
}

function drawTail(c, form, x, y) {
	c.beginPath();
	if (form === 'square')
		c.rect(x - 2.5, y - 2.5, 5, 5);
	else
		c.arc(x, y, 2.8, 0, TAU);
	c.fillStyle = colours.panel;
	c.fill();
	c.stroke();
}

/* Two thin lines side by side, or one. */
function drawShaft(c, look, x0, y0, x1, y1, ux, uy) {
	c.beginPath();
	if (look.double) {
		line(c, x0 - uy * 1.5, y0 + ux * 1.5, x1 - uy * 1.5, y1 + ux * 1.5);
		line(c, x0 + uy * 1.5, y0 - ux * 1.5, x1 + uy * 1.5, y1 - ux * 1.5);
	} else {
		line(c, x0, y0, x1, y1);
	}
	c.stroke();
}

/*
 * The same, of which only what lies between two x is drawn: a dotted line a million pixels long takes seconds. A head or
 * tail that is cut off is not drawn.
 */
export function drawArrowWithin(c, arrow, x0, y0, x1, y1, left, right) {
	const slope = (y1 - y0) / (x1 - x0 || 1);
	const begin = Math.max(left, Math.min(right, x0)), end = Math.max(left, Math.min(right, x1));

	if (Math.max(x0, x1) < left || Math.min(x0, x1) > right)
		return;
	drawArrow(c, arrow, begin, begin === x0 ? y0 : y0 + (begin - x0) * slope, end, end === x1 ? y1 : y0 + (end - x0) * slope,
		begin !== x0, end !== x1);
}

/* arrow: { kind, ambiguous, n }; from (x0, y0) to (x1, y1), in pixels; many in one bundle make it thicker. */
export function drawArrow(c, arrow, x0, y0, x1, y1, tailless = false, headless = false) {
	const look = arrowLook(arrow.kind);
	const length = Math.hypot(x1 - x0, y1 - y0);

	if (length < 1)
		return;
	const ux = (x1 - x0) / length, uy = (y1 - y0) / length;
	const gap = Math.min(4, length / 4);
	const tip = [x1 - ux * gap, y1 - uy * gap];

	c.strokeStyle = c.fillStyle = colours[look.colour];
	c.lineWidth = look.width + Math.min(2, Math.log2(arrow.n || 1) * 0.25);
	c.setLineDash(arrow.ambiguous ? DASHES : look.dots || []);
	drawShaft(c, look, x0, y0, tip[0] - ux * 3, tip[1] - uy * 3, ux, uy);
	c.setLineDash([]);
	c.lineWidth = Math.min(c.lineWidth, 2);
	if (!headless)
		drawHead(c, look.head, ...tip, ux, uy);
	if (look.tail && !tailless)
		drawTail(c, look.tail, x0, y0);
}

/* --- areas --- */

/* A pattern of slanting lines; made anew for each colour. */
const patterns = new Map();
export function hatch(c, colour) {
	if (!patterns.has(colour)) {
		const tile = document.createElement('canvas');
		const t = tile.getContext('2d');

		tile.width = tile.height = 8;
		t.strokeStyle = colour;
		t.lineWidth = 1.4;
		for (const x of [-8, 0, 8])
			line(t, x, 8, x + 8, 0);
		t.stroke();
		patterns.set(colour, c.createPattern(tile, 'repeat'));
	}
	return patterns.get(colour);
}

/* What the legend shows: only what the recording can contain is worth a place. */
export const legendEvents = EVENTS;
export const legendArrows = Object.entries(ARROWS).filter(([kind]) => kind !== 'program');
