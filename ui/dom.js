/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dom - building elements. What comes from a recording becomes text here and nothing else: no markup is ever parsed.
 */
import { printable } from './text.js';

/* el('button', { class: 'link', onclick: f, 'aria-label': 'x' }, 'text', child) */
export function el(tag, props, ...children) {
	const node = document.createElement(tag);

	for (const [name, value] of Object.entries(props || {})) {
		if (name.startsWith('on'))
			node.addEventListener(name.slice(2), value);
		else if (value !== undefined && value !== null && value !== false)
			node.setAttribute(name, value === true ? '' : printable(String(value)));
	}
	append(node, children);
	return node;
}

export function append(node, children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false)
			continue;
		node.append(child instanceof Node ? child : printable(String(child)));
	}
	return node;
}

export function fill(node, ...children) {
	node.replaceChildren();
	return append(node, children);
}

export function byId(id) {
	return document.getElementById(id);
}

/* Buttons of which one is on; the arrow keys move between them, as in any group of radio buttons. */
export function choice(group, attribute, chosen) {
	const buttons = [...group.querySelectorAll('button')];
	const set = (value) => {
		for (const button of buttons) {
			const on = button.dataset[attribute] === value;

			button.setAttribute('aria-checked', on);
			button.tabIndex = on ? 0 : -1;
		}
	};
	const choose = (button) => {
		set(button.dataset[attribute]);
		button.focus();
		chosen(button.dataset[attribute]);
	};

	group.addEventListener('click', (e) => buttons.includes(e.target) && choose(e.target));
	group.addEventListener('keydown', (e) => {
		const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];

		if (!step)
			return;
		e.preventDefault();
		e.stopPropagation();
		choose(buttons[(buttons.indexOf(e.target) + step + buttons.length) % buttons.length]);
	});
	set(buttons.find((b) => b.getAttribute('aria-checked') === 'true').dataset[attribute]);
	return set;
}

/* A canvas of that many pixels of the page; ratio: of the screen to those. */
export function fit(canvas, width, height, ratio) {
	canvas.width = Math.max(1, Math.round(width * ratio));
	canvas.height = Math.max(1, Math.round(height * ratio));
	canvas.style.width = `${width}px`;
	canvas.style.height = `${height}px`;
}
