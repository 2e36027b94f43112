/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - what the keyboard does everywhere on the page, and the overlay that says so.
 */
import { byId, el, fill } from './dom.js';

/* [keys, words, what an Actions object calls it]; without a name: done where the focus is, only told here */
const KEYS = [
	['Read', [
		[['1', '…', '8'], 'go to that line of the story'],
		[['n'], 'next event in causal order', 'next'],
		[['p'], 'the one before in causal order', 'previous'],
		[['N'], 'next event in the thread', 'nextInThread'],
		[['P'], 'the one before in the thread', 'previousInThread'],
		[['c'], 'to the cause of the selected event', 'cause'],
		[['e'], 'to its effect', 'effect'],
		[['Backspace'], 'back to the event before', 'back'],
		[['Esc'], 'nothing selected', 'clear'],
	]],
	['Move', [
		[['←', '→'], 'pan (with the focus on the diagram)'],
		[['↑', '↓'], 'over the lanes'],
		[['+', '='], 'zoom in', 'zoomIn'],
		[['-'], 'zoom out', 'zoomOut'],
		[['0'], 'the whole recording', 'all'],
		[['z'], 'close up to the selected event', 'close'],
		[['t'], 'wall or logical time', 'axis'],
		[['l'], 'follow a recording that grows, or pause', 'live'],
	]],
	['Lanes', [
		[['g'], 'to the lanes', 'lanes'],
		[['→', '←'], 'unfold, fold the lane'],
		[['u'], 'unfold one level more', 'unfold'],
		[['U'], 'hosts only', 'fold'],
		[['v'], 'to the diagram', 'diagram'],
	]],
	['Above the diagram', [
		[['w'], 'what happened', 'aboveStory'],
		[['r'], 'requests', 'aboveRequests'],
		[['s'], 'slow requests against normal ones, or those of a region against others', 'groups'],
		[['m'], 'the map: who calls whom', 'aboveMap'],
		[['b'], 'the load balancer of this host', 'aboveBalancer'],
		[['←', '→', '↑', '↓'], 'on the heat map: choose a cell; with shift a region; Esc: all; Enter: the other region'],
	]],
	['Page', [
		[['/'], 'search', 'search'],
		[['f'], 'highlight matches, or filter', 'mode'],
		[['d'], 'dark or light', 'theme'],
		[['?'], 'this help', 'help'],
	]],
];

const MOUSE = [
	['wheel', 'zoom at the pointer; sideways: pan; with shift: over the lanes'],
	['drag', 'pan; on a touch screen with one finger'],
	['pinch', 'zoom'],
	['click', 'an event, an arrow, a line of the story, a flag, a lane'],
];

const BY_KEY = new Map(KEYS.flatMap(([, rows]) => rows).filter((row) => row[2])
	.flatMap(([keys, , name]) => keys.map((key) => [key, name])));
BY_KEY.set('Escape', 'clear');

function typing(target) {
	return target.tagName === 'INPUT' || target.tagName === 'TEXTAREA' || target.isContentEditable;
}

export function listen(actions) {
	document.addEventListener('keydown', (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || typing(e.target) || byId('keys').open)
			return;
		const name = BY_KEY.get(e.key);

		if (name) {
			e.preventDefault();
			actions[name]();
		} else if (/^[1-8]$/.test(e.key)) {
			actions.line(Number(e.key) - 1);
		}
	});
	byId('keys').addEventListener('click', (e) => e.target === byId('keys') && byId('keys').close());
}

function table(title, rows) {
	return el('section', {}, el('h3', {}, title), el('table', {}, rows.map(([keys, words]) => el('tr', {},
		el('th', { scope: 'row' }, [keys].flat().map((key) => (key === '…' ? ' … ' : el('kbd', {}, key)))), el('td', {}, words)))));
}

export function help() {
	const dialog = byId('keys');

	fill(dialog, el('header', {}, el('h2', { id: 'keys-title' }, 'Keys'),
		el('button', { onclick: () => dialog.close(), 'aria-label': 'Close' }, '×')),
	el('div', { class: 'columns' }, KEYS.map(([title, rows]) => table(title, rows)), table('Mouse and touch', MOUSE)),
	el('p', {}, 'A search is written in the query language of ', el('code', {}, 'saker show'), ': ',
		el('code', {}, 'type=send and bytes>1000'), ', ', el('code', {}, 'host=node1 and (type=signal or type=exit)'), ', ',
		el('code', {}, 'text~timeout and not process=etcd'), '.'));
	dialog.showModal();
}
