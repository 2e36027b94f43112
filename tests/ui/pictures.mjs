#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pictures.mjs RECORDING [SCENE [IMPORT]], pictures.mjs --shop SHOP: the pictures of docs/page.md, into SAKER_SHOTS. RECORDING: of the demo cluster with a
 * fault; SCENE: a large one with losses; IMPORT: of hosts whose clocks differ; SHOP: of
 * demo/shop.sh load with a fault. They are looked at before they are kept.
 */
import { mkdirSync } from 'node:fs';
import { SHOTS, browser, open, serve } from './harness.mjs';

const SIZE = { width: 1280, height: 800 };

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
