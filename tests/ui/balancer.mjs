#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer.mjs WORK VIP: the browser tests of the view of a balancer, in the namespace where it runs (tests/e2e/page_lb.sh). What the page shows is
 * compared with what `saker lb` prints. TAP.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SHOTS, browser, open, plan, saker, serve, test } from './harness.mjs';

const [work, vip] = process.argv.slice(2);

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
	await page.until(() => document.querySelectorAll('.backends tbody[data-backend]').length === 3);
	const before = JSON.parse(saker('lb', 'stats', '--json'));
	const shown = await page.until((least) => {
		const all = [...document.querySelectorAll('#lb-reasons tr')].map((tr) => [tr.dataset.reason, tr.querySelector('.number').innerText]);
		const n = Object.fromEntries(all).LB_HASH;

		return n && Number(n.replaceAll(',', '')) >= least ? n : null;
	}, before.reasons.find((r) => r.reason === 'LB_HASH').packets);
	const after = JSON.parse(saker('lb', 'stats', '--json'));

	assert.ok(number(shown) <= after.reasons.find((r) => r.reason === 'LB_HASH').packets);
	const words = await page.raw.locator('.backends tbody[data-backend]').allInnerTexts();

	assert.match(words[0], /web1 10\.90\.11\.2/);
	assert.match(words[2], /◇ draining/);
	await page.until(() => [...document.querySelectorAll('.backends td.packets')].filter((td) => Number.parseFloat(td.innerText) > 0).length === 2);
	await page.shot('balancer-light');
	await page.close();
});

/* What they are compared with: what the command line says of the same, before and after. */
await test('checks of each backend; how full tables are, and will be', async () => {
	const page = await open(chrome, server.url), cell = (backend) => page.text(`.backends tbody[data-backend="${backend}"] .check`);
	const checked = () => JSON.parse(saker('lb', 'stats', '--json')).checks.vips.find((v) => v.vip === vip);
	const passed = (doc) => doc.backends.map((b) => b.counts.passed || 0);

	await page.click(`[data-vip="${vip}"]`);
	await page.until(() => [...document.querySelectorAll('.backends td.check')].filter((td) => /^✓ [\d.]+ (µs|ms|s), \d+ s ago$/.test(td.innerText)).length === 3);
	assert.match(await page.raw.locator('.backends .notes').first().innerText(), /^Checked by tcp each 400 ms: of \d+ checks that passed half took at most [\d.]+ (µs|ms|s), 99 of 100 [\d.]+ (µs|ms|s)\.$/);
	assert.deepEqual(checked().backends.map((b) => b.last), ['passed', 'passed', 'passed']);
	/* it goes on: the page's answer has what the file has */
	const before = passed(checked()), { vips: told, tables } = await page.until((least) => {
		const { data } = window.saker.app.balancer, open = data.vips[0].open || [];

		return open.length === 3 && open.every((b, i) => b.check.counts.passed > least[i]) ? data : null;
	}, before);
	const after = passed(checked());

	told[0].open.forEach((b, i) => assert.ok(b.check.counts.passed <= after[i]));
	assert.match(await cell('10.90.11.2'), /^✓/);
	const wanted = JSON.parse(saker('lb', 'stats', '--json')).tables;

	assert.deepEqual(tables.map((t) => [t.table, t.room]), wanted.map((t) => [t.table, t.room]));
	const words = await page.raw.locator('#lb-fills li').allInnerTexts();

	assert.equal(words.length, wanted.length);
	assert.match(words[0], /^connections of CPU \d+\s+\d+ of \d+(; full in about \d+ s at \d+ new a second; from then on the least recently used.* go|; none is new in the last second)/);
	assert.equal(words[0].match(/of (\d+)[:;]/)[1], String(wanted[0].room));
	await page.close();
});

