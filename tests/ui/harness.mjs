/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness - what the browser tests share: cases as TAP, `saker serve` as a child, Chromium, and a Page with the words in
 * which the tests speak of the page. A page that throws, opens a dialog or breaks its content policy fails the case.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SAKER = process.env.SAKER;
const BUILD = process.env.SAKER_BUILD;
export const SHOTS = process.env.SAKER_SHOTS || join(BUILD, 'ui', 'shots');
const WAIT_MS = 90000;
const REFUSED = /Failed to load resource.*400/; /* so Chromium tells of a query that is wrong */

process.setMaxListeners(0);

/* --- TAP --- */

let count = 0, failed = 0;

/* Cases may run beside one another: each is counted when it ends. */
export async function test(what, body) {
	try {
		await body();
		console.log(`ok ${++count} - ${what}`);
	} catch (e) {
		failed++;
		console.log(`not ok ${++count} - ${what}`);
		console.log(String(e.stack || e).replace(/^/gm, '# '));
	}
}

export function skip(what, why) {
	count++;
	console.log(`ok ${count} - ${what} # SKIP ${why}`);
}

export function plan() {
	console.log(`1..${count}`);
	process.exitCode = failed ? 1 : 0;
}

/* Until a file is there. */
export async function appears(file) {
	for (const end = Date.now() + 3 * WAIT_MS; !existsSync(file);) {
		if (Date.now() > end)
			throw new Error(`there is no ${file}`);
		await new Promise((done) => setTimeout(done, 50));
	}
}

/* --- saker --- */

/* What a subcommand prints as JSON: a value, or one for each line. */
export function saker(...args) {
	return execFileSync(SAKER, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
}

/* What it says when it refuses. */
export function refusal(...args) {
	const { status, stderr } = spawnSync(SAKER, args, { encoding: 'utf8' });

	assert.notEqual(status, 0);
	return stderr;
}

export function lines(text) {
	return text.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

/* The address of a page, from what a program prints. */
export async function address(stream) {
	for await (const line of createInterface({ input: stream }))
		if (line.includes('token='))
			return line.match(/http:\S+/)[0];
	throw new Error('it printed no address');
}

/* { url, stop } of a server on a free port. */
export async function serve(recordings, ...options) {
	const child = spawn(SAKER, ['serve', ...options, ...recordings], { stdio: ['ignore', 'pipe', 'inherit'] });

	process.on('exit', () => child.kill());
	return { url: await address(child.stdout), pid: child.pid, stop: () => child.kill() };
}

/* --- the browser --- */

const { chromium } = createRequire(join(BUILD, 'ui', 'x.js'))('playwright-core');

export async function browser() {
	return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
}

/* Opens the page and waits for its first picture.  before(page): what must be there before it is asked for. */
export async function open(chrome, url, options = {}, before = () => {}) {
	const context = await chrome.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light', ...options });
	const page = new Page(await context.newPage());

	await page.watch();
	await before(page);
	await page.raw.goto(url);
	await page.drawn();
	return page;
}

export class Page {
	troubles = [];

	constructor(raw) {
		this.raw = raw;
		this.keyboard = raw.keyboard;
		raw.setDefaultTimeout(WAIT_MS);
	}

	/* What must never happen. */
	async watch() {
		this.raw.on('pageerror', (e) => this.troubles.push(`it threw ${e.stack}`));
		this.raw.on('console', (m) => m.type() === 'error' && !REFUSED.test(m.text()) && this.troubles.push(`it complained: ${m.text()}`));
		this.raw.on('dialog', (dialog) => {
			this.troubles.push(`it opened a dialog: ${dialog.message()}`);
			dialog.dismiss();
		});
		await this.raw.exposeFunction('violated', (what) => this.troubles.push(`it broke its policy: ${what}`));
		await this.raw.addInitScript(() => document.addEventListener('securitypolicyviolation',
			(e) => window.violated(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`)));
	}

	async close() {
		await this.raw.context().close();
		assert.deepEqual(this.troubles, []);
	}

	/* idle: of what does not grow */
	async shot(name, idle = true) {
		if (idle)
			await this.idle();
		await this.raw.screenshot({ path: join(SHOTS, `${name}.png`) });
	}

	text(selector) {
		return this.raw.locator(selector).innerText();
	}

	click(selector) {
		return this.raw.locator(selector).click();
	}

	/* Until f, which runs in the page, gives something true. */
	until(f, arg) {
		return this.raw.waitForFunction(f, arg, { timeout: WAIT_MS }).then((handle) => handle.jsonValue());
	}

	drawn() {
		return this.until(() => performance.getEntriesByName('saker:first-picture').length > 0);
	}

	/* Until the page has all data that its view asks for, and drew it. */
	idle() {
		return this.until(() => window.saker.idle());
	}

	selected() {
		return this.raw.evaluate(() => window.saker.app.diagram.selection?.event.id ?? null);
	}

	async selects(id) {
		await this.until((wanted) => window.saker.app.diagram.selection?.event.id === wanted, id);
		assert.ok(await this.raw.locator('#detail').isVisible());
	}

	view() {
		return this.raw.evaluate(() => {
			const { from, to, per, width } = window.saker.app.diagram.scale;

			return { from, to, per, width, axis: window.saker.app.diagram.axis };
		});
	}

	/* The names of the visible lanes, as the reader sees them. */
	rows() {
		return this.raw.locator('#gutter [role=treeitem] bdi').allInnerTexts();
	}

	lane(name) {
		return this.raw.locator('#gutter [role=treeitem]').filter({ has: this.raw.locator('bdi', { hasText: name }) }).first();
	}

	/* Events that are drawn one by one within the view: [{ id, type, x, y }], in pixels of the canvas. */
	async marks() {
		await this.idle();
		return this.raw.evaluate(() => {
			const { scene, rows, scale, scroller, height } = window.saker.app.diagram;

			return scene.hits.flatMap((hits, i) => hits.filter((hit) => hit.event).map((hit) => ({ id: hit.event.id,
				type: hit.event.type, x: scale.x(window.saker.app.diagram.value(hit.event)),
				y: rows.middle(i) - scroller.scrollTop }))).filter((m) => m.x > 0 && m.x < scale.width && m.y > 0 && m.y < height);
		});
	}

	/* One of these that has no other within so many pixels on its lane; it is gone closer to until there is one. */
	async alone(gap) {
		for (let zooms = 0; zooms < 16; zooms++) {
			const marks = await this.marks(), { width, height } = await this.canvas();
			const found = marks.find((m) => m.x > 40 && m.x < width - 40 && m.y < height - 20 &&
				marks.every((o) => o === m || o.y !== m.y || Math.abs(o.x - m.x) > gap));

			if (found)
				return found;
			await this.keyboard.press('+');
		}
		throw new Error('no event stands by itself');
	}

	async canvas() {
		return this.raw.locator('#canvas').boundingBox();
	}

	/* Colours of the canvas at a place, to see that something is drawn. */
	pixels(x, y, width, height) {
		return this.raw.evaluate(([left, top, w, h]) => {
			const { canvas, ratio } = window.saker.app.diagram;

			return [...canvas.getContext('2d').getImageData(left * ratio, top * ratio, w * ratio, h * ratio).data];
		}, [x, y, width, height]);
	}
}
