/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asking - requests: the heat map, the list, a trace, the map, and the way from them into the diagram. What must be seen is taken from
 * `saker requests`, `saker path` and `saker map`. The services are called as if they were markup.
 */
import assert from 'node:assert/strict';
import { groups } from './groups.mjs';
import { lines, open, saker, serve, test } from './harness.mjs';

const json = (...args) => JSON.parse(saker(...args));
const roots = (rec, ...args) => lines(saker('requests', '--json', rec, ...args));
const ids = (list) => list.map((r) => r.trace).sort();

async function listed(page) {
	await page.idle();
	return page.raw.locator('#requests-list button').evaluateAll((buttons) => buttons.map((b) => b.dataset.trace).sort());
}

async function opened(chrome, url) {
	const page = await open(chrome, url);

	await page.raw.exposeFunction('owned', () => page.troubles.push('a script of the recording ran'));
	await page.idle();
	return page;
}

async function toRequests(page) {
	await page.keyboard.press('r');
	await page.raw.locator('#requests-list button').first().waitFor();
	await page.idle();
}

const cells = (page) => page.raw.evaluate(() => window.saker.app.requests.heat.data.cells);

/* Nothing is asked before the reader wants to see it. */
async function showsAll(page, rec) {
	assert.equal(await page.raw.evaluate(() => performance.getEntriesByType('resource')
		.filter((e) => /\/api\/(requests|heat|map|trace)/.test(e.name)).length), 0);
	await toRequests(page);
	assert.deepEqual(await listed(page), ids(roots(rec)));
	assert.equal((await cells(page)).reduce((n, cell) => n + cell[2], 0), roots(rec).length);
	const inked = await page.raw.evaluate(() => {
		const { heat } = window.saker.app.requests, ratio = window.devicePixelRatio;
		const at = (cell) => {
			const { x, y } = heat.middle(cell);

			return String(heat.canvas.getContext('2d').getImageData(x * ratio, y * ratio, 1, 1).data);
		};

		return heat.data.cells.every((cell) => at(cell) !== '0,0,0,0');
	});

	assert.ok(inked, 'each cell is drawn');
	assert.match(await page.text('#requests-said'), /60 requests, 3 failed/);
	await page.shot('requests');
}

/* Drags over the slow ones. */
async function brushes(page, rec) {
	const [low, high] = await page.raw.evaluate(() => {
		const { heat } = window.saker.app.requests, box = heat.canvas.getBoundingClientRect();
		const place = (column, row) => {
			const { x, y } = heat.middle([column, row]);

			return [box.left + x, box.top + y];
		};

		return [place(0, Math.ceil(heat.data.octave * Math.log2(20e6))), place(heat.data.columns - 1, heat.high)];
	});

	await page.raw.mouse.move(...low);
	await page.raw.mouse.down();
	await page.raw.mouse.move(...high, { steps: 4 });
	await page.raw.mouse.up();
	/* those that are late, and others, if the machine was busy */
	const { min } = await page.raw.evaluate(() => window.saker.app.requests.heat.regions[0]), all = roots(rec);
	const slow = all.filter((r) => r.duration_ns >= min);

	assert.ok(slow.length >= 6 && slow.length < all.length);
	await page.until((n) => document.querySelectorAll('#requests-list button').length === n, slow.length);
	assert.deepEqual(await listed(page), ids(slow));
	await page.raw.locator('#heat').focus();
	await page.keyboard.press('Escape');
	await page.until((n) => document.querySelectorAll('#requests-list button').length === n, roots(rec).length);
	/* the keyboard begins at the fullest cell */
	const most = (await cells(page)).reduce((a, b) => (b[2] > a[2] ? b : a));

	await page.keyboard.press('ArrowUp');
	await page.until((n) => document.querySelectorAll('#requests-list button').length === n, most[2]);
	await page.keyboard.press('Shift+ArrowUp');
	await page.keyboard.press('Shift+ArrowDown');
	await page.keyboard.press('Escape');
	await page.until((n) => document.querySelectorAll('#requests-list button').length === n, roots(rec).length);
}

async function filters(page, rec) {
	const box = page.raw.locator('#requests-query');

	await box.fill('failed');
	await page.until(() => document.querySelectorAll('#requests-list button').length === 3);
	assert.deepEqual(await listed(page), ids(roots(rec, 'failed')));
	assert.equal(await page.raw.locator('#requests-list .failed').count(), 3);
	assert.equal((await cells(page)).reduce((n, cell) => n + cell[2], 0), 3);
	await box.fill('bogus=1');
	await page.raw.locator('#requests-error').waitFor();
	assert.match(await page.text('#requests-error'), /no event has a field 'bogus'/);
	await box.fill('');
	await page.until((n) => document.querySelectorAll('#requests-list button').length === n, roots(rec).length);
	assert.ok(await page.raw.locator('#requests-error').isHidden());
}

