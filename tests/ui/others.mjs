/* SPDX-License-Identifier: Apache-2.0 */
/*
 * others - other recordings: with losses, with hostile names and lines, with clocks that differ, large, growing.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { address, appears, lines, open, saker, serve, skip, test } from './harness.mjs';

const ANY = ['--listen', '127.0.0.1:0'];

async function withPage(chrome, recordings, body, ...options) {
	const server = await serve(recordings, ...ANY, ...options);

	try {
		const page = await open(chrome, server.url);

		await body(page);
		await page.close();
	} finally {
		server.stop();
	}
}

function thousands(n) {
	return n.toLocaleString('en-US');
}

async function tellsLoss(page, rec) {
	const lost = lines(saker('show', rec, '--json', 'type=loss')).reduce((sum, e) => sum + e.count, 0);

	assert.ok(lost > 0, 'the recording lost events');
	assert.ok((await page.text('#story-notes')).includes(`${thousands(lost)} events were lost`));
	assert.ok((await page.text('#recording')).includes(`${thousands(lost)} lost`));
	await page.idle();
	const at = await page.raw.evaluate(() => {
		const { scale, windows, want } = window.saker.app.diagram;
		const { losses } = window.saker.app.diagram.windows.find(window.saker.app.diagram.want('')).data;

		return { n: losses.length, x: scale.x(losses[0].from), red: getComputedStyle(document.documentElement).getPropertyValue('--loss') };
	});
	const pixels = await page.pixels(Math.max(0, at.x), 2, 8, 26);

	assert.ok(at.n > 0);
	assert.ok(pixels.some((v, i) => i % 4 === 0 && v > 150 && pixels[i + 1] < 110 && pixels[i + 2] < 110), 'hatched in the colour of loss');
}

/* Nothing of it is markup: it stands there as it was written. */
async function staysText(page, rec, name) {
	await page.raw.exposeFunction('owned', () => page.troubles.push('a script of the recording ran'));
	const comm = name.slice(0, 15);

	assert.ok(lines(saker('show', rec, '--json', 'type=log')).some((e) => e.text.includes('</script><script>')), 'its lines were recorded');
	await page.keyboard.press('u');
	await page.keyboard.press('u');
	assert.ok((await page.rows()).includes(comm), `a lane is called ${comm}`);
	await page.keyboard.press('0');
	for (const e of lines(saker('show', rec, '--json', 'type=exec')))
		await page.raw.evaluate((id) => window.saker.app.go(id), `0:${e.id}`).then(() => page.selects(`0:${e.id}`));
	assert.ok((await page.text('#detail')).includes('<script>owned()</script>'));
	for (const e of lines(saker('show', rec, '--json', 'type=log'))) {
		await page.raw.evaluate((id) => window.saker.app.go(id), `0:${e.id}`);
		await page.selects(`0:${e.id}`);
	}
	await page.raw.locator('#query').fill('owned');
	await page.keyboard.press('Enter');
	await page.raw.locator('#query').press('Enter');
	await page.raw.locator('#results button').first().waitFor();
	await page.raw.locator('#canvas').hover({ position: { x: 200, y: 60 } });
	assert.equal(await page.raw.locator('main img, main svg, main script, #results script').count(), 0);
}

/* Made-up names of every kind; each line and each name is looked at. */
async function survivesScene(page) {
	await page.raw.exposeFunction('owned', () => page.troubles.push('a script of the recording ran'));
	await page.keyboard.press('u');
	await page.keyboard.press('u');
	await page.raw.locator('#scroller').evaluate((node) => { node.scrollTop = node.scrollHeight / 2; });
	/* rows that are seen have their marks, those far away need none */
	await page.until(() => {
		const want = window.saker.app.diagram.want('');
		const rows = window.saker.app.diagram.windows.find(want)?.data.lanes ?? [];
		const told = rows.map((row) => Boolean(row.events || row.bins));

		return want.top > 0 && told.some((is) => !is) && told.slice(want.top, want.bottom).every((is) => is);
	});
	for (let i = 0; i < 5; i++) {
		await page.keyboard.press('+');
		await page.idle();
	}
	await page.keyboard.press('n');
	await page.until(() => window.saker.app.diagram.selection);
	const text = await page.raw.evaluate(() => document.body.innerText);

	assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u202e]/, 'control characters are shown, not obeyed');
	assert.equal(await page.raw.locator('main img, main svg, main script').count(), 0);
}

/* Each host has what `saker show --offsets` says of its clock and the first host's: bounds, or that nothing is known. */
async function tellsClocks(page, rec) {
	const doubts = await page.raw.locator('#gutter .doubt').allInnerTexts();
	const offsets = saker('show', rec, '--offsets').trim().split('\n').map((line) => line.split(/ - |: /));
	const first = offsets[0][1];
	const of = offsets.filter(([, b]) => b === first);
	const bounded = of.filter(([, , words]) => / to /.test(words)).length;

	assert.equal(doubts.filter((d) => /^±[\d.]+ (ms|s|µs)$/.test(d)).length, bounded, `${doubts}`);
	assert.equal(doubts.filter((d) => d === 'clock unknown').length, of.length - bounded);
	await page.keyboard.press('1');
	await page.idle();
	const wide = await page.raw.evaluate(() => window.saker.app.diagram.rows.list.filter((row) => row.depth === 0)
		.map((row) => window.saker.app.diagram.uncertainty(row.lane.id)));

	assert.ok(wide.some((ns) => ns > 0) && wide.some((ns) => ns === 0));
	await page.shot('clocks');
}

