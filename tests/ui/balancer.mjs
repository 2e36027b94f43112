#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer.mjs WORK VIP: the browser tests of the view of a balancer, in the namespace where it runs (tests/e2e/page_lb.sh). What the page shows is
 * compared with what `saker lb` prints. TAP.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdirSync } from 'node:fs';
import { SHOTS, browser, open, plan, saker, serve, test } from './harness.mjs';

const [, vip] = process.argv.slice(2);

mkdirSync(SHOTS, { recursive: true });
const chrome = await browser();
const server = await serve([], '--balancer', '--listen', '127.0.0.1:0', '--token', 'token-of-this-test');

const number = (text) => Number(text.replaceAll(',', ''));

/* VIPs as the reader sees them: { vip: words }. */
function rows(page) {
	return page.raw.locator('.vips > li').evaluateAll((all) => Object.fromEntries(all.map((li) =>
		[li.querySelector('.vip').dataset.vip, li.querySelector('.vip').innerText])));
}

await test('who serves the page has given up root', async () => {
	const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');

	assert.notEqual(status.match(/^Uid:\s+(\d+)\s+(\d+)/m)[2], '0');
	assert.match(status, /^CapEff:\s+0+$/m);
});

await test('VIPs with their mode, flags and backends', async () => {
	const page = await open(chrome, server.url);

	await page.raw.locator('.vip').first().waitFor();
	const seen = await rows(page), { wish } = JSON.parse(saker('lb', 'show', '--json'));

	assert.deepEqual(Object.keys(seen), wish.interfaces.eth0.vips.map((v) => v.vip));
	assert.match(seen[vip], /ipip/);
	assert.match(seen[vip], /◇ 1 draining/);
	assert.match(seen['10.99.0.2:443/tcp'], /no-source-port/);
	assert.match(seen['10.99.0.2:443/tcp'], /▼ 1 down/);
	assert.match(await page.text('#lb-head'), /eth0 .*native XDP/);
	await page.close();
});

await test('rates, and backends with their counters', async () => {
	const page = await open(chrome, server.url);

	await page.click(`[data-vip="${vip}"]`);
	await page.until((name) => /[1-9].* packets\/s/.test(document.querySelector(`[data-vip="${name}"] .rate`)?.innerText), vip);
	await page.until(() => document.querySelectorAll('.backends tr[data-backend]').length === 3);
	const before = JSON.parse(saker('lb', 'stats', '--json'));
	const shown = await page.until((least) => {
		const all = [...document.querySelectorAll('#lb-reasons tr')].map((tr) => [tr.dataset.reason, tr.querySelector('.number').innerText]);
		const n = Object.fromEntries(all).LB_HASH;

		return n && Number(n.replaceAll(',', '')) >= least ? n : null;
	}, before.reasons.find((r) => r.reason === 'LB_HASH').packets);
	const after = JSON.parse(saker('lb', 'stats', '--json'));

	assert.ok(number(shown) <= after.reasons.find((r) => r.reason === 'LB_HASH').packets);
	const words = await page.raw.locator('.backends tr[data-backend]').allInnerTexts();

	assert.match(words[0], /web1 10\.90\.11\.2/);
	assert.match(words[2], /◇ draining/);
	await page.until(() => [...document.querySelectorAll('.backends td.packets')].filter((td) => Number.parseFloat(td.innerText) > 0).length === 2);
	await page.shot('balancer-light');
	await page.close();
});

await test('the address leads to the same backends, dark and narrow', async () => {
	const page = await open(chrome, `${server.url}#view=balancer&vip=${encodeURIComponent(vip)}`, { colorScheme: 'dark', viewport: { width: 420, height: 800 } });

	await page.until(() => document.querySelectorAll('.backends tr[data-backend]').length === 3);
	assert.ok(await page.raw.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
	await page.shot('balancer-narrow-dark');
	await page.close();
});

await test('the keyboard alone: filter, unfold, only troubled', async () => {
	const page = await open(chrome, server.url);

	await page.raw.locator('.vip').first().waitFor();
	await page.raw.locator('#lb-filter').focus();
	await page.keyboard.type('0.2:443');
	await page.until(() => document.querySelectorAll('.vip').length === 1);
	await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await page.until(() => document.querySelector('#lb-troubled').getAttribute('aria-pressed') === 'true');
	await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await page.until(() => document.querySelectorAll('.backends tr[data-backend]').length === 1);
	assert.equal(await page.raw.evaluate(() => document.activeElement.dataset.vip), '10.99.0.2:443/tcp');
	await page.close();
});

await test('without the token nothing is told; nothing can be changed', async () => {
	const base = new URL(server.url);
	const ask = (path, options) => fetch(new URL(path, base), options);

	assert.equal((await ask('/api/balancer')).status, 401);
	assert.equal((await ask('/api/balancer?token=token-of-this-test')).status, 200);
	assert.equal((await ask('/api/balancer?token=token-of-this-test', { method: 'POST' })).status, 405);
	assert.equal((await ask('/api/balancer?token=token-of-this-test&on=none')).status, 404);
	assert.equal((await ask('/api/story?token=token-of-this-test')).status, 404);
});

server.stop();
await chrome.close();
plan();
process.exit();