/* The slowest of those that are late: its spans and its path are those of `saker path`; each way into the diagram leads to the event it names. */
async function readsTrace(page, rec) {
	const [slowest] = roots(rec, 'resource=/late*').sort((a, b) => b.duration_ns - a.duration_ns);
	const path = json('path', rec, slowest.trace, '--json');

	await page.raw.locator('#requests-query').fill('resource=/late*');
	await page.click('#requests-sort [data-sort=slow]');
	await page.until((id) => document.querySelector('#requests-list button')?.dataset.trace === id, path.trace);
	await page.raw.locator('#requests-list button').first().click();
	await page.raw.locator('.waterfall .span').first().waitFor();
	const spans = await page.raw.locator('.waterfall .span').evaluateAll((rows) => rows.map((row) => ({ id: row.dataset.span,
		on: row.dataset.path === 'true', own: row.querySelectorAll('.own').length, sign: row.querySelector('.sign').textContent })));

	assert.deepEqual(spans, path.spans.map((s) => ({ id: s.id, on: s.on_path, own: (s.segments || []).length, sign: s.on_path ? '◆' : '·' })));
	const texts = await page.raw.locator('.waterfall .span').allInnerTexts();

	assert.ok(texts.every((text, i) => !path.spans[i].depth || text.includes(`by ${path.spans[i].evidence}`)), 'the evidence');
	assert.match(texts[3], /sleeping 5\d(\.\d+)? ms/);
	const line = path.spans[3].logs[0];

	assert.ok((await page.text('.waterfall .lines')).includes(line.text));
	await page.shot('trace');
	await page.click('.waterfall .lines button');
	await page.selects(`0:${line.event}`);
	await page.click('#trace .goto');
	await page.selects(`0:${path.spans[0].events[0]}`);
	await page.idle();
	const shown = await page.raw.evaluate(() => window.saker.app.diagram.rows.list.map((row) => row.lane.tid));

	assert.ok(path.spans.every((s) => shown.includes(s.tid)), 'the threads of all spans are there');
	await page.raw.locator('.waterfall .span button').nth(2).click();
	await page.selects(`0:${path.spans[2].events[0]}`);
	const view = await page.view(), t = await page.raw.evaluate(() => window.saker.app.requests.trace.data.spans[2].t);

	assert.ok(view.from < t && view.to > t + path.spans[2].duration_ns, 'all of it is in view');
	assert.ok(view.to - view.from < 3 * path.spans[2].duration_ns, 'and not much else');
	return path;
}

async function compares(page, rec, path) {
	const { differences, other } = json('path', rec, path.trace, '--json', '--compare', 'normal');

	await page.click('#trace .normal');
	await page.raw.locator('.differences').waitFor();
	assert.ok((await page.text('.differences caption')).includes(other.slice(0, 8)));
	assert.equal(await page.raw.locator('.differences tbody tr').count(),
		Math.min(30, differences.filter((d) => d.one_ns !== d.other_ns).length));
	const rows = await page.raw.locator('.differences tbody tr').evaluateAll((list) => list.map((tr) => [...tr.cells].map((td) => td.textContent)));

	assert.ok(rows.some((r) => /^\+5\d(\.\d+)? ms$/.test(r[0]) && r[4] === 'sleeping'), String(rows[0]));
	await page.idle();
	const address = page.raw.url();

	/* the address leads to the same */
	await page.raw.goto('about:blank');
	await page.raw.goto(address);
	await page.drawn();
	await page.raw.locator('.differences').waitFor();
	assert.equal(await page.raw.locator('.waterfall .span').count(), path.spans.length);
	await page.click('#trace .list');
	await page.raw.locator('#requests-list button').first().waitFor();
}

async function maps(page, rec) {
	const map = json('map', rec, '--json');

	await page.raw.locator('#heat').focus();
	await page.keyboard.press('m');
	await page.raw.locator('#map .node').first().waitFor();
	await page.idle();
	const rows = await page.raw.locator('#map .calls tbody tr').evaluateAll((trs) => trs.map((tr) => [...tr.cells].map((td) => td.textContent)));

	assert.deepEqual(rows.map((r) => [r[0], r[1], r[2], Number(r[3]), Number(r[5])]),
		map.edges.map((e) => [e.from, e.to, e.protocol, e.requests, e.failed]));
	assert.equal(await page.raw.locator('#map svg .call').count(), map.edges.length);
	const left = await page.raw.locator('#map .node').evaluateAll((nodes) => Object.fromEntries(nodes.map((n) => [n.dataset.service, n.offsetLeft])));

	assert.ok(map.edges.every((e) => left[e.from] < left[e.to]), 'callers are on the left');
	await page.shot('map');
	await page.raw.locator('#map .node').last().click();
	await page.until((n) => document.querySelectorAll('#requests-list button').length === n, roots(rec).length);
	assert.ok((await page.text('#requests-said')).includes(`of ${map.services[2].name}`));
	await page.raw.locator('#requests-said .chip').click();
	await page.keyboard.press('w');
	assert.ok(await page.raw.locator('#story').isVisible());
}

