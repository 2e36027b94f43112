/* SPDX-License-Identifier: Apache-2.0 */
/*
 * groups - two groups of requests beside each other: what must be seen is worked out here from `saker requests`, and taken from
 * `saker path --overall`. Of the requests of tests/lib/two_tiers.py those to /late/N wait for 50 ms. Others may be slow, too, where the
 * machine is busy: how many are in a region is counted here.
 */
import assert from 'node:assert/strict';
import { lines, open, saker, test } from './harness.mjs';

const roots = (rec, ...args) => lines(saker('requests', '--json', rec, ...args));
const mean = (list) => list.reduce((sum, r) => sum + r.duration_ns, 0) / list.length;
const byDuration = (a, b) => a.duration_ns - b.duration_ns;
const rounded = (ns) => Number((ns / 1e6).toPrecision(3));

const ready = (page) => page.raw.locator('#groups .sentence').waitFor().then(() => page.idle());

/* Drags from a share of the time and a duration to others. */
async function drags(page, [x0, low], [x1, high], shift = false) {
	const [from, to] = await page.raw.evaluate((corners) => {
		const { heat } = window.saker.app.requests, box = heat.canvas.getBoundingClientRect();

		return corners.map(([x, ns]) => {
			const row = Math.min(heat.high, Math.max(heat.low, Math.floor(heat.data.octave * Math.log2(ns))));
			const place = heat.middle([Math.round(x * (heat.data.columns - 1)), row]);

			return [box.left + place.x, box.top + place.y];
		});
	}, [[x0, low], [x1, high]]);

	if (shift)
		await page.keyboard.down('Shift');
	await page.raw.mouse.move(...from);
	await page.raw.mouse.down();
	await page.raw.mouse.move(...to, { steps: 4 });
	await page.raw.mouse.up();
	if (shift)
		await page.keyboard.up('Shift');
}

/* Of a list those within a region of the heat map. */
async function within(page, list, which) {
	const region = await page.raw.evaluate((i) => window.saker.app.requests.heat.regions[i], which);

	return list.filter((r) => r.duration_ns >= region.min && r.duration_ns < region.max);
}

/* Until the group's words name so many requests. */
async function has(page, group, n) {
	await page.until(([name, words]) => document.querySelector(`#groups .set.${name}`)?.textContent.includes(words), [group, ` ${n} request`]);
	await page.idle();
}

const cellsOf = (page, table, row) => page.raw.locator(`#groups .${table} tbody tr`).nth(row).locator('td').allInnerTexts();

/* The slowest beside those between the quartiles. */
async function slowest(page, rec) {
	const all = roots(rec).sort(byDuration), overall = JSON.parse(saker('path', rec, '--overall', '--json'));
	const slow = all.slice(-overall.slow), normal = all.slice(all.length / 4, all.length - all.length / 4);

	await page.keyboard.press('s');
	await ready(page);
	assert.equal(normal.length, overall.normal);
	await has(page, 'one', overall.slow);
	await has(page, 'other', overall.normal);
	const [one, other] = await page.raw.locator('#groups .times .all .figure').allInnerTexts();

	for (const [figure, list] of [[one, slow], [other, normal]])
		assert.ok(Math.abs(parseFloat(figure) * (figure.includes('µs') ? 1e-3 : 1) / rounded(mean(list)) - 1) < 0.006, `${figure}, ${mean(list)}`);
	const sentence = await page.text('#groups .sentence');

	assert.ok(sentence.replaceAll('\u00a0', ' ').startsWith(`The slowest ${overall.slow_percent} % (${overall.slow} requests) take `), sentence);
	await page.shot('groups');
}

/* Each stretch is as long as its part of the slower group's time; where the time goes is all of it. */
async function stacks(page) {
	const bars = () => page.raw.locator('#groups .times .all .stack').evaluateAll((stacks) => stacks.map((stack) =>
		[...stack.children].reduce((sum, node) => sum + parseFloat(node.style.width), 0)));
	const { one, other } = await page.raw.evaluate(() => window.saker.app.requests.groups.data);
	const [slow, normal] = await bars();

	assert.ok(Math.abs(slow - 100) < 0.1 && Math.abs(normal - 100 * other.mean_ns / one.mean_ns) < 0.1, `${slow} ${normal}`);
	await page.click('#groups [data-scale=share]');
	assert.ok((await bars()).every((sum) => Math.abs(sum - 100) < 0.1));
	assert.equal(await page.raw.evaluate(() => document.activeElement.dataset.scale), 'share');
	await page.keyboard.press('ArrowLeft');
	assert.ok(Math.abs((await bars())[1] - normal) < 0.1);
}