await test('the address leads to the same backends, dark and narrow', async () => {
	const page = await open(chrome, `${server.url}#view=balancer&vip=${encodeURIComponent(vip)}`, { colorScheme: 'dark', viewport: { width: 420, height: 800 } });

	await page.until(() => document.querySelectorAll('.backends tbody[data-backend]').length === 3);
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
	await page.until(() => document.querySelectorAll('.backends tbody[data-backend]').length === 1);
	assert.equal(await page.raw.evaluate(() => document.activeElement.dataset.vip), '10.99.0.2:443/tcp');
	await page.close();
});

await test('why a packet goes where it goes, as the command line says it', async () => {
	const page = await open(chrome, server.url), packet = '10.90.1.2:1 > 10.99.0.1:80/tcp';

	await page.raw.locator('#lb-why').fill(packet);
	await page.keyboard.press('Enter');
	const words = await page.until(() => document.querySelector('#lb-because table')?.innerText), told = JSON.parse(saker('lb', 'why', packet, '--json'));

	assert.match(words, new RegExp(`because\\s.*${told.reason}\\)[^]*VIP ${told.vip}[^]*backend\\s+${told.backend}[^]*on the way\\s+a new connection`));
	await page.raw.locator('#lb-why').fill('nonsense');
	await page.keyboard.press('Enter');
	await page.until(() => document.querySelector('#lb-because .wrong'));
	await page.close();
});

/* What the agent may say of backends comes from other hosts: it is text and nothing else. */
const HOSTILE = '<img src=x onerror="window.owned=1">\u202e';
const EVENT = { host: '9f00000000000001', boot_ns: 1e9, seq: 12, cpu: 0 };

function told(answer) {
	const backend = answer.vips[0].open?.[0];

	Object.assign(answer, { agent_runs: true, agent: { pid: 1 }, actions_left_out: 3, actions: [1000002, 1000001].map((number) => ({ number, what: 'down', mode: number === 1000002 ? 'live' : 'shadow',
		running: number === 1000002, vip, backend: '10.90.11.2', state: 'down', sign: 'exit', share_before: 1000, share_after: 0, weight: 10, at_boot_ns: answer.boot_ms * 1e6 - 3e9,
		at_unix_ns: 1, expiry_boot_ns: 0, why: `${HOSTILE} was killed by SIGKILL`, event: EVENT, evidence: [EVENT], effect: number === 1000002 ? null : { verdict: 'shadow',
			why: HOSTILE, window_ns: 5e9, before: { packets: 100, others: 200, again: 0, resets: 5, failed: 0, check_ns: 0 }, after: { packets: 0, others: 300, again: 0, resets: 0,
				failed: 2, check_ns: 0 } } })) });
	answer.tables = [{ table: 'nat', cpu: null, entries: 9, room: 10, urgent: true, young_permille: 0, unused_s: 20, idle_s: 30, text: '9 of 10; full in about 12 s at 1 new a second; from then on the least recently used go' }];
	answer.vips[0].health = { mode: 'live', out: 66, eject_max: 80 };
	answer.vips[0].states = { down: 1, healthy: 2 };
	if (backend)
		Object.assign(backend, { check: { health: 'bad', last: 'refused', in_row: 3, checked_boot_ns: answer.boot_ms * 1e6 - 7e9, took_us: 0, late: 0, counts: { passed: 5, refused: 3, not_sent: 1 },
			text: `${HOSTILE}: refused` }, state: 'down', syns_again: 4, health: { share: 0, state: 'down', shadow: false, since_unix_ns: Date.now() * 1e6 - 5e9, why: HOSTILE, check: 'fails',
			check_in_row: 3, check_text: HOSTILE, again: 4, resets: 1, overflow: 0, failed: 3, silent: true, rtt_us: 0, load: 0 } });
	return answer;
}

/* A page whose answers of the balancer are changed on their way. */
function openChanged(options, change) {
	return open(chrome, server.url, options, (page) => page.raw.route('**/api/balancer*', async (route) => {
		try {
			const response = await route.fetch();

			await route.fulfill({ response, json: change(await response.json()) });
		} catch {
			await route.abort().catch(() => {}); /* the page is closed */
		}
	}));
}