async function asksAll(chrome, rec, url) {
	let path;

	const page = await opened(chrome, url);

	await test('requests: nothing before it is asked for, then all of them, and their heat map', () => showsAll(page, rec));
	await test('requests: a region of the heat map lists what is in it', () => brushes(page, rec));
	await test('requests: a filter', () => filters(page, rec));
	await test('a trace: waterfall, critical path, reasons, lines, and the way into the diagram', async () => { path = await readsTrace(page, rec); });
	await test('a trace beside a normal one; the address keeps it', () => compares(page, rec, path));
	await test('the map: who calls whom', () => maps(page, rec));
	await test('requests: names that want to be markup stay text', async () => {
		assert.ok(roots(rec)[0].service.startsWith('<img src=x'), 'they are called so');
		assert.equal(await page.raw.locator('main img, main script').count(), 0);
		await page.close();
	});
}

async function small(chrome, url) {
	const page = await open(chrome, url, { viewport: { width: 420, height: 800 }, colorScheme: 'dark' });

	await toRequests(page);
	await page.raw.locator('#requests-list button').first().click();
	await page.raw.locator('.waterfall .span').first().waitFor();
	assert.ok(await page.raw.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out');
	const nameless = await page.raw.evaluate(() => [...document.querySelectorAll('button, input, canvas:not([aria-hidden])')]
		.filter((node) => !node.hidden && !(node.getAttribute('aria-label') || node.textContent.trim())).map((node) => node.outerHTML));

	assert.deepEqual(nameless, []);
	await page.shot('requests-small');
	await page.close();
}

/*
 * The line of the slow requests comes when they are known, and not before; it leads to one of them, and to all. What the reader has
 * marked meanwhile stays marked.
 */
async function tellsSlow(chrome, rec) {
	const server = await serve([rec], '--listen', '127.0.0.1:0');
	const want = json('story', '--json', rec).lines, slow = want.findIndex((line) => line.trace);
	let known;
	const wait = new Promise((done) => { known = done; });
	const page = await open(chrome, server.url, {}, ({ raw }) => raw.route('**/api/story?requests=1', async (route) => {
		await wait;
		await route.continue();
	}));
	const told = async () => (await page.raw.locator('#story .told').allInnerTexts()).map((text) => text.replace(/^◆ /, ''));

	assert.match(want[slow].text, /^the slowest 10 % of 120 requests take .* sleeping \(/);
	await page.until(() => document.getElementById('story-notes').textContent.includes('matched'));
	assert.deepEqual(await told(), want.filter((line) => !line.trace).map((line) => line.text));
	known();
	await page.raw.locator('#story [data-trace]').waitFor();
	assert.deepEqual(await told(), want.map((line) => line.text));
	await page.shot('story-slow');
	await page.raw.locator('#story li').nth(slow).locator('.told').click();
	await page.selects(`0:${want[slow].events[0].id}`);
	await page.click(`#story [data-trace="${want[slow].trace}"]`);
	await page.raw.locator('.waterfall .span').first().waitFor();
	assert.equal(await page.raw.evaluate(() => window.saker.app.requests.trace.data.trace), want[slow].trace);
	await page.keyboard.press('w');
	await page.raw.locator('#story .way').last().click();
	await page.raw.locator('#groups .sentence').waitFor();
	assert.match(await page.text('#groups .sentence'), /^The slowest 10\s% \(12 requests\) take /);
	await page.close();
	server.stop();
}

/* rec: of tests/lib/two_tiers.py, 60 requests of which 6 are slow and 3 fail; more: 120 of them; without: a recording that has none */
export async function asking(chrome, rec, more, without) {
	const server = await serve([rec], '--listen', '127.0.0.1:0');

	await asksAll(chrome, rec, server.url);
	await test('requests on a small screen, in the dark', () => small(chrome, server.url));
	await groups(chrome, rec, server.url);
	server.stop();
	await test('the story tells of slow requests once they are known, and leads to them', () => tellsSlow(chrome, more));
	const other = await serve([without], '--listen', '127.0.0.1:0');

	await test('requests: a recording that has none says how to get them', async () => {
		const page = await open(chrome, other.url);

		await page.keyboard.press('r');
		await page.until(() => /--with sched/.test(document.getElementById('requests-list').textContent));
		await page.keyboard.press('s');
		await page.until(() => window.saker.idle() && /--with sched/.test(document.getElementById('requests-list').textContent));
		assert.ok(await page.raw.locator('#requests-list').isVisible());
		await page.keyboard.press('m');
		await page.until(() => /--with sched/.test(document.getElementById('map').textContent));
		await page.close();
	});
	other.stop();
}