/* A region beside all the rest: what was planted is named, with figures. */
async function beside(page, rec) {
	const all = roots(rec), late = roots(rec, 'resource=/late*');

	await drags(page, [0, 24e6], [1, 1e12]);
	const slow = await within(page, all, 0), rest = all.length - slow.length;

	assert.ok(late.length === 6 && late.every((r) => slow.some((s) => s.trace === r.trace)));
	await has(page, 'one', slow.length);
	await has(page, 'other', rest);
	const [, chosen, , where, what, have, sure] = await cellsOf(page, 'parts', 0);

	assert.ok(Math.abs(parseFloat(chosen) / (50 * late.length / slow.length) - 1) < 0.1, chosen);
	assert.match(where, /^<img src=x oner\S* GET$/);
	assert.deepEqual([what, have, sure], ['sleeping', `6 of ${slow.length} · 0 of ${rest}`, 'inferred']);
	const [said, one, other] = await cellsOf(page, 'attributes', 0);

	assert.match(said, /^resource \/late\/\{n\} at <img src=x oner/);
	assert.match(said, /the same requests: /);
	assert.ok(one.endsWith(`% 6 of ${slow.length}`) && other.trim() === `0 % 0 of ${rest}`, `${one}, ${other}`);
	const examples = await page.raw.locator('#groups .attributes tbody tr').first().locator('.example').evaluateAll((list) => list.map((b) => b.dataset.trace));

	assert.deepEqual(examples, late.sort(byDuration).slice(-3).reverse().map((r) => r.trace));
	const sentence = await page.text('#groups .sentence');

	assert.ok(sentence.startsWith(`The chosen ones (${slow.length} requests) take `) && sentence.endsWith(`, of the others 0 of ${rest}. inferred`), sentence);
	assert.match(sentence, /sleeping \(.* instead of .*\); 6 of \d+ have resource \/late\/\{n\} at/s);
}

/* Two regions; the keyboard turns from one to the other, and drops them. */
async function two(page, rec) {
	const all = roots(rec);

	await drags(page, [0, 24e6], [1, 1e12]);
	await drags(page, [0, 1], [1, 12e6], true);
	const slow = (await within(page, all, 0)).length, quick = (await within(page, all, 1)).length;

	assert.ok(slow >= 6 && quick > 0);
	await has(page, 'other', quick);
	await has(page, 'one', slow);
	const names = await page.raw.evaluate(() => window.saker.app.requests.heat.regions.map(Boolean));

	assert.deepEqual(names, [true, true]);
	await page.idle();
	const address = page.raw.url();

	await page.raw.goto('about:blank');
	await page.raw.goto(address);
	await page.drawn();
	await has(page, 'other', quick);
	await page.raw.locator('#heat').focus();
	await page.keyboard.press('Enter');
	assert.equal(await page.raw.locator('#requests-said [aria-pressed]').getAttribute('aria-pressed'), 'true');
	await page.keyboard.press('ArrowUp'); /* the fullest cell, now of the others */
	const most = await page.raw.evaluate(() => window.saker.app.requests.heat.data.cells.reduce((a, b) => (b[2] > a[2] ? b : a))[2]);

	await has(page, 'other', most);
	await page.keyboard.press('Escape');
	await has(page, 'other', all.length - slow);
	await page.keyboard.press('Escape');
	await has(page, 'one', JSON.parse(saker('path', rec, '--overall', '--json')).slow);
}