await test('health and actions by sign and word; what others say is text', async () => {
	for (const [name, options] of [['wide-light', {}], ['narrow-dark', { colorScheme: 'dark', viewport: { width: 420, height: 1400 } }]]) {
		const page = await openChanged(options, told);

		await page.click(`[data-vip="${vip}"]`);
		await page.until(() => document.querySelector('.backends tbody[data-backend="10.90.11.2"] .state')?.innerText === '▼ down');
		const words = await page.text('.backends tbody[data-backend="10.90.11.2"]');

		assert.match(words, /0 of 10/);
		assert.match(words, /✕ refused, [78] s ago/);
		assert.match(await page.text('#lb-fills .urgent'), /⚠ nat\s+9 of 10; full in about 12 s/);
		assert.match(words, /<img src=x onerror="window.owned=1">\\u202e · for \d+ s · check tcp: <img .* \(3 in a row\) · 3 of 8 checks failed · 1 check not sent · 4 SYNs again · 1 reset · its host is not heard/);
		assert.match(await page.text(`[data-vip="${vip}"]`), /live, 66 % is out \(at most 80 %\)/);
		const live = await page.text('[data-action="1000002"]'), shadow = await page.text('[data-action="1000001"]');

		assert.match(live, /● live take out 10\.90\.11\.2 of 10\.99\.0\.1:80\/tcp: 100 % → 0 % of its weight 10/);
		assert.match(live, /ago · holds until something else is heard[^]*was killed by SIGKILL[^]*rests on event 12 of 9f00000000000001[^]*not measured yet/);
		assert.match(shadow, /◌ shadow would take out/);
		assert.match(shadow, /not done: shadow: <img[^]*5 s before[^]*packets to the others\s+200\s+300[^]*resets\s+5\s+0/);
		assert.match(await page.text('#lb-acted'), /3 earlier actions are not told/);
		assert.equal(await page.raw.evaluate(() => window.owned), undefined);
		assert.ok(await page.raw.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
		await page.shot(`balancer-actions-${name}`);
		await page.close();
	}
});

/* As many as there may be: 512 VIPs with 100 backends each, whose states change each second. */
await test('512 VIPs with 100 backends each stay usable', async () => {
	let round = 0;
	const page = await openChanged({}, (answer) => {
		round++;
		answer.vips = Array.from({ length: 512 }, (_, i) => ({ ...answer.vips[0], vip: `10.1.${i >> 8}.${i & 255}:80/tcp`, packets: round * 1000 * i, bytes: round * 1e6 * i, backends: 100,
			weight: 100, states: { ejected: (i + round) % 2, healthy: 100 - (i + round) % 2 },
			open: i < 3 ? Array.from({ length: 100 }, (__, k) => ({ backend: `10.2.${i}.${k}`, mode: 'ipip', weight: 1, state: 'healthy', packets: round * k, bytes: round * k, connections: k, health: null })) : undefined }));
		return answer;
	});

	await page.until(() => document.querySelectorAll('.vip').length === 100);
	assert.equal(await page.text('#lb-vips > .more'), '412 more VIPs of 512: show 100');
	for (let i = 0; i < 3; i++)
		await page.click(`[data-vip="10.1.0.${i}:80/tcp"]`);
	await page.until(() => document.querySelectorAll('.backends tbody[data-backend]').length === 300);
	await page.click('#lb-vips > .more');
	await page.until(() => document.querySelectorAll('.vip').length === 200);
	await page.raw.locator('#lb-filter').fill('10.1.1.255');
	await page.until(() => document.querySelectorAll('.vip').length === 1);
	await page.raw.locator('#lb-filter').fill('');
	await page.until(() => document.querySelectorAll('.vip').length === 200);
	await page.raw.locator('[data-vip="10.1.0.2:80/tcp"]').focus();
	const before = round;

	await page.until(() => document.activeElement.dataset.vip === '10.1.0.2:80/tcp');
	while (round < before + 2)
		await new Promise((done) => setTimeout(done, 50));
	assert.equal(await page.raw.evaluate(() => document.activeElement.dataset.vip), '10.1.0.2:80/tcp');
	await page.close();
});

/* Until an event of a recording is on the disk. */
async function stored(name, query) {
	for (const end = Date.now() + 120e3; !saker('show', join(work, name), query, '--json').trim();) {
		assert.ok(Date.now() < end, `${name} has no ${query}`);
		await new Promise((done) => setTimeout(done, 200));
	}
}

/* The recordings of both agents, and of packets, as they are then. */
async function serveAll() {
	await stored('rec', 'type=effect');
	await stored('b1rec', 'type=report and sign=exit');
	await stored('packets', 'type=verdict and backend=10.90.12.2');
	rmSync(join(work, 'load'), { force: true }); /* it has done its part */
	return serve(['rec', 'b1rec', 'packets'].map((name) => join(work, name)), '--balancer', '--listen', '127.0.0.1:0');
}

/* The server of a backend is killed, and the page tells it all. */
await test('a server is killed: its state, the action, what it rests on, what came of it', async () => {
	const live = await serve([join(work, 'rec')], '--balancer', '--live', '--listen', '127.0.0.1:0');
	let page = await open(chrome, live.url, { viewport: { width: 1280, height: 860 } });
	const state = (name) => page.until(([backend, wanted]) => document.querySelector(`.backends tbody[data-backend="${backend}"] .state`)?.innerText === wanted, ['10.90.11.2', name]);
	const now = (words) => page.raw.locator('#lb-now').filter({ hasText: words }).waitFor();

	await page.keyboard.press('b');
	await page.click(`[data-vip="${vip}"]`);
	await state('● healthy');
	process.kill(Number(readFileSync(join(work, 'b1.pid'), 'utf8')), 'SIGKILL');
	await state('▼ down');
	await now(/2 of 2 VIPs troubled: 10\.99\.0\.1:80\/tcp, 10\.99\.0\.2:443\/tcp[^]*take out 10\.90\.11\.2 of 10\.99\.0\.1:80\/tcp, because process \d+ \(nginx\) was killed by SIGKILL → /);
	let action = page.raw.locator('[data-action]').filter({ hasText: 'take out 10.90.11.2' }).first();

	await action.filter({ hasText: /✓ kept/ }).waitFor();
	await now(/→ ✓ kept/);
	assert.match(await action.innerText(), /● live take out 10\.90\.11\.2 of 10\.99\.0\.1:80\/tcp: 100 % → 0 % of its weight 10/);
	const told = JSON.parse(saker('lb', 'show', '--json')).health, said = told.vips[0].backends.find((b) => b.backend === '10.90.11.2');

	assert.match(await page.text('.backends tbody[data-backend="10.90.11.2"]'), /0 of 10/);
	assert.equal(said.state, 'down');
	assert.ok((await page.text('.backends tbody[data-backend="10.90.11.2"]')).includes(said.why));
	/* as saker itself tells it */
	const number = Number(await action.getAttribute('data-action')), own = told.actions.find((a) => a.number === number);

	assert.ok((await action.innerText()).includes(own.effect.why));
	if (own.effect.before.new || own.effect.after.new)
		assert.match(await action.innerText(), new RegExp(`new connections\\s+${own.effect.before.new}\\s+${own.effect.after.new}`));
	/* a link into the diagram, also while the recording grows */
	await action.getByRole('button', { name: 'in the diagram' }).waitFor({ timeout: 120e3 });
	await page.close();
	live.stop();
	const all = await serveAll();

	page = await open(chrome, all.url, { viewport: { width: 1280, height: 860 } });
	await page.keyboard.press('b');
	await page.click(`[data-vip="${vip}"]`);
	action = page.raw.locator('[data-action]').filter({ hasText: 'take out 10.90.11.2' }).first();
	const link = action.getByRole('button', { name: 'in the diagram' });

	await link.waitFor();
	await page.until(() => document.querySelector('[data-action] .evidence li')); /* what the host told */
	await page.shot('balancer-killed-light', false);
	await page.keyboard.press('d');
	await page.shot('balancer-killed-dark', false);
	await page.keyboard.press('d');
	await action.locator('.evidence li .ref').first().click();
	await page.until(() => window.saker.app.diagram.selection?.event.type === 'told');
	await link.click();
	await page.until(() => window.saker.app.diagram.selection?.event.type === 'action');
	assert.match(await page.text('#detail'), /live: down 10\.90\.11\.2 of 10\.99\.0\.1:80\/tcp, its share 100% -> 0%/);
	/* all that it rests on has a caption and a lane in view, over two hosts, in the order of causes */
	const chain = await page.until(() => {
		const { selection, rows, scale } = window.saker.app.diagram, named = selection?.named || [];

		return named.length > 1 && named.map((e) => [e.type, e.t, rows.indexOf(e.lane) >= 0 && scale.x(e.t) >= 0, Boolean(e.label)]);
	});
	const of = Object.fromEntries(chain.map(([type, ...rest]) => [type, rest])), order = ['signal', 'deliver', 'exit', 'report', 'told', 'action', 'effect'];

	assert.deepEqual(order.filter((type) => !of[type]?.[1] || !of[type][2]), [], JSON.stringify(chain));
	assert.deepEqual([...order].sort((a, b) => of[a][0] - of[b][0] || order.indexOf(a) - order.indexOf(b)), order);
	await page.shot('balancer-chain-light', false);
	await page.keyboard.press('w');
	await page.until(() => /10\.90\.11\.2 was taken out of VIP 10\.99\.0\.1:80\/tcp/.test(document.querySelector('#story-lines').innerText));
	await page.close();
	all.stop();
});

/* Each kind is found, has its mark, and says what it is in a sentence. */
await test('in the diagram: packets of the sample, reports, what was told, checks, actions, effects', async () => {
	const all = await serveAll(), page = await open(chrome, all.url, { colorScheme: 'dark', viewport: { width: 1280, height: 860 } });
	const packet = '10\\.90\\.1\\.2:\\d+ > 10\\.99\\.0\\.1:80/tcp to 10\\.90\\.1[12]\\.2: to the backend ';
	const kinds = { 'type=verdict and backend=10.90.12.2': [`send ${packet}.*\\((LB_TABLE|LB_HASH)\\), 1 of 5`], 'type=report and sign=exit': ['of 10\\.90\\.11\\.2:80/tcp to \\S+, exit: process \\d+ \\(nginx\\) was killed by SIGKILL'],
		'type=told and sign=exit': ['of 10\\.90\\.11\\.2:80/tcp from \\S+, exit: process \\d+ \\(nginx\\) was killed by SIGKILL'],
		'type=check and state=fails': ['of 10\\.90\\.11\\.2:80/tcp fails: connect: refused'], 'type=effect': ['kept, action \\d+ on 10\\.90\\.11\\.2 of 10\\.99\\.0\\.1:80/tcp: verified'] };

	for (const [query, [words]] of Object.entries(kinds)) {
		await page.raw.locator('#query').fill(query);
		await page.raw.locator('#query').press('Enter');
		await page.until((type) => document.querySelector('#results button')?.innerText.includes(type), query.match(/type=(\w+)/)[1]);
		await page.raw.locator('#results button').first().click();
		await page.until((type) => window.saker.app.diagram.selection?.event.type === type, query.match(/type=(\w+)/)[1]);
		assert.match(await page.text('#detail .label'), new RegExp(words), query);
		await page.shot(`balancer-${query.match(/type=(\w+)/)[1]}-dark`, false);
	}
	await page.close();
	all.stop();
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
