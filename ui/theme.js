/* SPDX-License-Identifier: Apache-2.0 */
/*
 * theme - dark and light: what the system prefers until the reader chooses; the colours of the canvas come from style.css.
 */
const NAMES = ['bg', 'panel', 'ink', 'soft', 'faint', 'line', 'row', 'accent', 'message', 'life', 'signal', 'wake', 'io',
	'trouble', 'warn', 'log', 'dot', 'past', 'future', 'match', 'stop', 'loss'];
const system = window.matchMedia('(prefers-color-scheme: dark)');

export const colours = {};
export const fonts = { small: '', bold: '', mono: '' };

function kept() {
	try {
		return localStorage.getItem('saker-theme');
	} catch {
		return null; /* storage is off: nothing is kept */
	}
}

function keep(theme) {
	try {
		localStorage.setItem('saker-theme', theme);
	} catch {
		/* as above */
	}
}

function read() {
	const style = getComputedStyle(document.documentElement);

	for (const name of NAMES)
		colours[name] = style.getPropertyValue(`--${name}`).trim();
	const family = style.getPropertyValue('--sans').trim();

	fonts.small = `11px ${family}`;
	fonts.bold = `600 11px ${family}`;
	fonts.mono = `11px ${style.getPropertyValue('--mono').trim()}`;
}

export function dark() {
	return document.documentElement.dataset.theme === 'dark';
}

export class Theme {
	constructor(button, changed) {
		this.button = button;
		this.changed = changed;
		button.addEventListener('click', () => this.toggle());
		system.addEventListener('change', () => kept() || this.#set(system.matches));
		this.#set(kept() ? kept() === 'dark' : system.matches, true);
	}

	toggle() {
		keep(dark() ? 'light' : 'dark');
		this.#set(!dark());
	}

	#set(isDark, first = false) {
		document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
		this.button.textContent = isDark ? 'Light' : 'Dark';
		read();
		if (!first)
			this.changed();
	}
}