async function opensLarge(page, events) {
	const sum = () => page.raw.evaluate(() => window.saker.app.diagram.scene.hits.flat().reduce((n, h) => n + (h.bin ? h.bin.n : 1), 0));

	await page.keyboard.press('0');
	await page.idle();
	assert.equal(await sum(), events, 'every event is drawn, or counted in a bar');
	assert.match(await page.text('#left-out'), /events drawn as bars/);
	await page.shot('million');
	for (let i = 0; i < 14; i++) {
		await page.keyboard.press('+');
		await page.idle();
	}
	assert.equal(await page.text('#left-out'), '');
	assert.ok((await page.marks()).length > 5, 'close up there are single events');
}

/* A recorder that runs until stop() is called. */
function recorder(dir, ...options) {
	const child = spawn(process.env.SAKER, ['record', '--as-root', '-o', dir, ...options, '--', 'sh', '-c',
		'while [ ! -e "$0" ]; do ls / | wc -l; sleep 0.05; done', `${dir}.done`], { stdio: ['ignore', 'ignore', 'pipe'] });
	const ended = new Promise((done) => child.on('exit', done));

	process.on('exit', () => child.kill());
	return { stderr: child.stderr, stop: () => writeFileSync(`${dir}.done`, ''), ended };
}

const last = (page) => page.raw.evaluate(() => window.saker.app.diagram.scale.last);
const grown = (page, than) => page.until((t) => window.saker.app.diagram.scale.last > t && window.saker.app.diagram.scale.last, than);

/* The page of `saker record --live` follows it, pauses when it is panned, and goes on. */
async function follows(chrome, dir) {
	const { stderr, stop, ended } = recorder(dir, '--live=127.0.0.1:0');
	const page = await open(chrome, await address(stderr));
	const first = await grown(page, await last(page));

	assert.match(await page.text('#live'), /Live/);
	assert.ok((await page.view()).to >= first, 'the end is in view');
	await grown(page, first + 1e9);
	await page.keyboard.press('u');
	await page.shot('live', false);
	await page.keyboard.press('+');
	await page.keyboard.press('+');
	await page.keyboard.press('l');
	const box = await page.canvas();

	await page.raw.mouse.move(box.x + 300, box.y + 10);
	await page.raw.mouse.down();
	await page.raw.mouse.move(box.x + 500, box.y + 10, { steps: 3 });
	await page.raw.mouse.up();
	assert.match(await page.text('#live'), /Paused/);
	const { from } = await page.view();

	await grown(page, await last(page));
	assert.equal((await page.view()).from, from, 'it stays where the reader looks');
	await page.keyboard.press('l');
	assert.match(await page.text('#live'), /Live/);
	assert.ok((await page.view()).to >= await last(page));
	await page.raw.goto('about:blank');
	await page.close();
	stop();
	await ended;
}

/* The page of `saker serve --live` learns that the recording has ended, and then has all of it. */
async function ends(chrome, dir) {
	const { stop, ended } = recorder(dir);

	await appears(`${dir}/metadata`);
	await withPage(chrome, [dir], async (page) => {
		await grown(page, await last(page));
		stop();
		await ended;
		await page.raw.locator('#live').waitFor({ state: 'hidden' });
		await page.idle();
		const events = lines(saker('show', dir, '--json')).length;

		assert.ok((await page.text('#recording')).includes(`${thousands(events)} events`), await page.text('#recording'));
	}, '--live');
}

/* places: { loss, hostile, scene, large, clocks }; name: of the hostile program */
export async function others(chrome, places, { name, events }) {
	await test('losses are told and hatched', () => withPage(chrome, [places.loss], (page) => tellsLoss(page, places.loss)));
	await test('hostile names and lines stay text', () => withPage(chrome, [places.hostile], (page) => staysText(page, places.hostile, name)));
	await test('made-up hostile names, too', () => withPage(chrome, [places.scene], survivesScene));
	if (places.clocks)
		await test('what clocks leave open is told', () => withPage(chrome, [places.clocks], (page) => tellsClocks(page, places.clocks)));
	else
		skip('what clocks leave open is told', 'no data of others: SAKER_TEST_DATA');
	await test(`${thousands(events)} events`, () => withPage(chrome, [places.large], (page) => opensLarge(page, events)));
}

/* These wait most of their time for a recording that grows: beside one another, and beside all else. dir: of new recordings */
export async function growing(chrome, dir) {
	await Promise.all([
		test('saker record --live: the page follows, pauses, goes on', () => follows(chrome, `${dir}1`)),
		test('saker serve --live: the page learns that the recording has ended', () => ends(chrome, `${dir}2`)),
	]);
}