/* A click leads to a request that shows it, beside a typical one of the others, and back. */
async function examples(page, rec) {
	const late = roots(rec, 'resource=/late*').map((r) => r.trace);
	const { typical } = await page.raw.evaluate(() => window.saker.app.requests.groups.data.other);

	await page.raw.locator('#groups .parts .example').first().click();
	await page.raw.locator('.differences').waitFor();
	assert.ok(late.includes(await page.raw.evaluate(() => window.saker.app.requests.trace.data.trace)));
	assert.ok((await page.text('.differences caption')).includes(typical.slice(0, 8)));
	await page.click('#trace .list');
	await ready(page);
	const stretch = page.raw.locator('#groups .times tbody tr:not(.all) .stack .time-sleep').first();

	assert.ok(late.includes(await stretch.getAttribute('data-trace')));
	await stretch.click();
	await page.raw.locator('.differences').waitFor();
	await page.keyboard.press('s');
	await ready(page);
	await page.keyboard.press('s');
	await page.raw.locator('#requests-list button').first().waitFor();
	assert.ok(await page.raw.locator('#groups').isHidden());
}

/* What the filter finds, also if that is little or nothing. */
async function little(page) {
	await page.raw.locator('#requests-query').fill('failed');
	await page.until(() => /drag over some of them/.test(document.getElementById('groups').textContent));
	await page.raw.locator('#requests-query').fill('duration>1000s');
	await page.until(() => /or none that the filter finds/.test(document.getElementById('groups').textContent));
	await page.raw.locator('#requests-query').fill('');
	await ready(page);
	assert.equal(await page.raw.locator('main img, main script').count(), 0);
}

async function small(chrome, url) {
	const page = await open(chrome, url, { viewport: { width: 380, height: 800 }, colorScheme: 'dark' });

	await page.keyboard.press('s');
	await ready(page);
	assert.ok(await page.raw.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out');
	assert.ok(await page.raw.evaluate(() => document.getElementById('requests-all').scrollWidth <= window.innerWidth), 'nor inside');
	await page.shot('groups-small');
	await page.close();
}

/* However often the pointer moves within a frame, the map is painted once, also where each of its cells is full. */
async function dense(chrome, url) {
	const page = await open(chrome, url);
	const cells = [];

	for (let column = 0; column < 120; column++)
		for (let row = 60; row < 130; row++)
			cells.push([column, row, 1 + (column * row) % 23, row % 9 ? 0 : 1]);
	await page.raw.route('**/api/heat*', (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify({ from: 0, width: 1e6, columns: 120,
		octave: 4, cells, total: 100000, matched: 100000 }) }));
	await page.keyboard.press('r');
	await page.raw.locator('#requests-list button').first().waitFor();
	await page.idle();
	const { frames, painted } = await page.raw.evaluate(() => new Promise((done) => {
		const { heat } = window.saker.app.requests, c = heat.canvas.getContext('2d'), plain = c.strokeRect;
		const box = heat.canvas.getBoundingClientRect();
		const send = (type, x, y) => heat.canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
		let boxes = 0, n = 0;

		heat.canvas.setPointerCapture = () => {};
		c.strokeRect = (...args) => { boxes++; plain.apply(c, args); };
		send('pointerdown', 80, 20);
		requestAnimationFrame(function frame() {
			for (let i = 0; i < 20; i++)
				send('pointermove', 80 + n * 9 + i, 20 + n * 5);
			if (++n < 20)
				requestAnimationFrame(frame);
			else
				requestAnimationFrame(() => requestAnimationFrame(() => done({ frames: n, painted: boxes })));
		});
	}));

	assert.ok(painted >= 2 && painted <= frames + 2, `${painted} times in ${frames} frames`);
	await page.shot('heat-dense');
	await page.close();
}

/* url: of a server of rec */
export async function groups(chrome, rec, url) {
	const page = await open(chrome, url);

	await page.raw.exposeFunction('owned', () => page.troubles.push('a script of the recording ran'));
	await page.idle();
	await test('groups: the slowest beside the normal ones, as saker path --overall takes them', () => slowest(page, rec));
	await test('groups: where the time goes is all of it, on one scale and as shares', () => stacks(page));
	await test('groups: a region beside the rest: what differs, and what only these have', () => beside(page, rec));
	await test('groups: a click leads to a request that shows it, and back', () => examples(page, rec));
	await page.keyboard.press('s');
	await ready(page);
	await test('groups: two regions, also by keys and by address', () => two(page, rec));
	await test('groups: few and none', async () => {
		await little(page);
		await page.close();
	});
	await test('groups on a narrow screen, in the dark', () => small(chrome, url));
	await test('a heat map that is full is painted once a frame', () => dense(chrome, url));
}
