/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ways - other ways to use the page: only the keyboard, touch, dark and light, a small screen, a server that ends.
 */
import assert from 'node:assert/strict';
import { open, serve, test } from './harness.mjs';

async function keyboardOnly(chrome, url) {
	const page = await open(chrome, url);
	const focused = () => page.raw.evaluate(() => document.activeElement.id || document.activeElement.className);

	await page.keyboard.press('Tab');
	assert.equal(await focused(), 'skip');
	await page.keyboard.press('?');
	await page.raw.locator('#keys').waitFor();
	assert.ok((await page.text('#keys')).includes('next event in causal order'));
	await page.keyboard.press('Escape');
	await page.raw.locator('#keys').waitFor({ state: 'hidden' });
	await page.keyboard.press('1');
	await page.until(() => window.saker.app.diagram.selection);
	assert.match(await page.raw.locator('#said').textContent(), /causes, \d+ effects/);
	await page.keyboard.press('v');
	assert.equal(await focused(), 'canvas');
	const before = await page.view();

	await page.keyboard.press('ArrowRight');
	assert.ok((await page.view()).from > before.from);
	await page.keyboard.press('+');
	assert.ok((await page.view()).per < before.per);
	await page.keyboard.press('g');
	assert.equal(await page.raw.evaluate(() => document.activeElement.getAttribute('role')), 'treeitem');
	await page.keyboard.press('/');
	assert.equal(await focused(), 'query');
	await page.keyboard.type('nd');
	assert.equal(await page.raw.locator('#query').inputValue(), 'nd');
	await page.close();
}

/* Fingers as Chromium's own protocol moves them. */
async function touches(chrome, url) {
	const page = await open(chrome, url, { hasTouch: true });
	const session = await page.raw.context().newCDPSession(page.raw);
	const box = await page.canvas();
	const send = (type, ...points) => session.send('Input.dispatchTouchEvent', { type,
		touchPoints: points.map(([x, y], id) => ({ x: box.x + x, y: box.y + y, id })) });
	const whole = await page.view();

	await send('touchStart', [400, 100], [500, 100]);
	await send('touchMove', [350, 100], [550, 100]);
	await send('touchMove', [300, 100], [600, 100]);
	await send('touchEnd');
	const near = await page.view();

	assert.ok(near.per < whole.per / 2, 'two fingers zoom');
	await send('touchStart', [500, 100]);
	await send('touchMove', [450, 100]);
	await send('touchMove', [400, 100]);
	await send('touchEnd');
	const moved = await page.view();

	assert.ok(Math.abs(moved.from - near.from - 100 * near.per) < near.per * 3, 'one finger pans');
	await page.click('#story .cause .told');
	await page.idle();
	await page.keyboard.press('Escape');
	const alone = await page.alone(20);

	await page.raw.touchscreen.tap(box.x + alone.x, box.y + alone.y);
	await page.selects(alone.id);
	await page.close();
}

async function themes(chrome, url) {
	const page = await open(chrome, url, { colorScheme: 'dark' });
	const theme = () => page.raw.evaluate(() => document.documentElement.dataset.theme);
	const light = (css) => css.match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0) > 382;
	const ground = () => page.raw.evaluate(() => getComputedStyle(document.getElementById('diagram')).backgroundColor);

	assert.equal(await theme(), 'dark');
	assert.ok(!light(await ground()));
	await page.shot('story-dark');
	await page.keyboard.press('d');
	assert.equal(await theme(), 'light');
	assert.ok(light(await ground()));
	await page.raw.reload();
	await page.drawn();
	assert.equal(await theme(), 'light', 'what was chosen stays');
	await page.close();
}

async function smallScreen(chrome, url) {
	const page = await open(chrome, url, { viewport: { width: 420, height: 800 } });

	await page.idle();
	assert.ok(await page.raw.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out');
	assert.ok((await page.canvas()).width > 200);
	await page.click('#story .told >> nth=0');
	await page.raw.locator('#detail').waitFor();
	await page.shot('small');
	await page.close();
}

/* Names for those who do not see: every control has one. */
async function named(chrome, url) {
	const page = await open(chrome, url);

	await page.keyboard.press('1');
	await page.until(() => window.saker.app.diagram.selection);
	const nameless = await page.raw.evaluate(() => [...document.querySelectorAll('button, input, canvas:not([aria-hidden]), [role=tree]')]
		.filter((node) => !node.hidden && !(node.getAttribute('aria-label') || node.textContent.trim())).map((node) => node.outerHTML));

	assert.deepEqual(nameless, []);
	await page.close();
}

/* The server ends while the page is open: it says so, and what was there stays. */
async function serverEnds(chrome, rec) {
	const server = await serve([rec], '--listen', '127.0.0.1:0');
	const page = await open(chrome, server.url);

	await page.idle();
	server.stop();
	await page.click('#story .told >> nth=0');
	await page.raw.locator('#trouble').waitFor();
	assert.match(await page.text('#trouble'), /does not answer/);
	assert.ok((await page.rows()).length > 0);
	page.troubles.length = 0; /* that requests failed is what was wanted */
	await page.close();
}

export async function ways(chrome, url, rec) {
	await test('the keyboard alone is enough', () => keyboardOnly(chrome, url));
	await test('touch: pinch, pan, tap', () => touches(chrome, url));
	await test('dark and light: as the system has it, until one is chosen', () => themes(chrome, url));
	await test('a small screen', () => smallScreen(chrome, url));
	await test('every control has a name', () => named(chrome, url));
	await test('a server that ends is told', () => serverEnds(chrome, rec));
}
