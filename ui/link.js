/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - the view as the fragment of the address, so that a copied address shows the same:
 * #event=node1:42&axis=wall&from=7.1&to=8.2&open=0,3&pin=7&q=type=send&mode=filter (times in seconds)
 */
const WAIT_MS = 200;

export function read() {
	const params = new URLSearchParams(location.hash.slice(1));
	const number = (name) => (params.get(name) === null || params.get(name) === '' ? undefined : Number(params.get(name)));

	return {
		event: params.get('event') || '',
		axis: params.get('axis') === 'logical' ? 'logical' : 'wall',
		from: number('from'),
		to: number('to'),
		open: (params.get('open') || '').split(',').filter(Boolean),
		pin: (params.get('pin') || '').split(',').filter(Boolean),
		q: params.get('q') || '',
		mode: params.get('mode') === 'filter' ? 'filter' : 'highlight',
	};
}

function write(view) {
	const params = new URLSearchParams();
	const digits = (n) => Number(n.toPrecision(12));

	if (view.event)
		params.set('event', view.event);
	if (view.axis !== 'wall')
		params.set('axis', view.axis);
	params.set('from', digits(view.from));
	params.set('to', digits(view.to));
	if (view.open.length)
		params.set('open', view.open.join(','));
	if (view.pin.length)
		params.set('pin', view.pin.join(','));
	if (view.q)
		params.set('q', view.q);
	if (view.q && view.mode !== 'highlight')
		params.set('mode', view.mode);
	return `#${params}`;
}

export class Link {
	#timer = 0;
	#written = location.hash;
	pending = false;

	/* view() -> what to write; followed(): the reader changed the address */
	constructor(view, followed) {
		this.view = view;
		window.addEventListener('hashchange', () => location.hash !== this.#written && followed(read()));
	}

	/* The browser refuses too many changes of the address: a little later is soon enough. */
	changed() {
		clearTimeout(this.#timer);
		this.pending = true;
		this.#timer = setTimeout(() => {
			this.pending = false;
			this.#written = write(this.view());
			history.replaceState(null, '', this.#written);
		}, WAIT_MS);
	}
}
