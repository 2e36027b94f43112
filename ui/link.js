/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - the view as the fragment of the address, so that a copied address shows the same:
 * #event=node1:42&axis=wall&from=7.1&to=8.2&open=0,3&pin=7&q=type=send&mode=filter (times in seconds)
 * and above the diagram: view=requests&ask=duration>1ms&service=shop&region=0,1,2,3&groups=1&beside=0,1,2,3&sort=slow&trace=1f2e&
 * against=normal (regions: ns); view=balancer&on=eth0&vip=10.0.0.1:80/tcp&vip=...
 */
const WAIT_MS = 200;

const ABOVE = ['requests', 'map', 'balancer'];

/* What is asked of the requests. */
function readAsked(params) {
	const text = (name) => params.get(name) || '';
	const region = (name) => {
		const parts = text(name).split(',').map(Number);

		return parts.length === 4 && parts.every(Number.isFinite) ? { from: parts[0], to: parts[1], min: parts[2], max: parts[3] } : null;
	};

	return {
		q: text('ask'), service: text('service'), trace: text('trace'), against: text('against'),
		sort: text('sort') === 'slow' ? 'slow' : 'time',
		region: region('region'), beside: region('region') && region('beside'), groups: text('groups') === '1',
	};
}

function writeAsked(params, { q, service, trace, against, sort, region, beside, groups }) {
	const set = (name, value) => value && params.set(name, value);
	const parts = (r) => r && [r.from, r.to, r.min, r.max].join(',');

	set('ask', q);
	set('service', service);
	set('region', parts(region));
	set('groups', groups && 1);
	set('beside', parts(beside));
	set('sort', sort === 'slow' && sort);
	set('trace', trace);
	set('against', against);
}

export function read() {
	const params = new URLSearchParams(location.hash.slice(1));
	const number = (name) => (params.get(name) === null || params.get(name) === '' ? undefined : Number(params.get(name)));

	return {
		view: ABOVE.includes(params.get('view')) ? params.get('view') : 'story',
		asked: readAsked(params),
		balanced: { on: params.get('on') || '', open: params.getAll('vip').slice(0, 64) },
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

function writeBalanced(params, { on, open }) {
	if (on)
		params.set('on', on);
	open.forEach((vip) => params.append('vip', vip));
}

function write(view) {
	const params = new URLSearchParams();
	const digits = (n) => Number(n.toPrecision(12));

	if (view.event)
		params.set('event', view.event);
	if (view.axis !== 'wall')
		params.set('axis', view.axis);
	if (view.view === 'balancer')
		writeBalanced(params, view.balanced);
	if (view.from !== undefined) {
		params.set('from', digits(view.from));
		params.set('to', digits(view.to));
	}
	if (view.open.length)
		params.set('open', view.open.join(','));
	if (view.pin.length)
		params.set('pin', view.pin.join(','));
	if (view.q)
		params.set('q', view.q);
	if (view.q && view.mode !== 'highlight')
		params.set('mode', view.mode);
	if (view.view !== 'story')
		params.set('view', view.view);
	writeAsked(params, view.asked);
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
