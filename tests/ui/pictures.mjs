#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pictures.mjs RECORDING [SCENE [IMPORT]], pictures.mjs --shop SHOP: the pictures of docs/page.md, into SAKER_SHOTS. RECORDING: of the demo cluster with a
 * fault; SCENE: a large one with losses; IMPORT: of hosts whose clocks differ; SHOP: of
 * demo/shop.sh load with a fault. They are looked at before they are kept.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SHOTS, browser, open, serve } from './harness.mjs';

const SIZE = { width: 1280, height: 800 };
const SLOW_NS = Number(process.env.SLOW_MS || 40) * 1e6; /* requests of the shop that are chosen take so long or more */

async function withPage(chrome, recording, options, take) {
	const server = await serve([recording], '--listen', '127.0.0.1:0');
	const page = await open(chrome, server.url, { viewport: SIZE, ...options });

	await page.idle();
	await take(page);
	await page.close();
	server.stop();
}

/* The line of the story that names the cause, its past and future. */
async function cause(page) {
	await page.click('#story .cause .told');
	await page.until(() => window.saker.app.diagram.selection?.past);
	await page.keyboard.press('-');
	await page.keyboard.press('-');
	await page.raw.evaluate(() => document.activeElement.blur());
}

/* Close to the election of a leader, so that the lines of the nodes can be read. */
async function logs(page) {
	await page.raw.locator('#query').fill('type=log and text~"elected leader" and not text~"lost"');
	await page.keyboard.press('Enter');
	await page.raw.locator('#query').press('Enter');
	await page.raw.locator('#results button').first().click();
	await page.until(() => window.saker.app.diagram.selection?.past);
	await page.keyboard.press('z');
	for (let i = 0; i < 3; i++)
		await page.keyboard.press('Escape');
	await page.raw.locator('#query').fill('');
	await page.keyboard.press('Enter');
	await page.keyboard.press('Tab');
}

/* What was slow, and the slowest of these. */
async function requests(page) {
	await page.keyboard.press('r');
	await page.raw.locator('#requests-list button').first().waitFor();
	await page.click('#requests-sort [data-sort=slow]');
	await page.shot('page-requests');
	await page.raw.locator('#requests-list button').first().click();
	await page.raw.locator('.waterfall .span').first().waitFor();
	await page.click('#trace .goto');
	await page.until(() => window.saker.app.diagram.selection?.past);
	await page.shot('page-trace');
}

/* Those that were slow, beside all the rest. */
async function groups(page) {
	await page.keyboard.press('s');
	await page.raw.locator('#groups .sentence').waitFor();
	await page.idle();
	const [from, to] = await page.raw.evaluate((ns) => {
		const { heat } = window.saker.app.requests, box = heat.canvas.getBoundingClientRect();

		return [[0, Math.ceil(heat.data.octave * Math.log2(ns))], [heat.data.columns - 1, heat.high]].map((cell) => {
			const { x, y } = heat.middle(cell);

			return [box.left + x, box.top + y];
		});
	}, SLOW_NS);

	await page.raw.mouse.move(...from);
	await page.raw.mouse.down();
	await page.raw.mouse.move(...to, { steps: 4 });
	await page.raw.mouse.up();
	await page.until(() => document.querySelector('#groups .set.one b')?.textContent === 'chosen');
	await page.idle();
	const { x, y, width, height } = await page.raw.locator('#requests').boundingBox();

	await page.raw.screenshot({ path: join(SHOTS, 'page-groups.png'), clip: { x, y: y + 4, width, height: height - 5 } });
}

async function map(page) {
	await page.keyboard.press('m');
	await page.raw.locator('#map .node').first().waitFor();
	await page.shot('page-map');
}

const [recording, scene, imported] = process.argv.slice(2);
const chrome = await browser();

mkdirSync(SHOTS, { recursive: true });
if (recording === '--shop') {
	await withPage(chrome, scene, {}, requests);
	await withPage(chrome, scene, { viewport: { width: 1280, height: 1960 } }, groups);
	await withPage(chrome, scene, { viewport: { width: 2180, height: 900 } }, map);
	process.exit();
}
for (const colorScheme of ['light', 'dark']) {
	await withPage(chrome, recording, { colorScheme }, async (page) => {
		await page.shot(`page-story-${colorScheme}`);
		await cause(page);
		await page.shot(`page-event-${colorScheme}`);
	});
}
await withPage(chrome, recording, {}, async (page) => {
	await logs(page);
	await page.shot('page-logs');
});
if (scene)
	await withPage(chrome, scene, {}, (page) => page.shot('page-million'));
if (imported)
	await withPage(chrome, imported, { viewport: { width: 1280, height: 560 } }, async (page) => {
		await page.keyboard.press('1');
		await page.until(() => window.saker.app.diagram.selection?.past);
		await page.shot('page-clocks');
	});
await chrome.close();
process.exit();
