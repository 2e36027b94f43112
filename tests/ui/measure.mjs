#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.mjs URL: how fast the page is, as JSON: { first_ms: from navigation to the first picture of the diagram, frame_ms,
 * late_ms: median and 95th percentile of the time between frames while the mouse drags the diagram, draw_ms: the median of
 * what drawing took }. Frames are counted by requestAnimationFrame, at three depths of zoom.
 */
import { browser, open } from './harness.mjs';

const DEPTHS = 3, ZOOMS = 4; /* times that + is pressed between them */
const MOVES = 90, STEP = 8;

async function drag(page) {
	const box = await page.canvas(), y = box.y + 40;
	let x = box.x + box.width - 60;

	await page.raw.mouse.move(x, y);
	await page.raw.mouse.down();
	await page.raw.evaluate(() => {
		window.times = [];
		window.saker.frames.length = 0;
		window.counting = true;
		requestAnimationFrame(function count(now) {
			window.times.push(now);
			if (window.counting)
				requestAnimationFrame(count);
		});
	});
	for (let i = 0; i < MOVES; i++) {
		x -= STEP;
		await page.raw.mouse.move(x, y);
	}
	await page.raw.mouse.up();
	return page.raw.evaluate(() => {
		window.counting = false;
		return { times: window.times.slice(1).map((t, i) => t - window.times[i]), draws: window.saker.frames.map((f) => f.ms) };
	});
}

const quantile = (values, q) => values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
const chrome = await browser();
const page = await open(chrome, process.argv[2]);
const first = await page.raw.evaluate(() => performance.getEntriesByName('saker:first-picture')[0].startTime);
const times = [], draws = [];

for (let depth = 0; depth < DEPTHS; depth++) {
	await page.idle();
	const got = await drag(page);

	times.push(...got.times);
	draws.push(...got.draws);
	for (let i = 0; i < ZOOMS; i++)
		await page.keyboard.press('+');
}
console.log(JSON.stringify({ first_ms: first, frame_ms: quantile(times, 0.5), late_ms: quantile(times, 0.95),
	draw_ms: quantile(draws, 0.5) }));
await page.close();
await chrome.close();
process.exit();
