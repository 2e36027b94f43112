/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading - a recording of the demo cluster: the story, the diagram, an event and its causes, search. What must be seen is
 * taken from `saker story`, `saker show` and from what demo/etcd.sh did.
 */
import assert from 'node:assert/strict';
import { lines, open, refusal, saker, test } from './harness.mjs';

const STEPS = 12;

/* "0:42" of an edge's end or an event of `saker show --json` */
const ref = ({ id }) => `0:${id}`;

function show(rec, ...args) {
	return lines(saker('show', rec, '--json', ...args));
}

/* The edges into or out of an event, as `saker show` tells them. */
function edges(rec, id, dir) {
	const found = show(rec, `--${dir}`, id.split(':')[1], '--depth', '1', '--limit', '1000');

	return found.map((e) => `${e.kind} ${ref(dir === 'causes' ? e.from : e.to)}`).sort();
}

/* The same as the page lists them, its words for the kinds turned back. */
const KINDS = { 'same thread': 'program', fork: 'create', 'exit → join': 'join', connection: 'connect', 'wake-up': 'wake',
	'lock handed on': 'lock' };

async function linked(page, title) {
	const links = page.raw.locator('#detail section').filter({ has: page.raw.locator('h4', { hasText: title }) }).locator('.links button');
	const found = await links.evaluateAll((buttons) => buttons.map((b) => [b.querySelector('.kind').textContent.split(',')[0],
		b.dataset.event]));

	return found.map(([kind, id]) => `${KINDS[kind] ?? kind} ${id}`).sort();
}

async function readsStory(page, story) {
	const told = await page.raw.locator('#story .told').allInnerTexts();
	const evidence = await page.raw.locator('#story .evidence').allInnerTexts();

	assert.deepEqual(told.map((t) => t.replace(/^◆ /, '')), story.lines.map((l) => l.text));
	assert.deepEqual(told.map((t) => t.startsWith('◆ ')), story.lines.map((l) => l.cause));
	story.lines.forEach((line, i) => {
		assert.ok(evidence[i].startsWith(line.inferred ? 'inferred' : 'observed'), evidence[i]);
		assert.deepEqual(evidence[i].match(/\d+/g).map(Number), line.events.map((e) => e.id));
	});
}

async function followsStory(page, story) {
	const i = story.lines.findIndex((line) => line.cause);
	const wanted = story.lines[i].events.map(ref);

	await page.raw.locator('#story .told').nth(i).click();
	await page.selects(wanted[0]);
	const marks = await page.marks();

	for (const id of wanted)
		assert.ok(marks.some((m) => m.id === id), `event ${id} is not in view`);
	await page.raw.locator('#story .ref').last().click();
	await page.selects(story.lines[story.lines.length - 1].events.map(ref).pop());
}

async function foldsLanes(page, rec, prefix) {
	await page.keyboard.press('U');
	const hosts = await page.rows();
	const node = `${prefix}node1`;
	const processes = new Set(show(rec, `host=${node}`).map((e) => e.tgid).filter(Boolean));

	for (const name of ['node1', 'node2', 'node3', 'client'])
		assert.ok(hosts.includes(prefix + name), `${prefix + name} in ${hosts}`);
	await page.lane(node).click();
	assert.equal((await page.rows()).length, hosts.length + processes.size);
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('ArrowRight');
	assert.ok((await page.rows()).length > hosts.length + processes.size, 'threads are shown');
	await page.keyboard.press('ArrowLeft');
	await page.keyboard.press('ArrowLeft');
	await page.keyboard.press('ArrowLeft');
	assert.deepEqual(await page.rows(), hosts);
}

async function zooms(page) {
	const box = await page.canvas(), x = 300;

	await page.keyboard.press('0');
	await page.idle();
	const whole = await page.view();

	await page.raw.mouse.move(box.x + x, box.y + 60);
	await page.raw.mouse.wheel(0, -600);
	await page.until((per) => window.saker.app.diagram.scale.per < per / 1.5, whole.per);
	const near = await page.view();

	assert.ok(Math.abs(near.from + x * near.per - (whole.from + x * whole.per)) < near.per * 2, 'it zooms at the pointer');
	await page.raw.mouse.down();
	await page.raw.mouse.move(box.x + x - 120, box.y + 60, { steps: 4 });
	await page.raw.mouse.up();
	const moved = await page.view();

	assert.ok(Math.abs(moved.from - near.from - 120 * near.per) < near.per * 2, 'a drag pans by as much');
	assert.equal(moved.per, near.per);
	await page.raw.mouse.wheel(80, 0);
	await page.until((from) => window.saker.app.diagram.scale.from > from, moved.from);
	await page.click('#zoom-all');
	assert.ok(Math.abs((await page.view()).per - whole.per) < whole.per * 1e-6);
}

async function steps(page, rec, story) {
	const line = story.lines.find((l) => l.cause);
	const start = ref(line.events[0]);
	const path = [start];
	const clock = () => page.raw.evaluate(() => window.saker.app.diagram.selection.event.clock);

	await page.click('#story .cause .ref >> nth=0');
	await page.selects(start);
	const { clock: first } = await page.raw.evaluate(() => window.saker.app.diagram.selection.event);
	let last = first;

	for (let i = 0; i < STEPS; i++) {
		await page.keyboard.press('n');
		await page.until((id) => window.saker.app.diagram.selection.event.id !== id, path[path.length - 1]);
		assert.ok(await clock() >= last, 'causes come before effects');
		last = await clock();
		path.push(await page.selected());
	}
	for (let i = STEPS - 1; i >= 0; i--) {
		await page.keyboard.press('p');
		await page.selects(path[i]);
	}
	const [one] = show(rec, `id=${line.events[0].id}`);
	const thread = show(rec, `tid=${one.tid} and start_ns=${one.start_ns}`).map(ref);

	await page.keyboard.press('N');
	await page.selects(thread[thread.indexOf(start) + 1]);
	await page.keyboard.press('P');
	await page.selects(start);
}

async function readsEvent(page, rec, story) {
	const id = ref(story.lines.find((l) => l.cause).events[0]);
	const [truth] = show(rec, `id=${id.split(':')[1]}`);
	const told = await page.text('#detail');

	await page.selects(id);
	assert.deepEqual(await linked(page, 'Caused by'), edges(rec, id, 'causes'));
	assert.deepEqual(await linked(page, 'Led to'), edges(rec, id, 'effects'));
	for (const [name, value] of Object.entries(truth))
		if (!['id', 'type'].includes(name) && value !== '')
			assert.ok(told.includes(name) && told.includes(String(value)), `${name} ${value} in the table`);
	assert.ok(await page.raw.locator('#detail table th[scope=row]').count() > 5);
}

/* What lies behind an event in a tree of edges; ambiguous ones lead nowhere. */
function behind(tree, id) {
	const reached = new Set([id]);
	let size = 0;

	while (size !== reached.size) {
		size = reached.size;
		for (const edge of tree)
			if (!edge.ambiguous && reached.has(ref(edge.to)))
				reached.add(ref(edge.from));
	}
	reached.delete(id);
	return reached;
}

async function reaches(page, rec, story) {
	const id = ref(story.lines.find((l) => l.cause).events[0]);
	const tree = show(rec, '--causes', id.split(':')[1], '--depth', '200', '--limit', '100000');

	await page.until(() => window.saker.app.diagram.selection.past);
	const past = new Set(await page.raw.evaluate(() => window.saker.app.diagram.selection.past.map((e) => e.id)));

	const wanted = behind(tree, id);

	assert.ok(wanted.size > 3);
	for (const cause of wanted)
		assert.ok(past.has(cause), `${cause} is in the past`);
	assert.match(await page.text('#reach'), /past: [\d,]+ events on \d hosts?\s+● future/);
}

async function followsEdge(page) {
	const [from, to] = await page.raw.evaluate(() => {
		const { answer } = window.saker.app.detail;

		return [answer.id, answer.effects.find((e) => e.kind === 'signal').id];
	});

	await page.click(`#detail .links button[data-event="${to}"]`);
	await page.selects(to);
	await page.keyboard.press('c');
	await page.selects(from);
	await page.keyboard.press('Backspace');
	await page.selects(to);
	await page.keyboard.press('Escape');
	assert.equal(await page.selected(), null);
	assert.ok(await page.raw.locator('#detail').isHidden());
}

async function clicksEvent(page) {
	const box = await page.canvas();

	await page.click('#story .cause .told');
	await page.idle();
	await page.keyboard.press('Escape');
	const alone = await page.alone(9);

	await page.raw.mouse.click(box.x + alone.x, box.y + alone.y);
	await page.selects(alone.id);
	await page.keyboard.press('Escape');
}

async function searches(page, rec) {
	const query = 'type=signal and sig=STOP|CONT';
	const found = show(rec, query);

	await page.keyboard.press('/');
	await page.keyboard.type(query);
	await page.keyboard.press('Enter');
	await page.until(() => !document.getElementById('results').hidden);
	assert.equal(await page.raw.locator('#results button').count(), found.length);
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('Enter');
	await page.selects(ref(found[0]));
	await page.keyboard.press('Escape');
	await page.keyboard.press('Escape');
	const marked = await page.until(() => window.saker.idle() && window.saker.app.diagram.query.text);

	assert.equal(marked, query);
}

async function filters(page, rec) {
	const query = 'type=recv and bytes>100';
	const events = show(rec, query).length;

	await page.keyboard.press('U');
	await page.keyboard.press('0');
	await page.raw.locator('#query').fill(query);
	await page.click('[data-mode=filter]');
	await page.until(() => window.saker.idle() && window.saker.app.diagram.query.mode === 'filter');
	const drawn = await page.raw.evaluate(() => window.saker.app.diagram.scene.hits.flat()
		.reduce((sum, hit) => sum + (hit.bin ? hit.bin.n : 1), 0));

	assert.equal(drawn, events);
	await page.click('[data-mode=highlight]');
	await page.until(() => window.saker.idle() && window.saker.app.diagram.query.mode === 'highlight');
}

/* What is wrong stands at its place, as `saker show` marks it. */
async function refusesQuery(page, rec) {
	const query = 'type=send and byts>1000';
	const said = refusal('show', rec, query);

	await page.raw.locator('#query').fill(query);
	await page.raw.locator('#query-error pre').waitFor();
	const words = await page.text('#query-error p');

	assert.ok(said.includes(words), `${said} says ${words}`);
	assert.equal(await page.raw.evaluate(() => document.querySelector('#query-error mark').previousSibling.textContent), 'type=send and ');
	assert.equal(await page.raw.locator('#query').getAttribute('aria-invalid'), 'true');
	await page.raw.locator('#query').fill('');
	await page.raw.locator('#query-error').waitFor({ state: 'hidden' });
	await page.raw.locator('#query').blur();
}

/* In logical time no arrow goes back. */
async function turnsAxis(page) {
	await page.click('[data-axis=logical]');
	await page.idle();
	const back = await page.raw.evaluate(() => window.saker.app.diagram.scene.arrows.filter((a) => a.x1 <= a.x0).length);
	const all = await page.raw.evaluate(() => window.saker.app.diagram.scene.arrows.length);

	assert.ok(all > 10, `${all} arrows`);
	assert.equal(back, 0);
	assert.match(await page.text('#span'), /logical time/);
	await page.keyboard.press('t');
	assert.equal((await page.view()).axis, 'wall');
}

/* The stretch in which the leader was stopped is shaded on its lane. */
async function shadesStop(page, rec) {
	const [stop] = show(rec, 'type=stop and sig=STOP');
	const line = await page.raw.locator('#story .cause .told').first();

	await line.click();
	await page.idle();
	await page.keyboard.press('Escape');
	/* what it had covered is the diagram's again, which is drawn anew in its new size */
	await page.until(() => {
		const { scale, scroller } = window.saker.app.diagram;

		return scale.width === scroller.clientWidth - document.getElementById('gutter').offsetWidth && window.saker.idle();
	});
	const at = await page.raw.evaluate((id) => {
		const { scene, rows, scale, scroller, value } = window.saker.app.diagram;
		const i = scene.hits.findIndex((hits) => hits.some((hit) => hit.event?.id === id));
		const hit = scene.hits[i].find((h) => h.event?.id === id);

		return { x: scale.x(hit.event.t), y: rows.top(i) + rows.size - 4 - scroller.scrollTop };
	}, ref(stop));
	const [before, within] = [await page.pixels(at.x - 12, at.y, 1, 1), await page.pixels(at.x + 120, at.y, 1, 1)];

	assert.notDeepEqual(before, within);
}

async function linksDeep(page, chrome, story) {
	await page.click('#story .cause .ref >> nth=0');
	await page.selects(ref(story.lines.find((l) => l.cause).events[0]));
	await page.idle();
	const url = page.raw.url();
	const [view, rows] = [await page.view(), await page.rows()];
	const other = await open(chrome, url);

	await other.selects(await page.selected());
	await other.idle();
	const same = await other.view();

	assert.deepEqual(await other.rows(), rows);
	assert.ok(Math.abs(same.from - view.from) < view.per && Math.abs(same.per / view.per - 1) < 0.001);
	await other.close();
}

export async function reading(chrome, url, rec, prefix) {
	const story = JSON.parse(saker('story', '--json', rec));

	// that of slow requests stands with the requests, which the page derives when they are looked at
	story.lines = story.lines.filter((line) => !/^the slowest \d+ % of /.test(line.text));
	const page = await open(chrome, url);

	await test('the story is what saker story tells, with its evidence', () => readsStory(page, story));
	await page.shot('story-light');
	await test('a line of the story leads to its events', () => followsStory(page, story));
	await test('lanes unfold and fold, by click and by keys', () => foldsLanes(page, rec, prefix));
	await test('wheel, drag and buttons move the view', () => zooms(page));
	await test('steps follow the causal order, and the thread', () => steps(page, rec, story));
	await test('the event: its fields, causes and effects are those of saker show', () => readsEvent(page, rec, story));
	await test('its causal past is marked', () => reaches(page, rec, story));
	await page.click('#story .cause .told');
	await page.until(() => window.saker.app.diagram.selection.past);
	await page.shot('event-light');
	await page.click('#theme');
	await page.shot('event-dark');
	await page.click('#theme');
	await test('edges are followed there and back', () => followsEdge(page));
	await test('a click on a mark selects the event', () => clicksEvent(page));
	await test('a search lists what saker show finds', () => searches(page, rec));
	await test('a filter leaves exactly its events', () => filters(page, rec));
	await test('a wrong query is marked at its place', () => refusesQuery(page, rec));
	await test('in logical time no arrow goes back', () => turnsAxis(page));
	await test('a stopped stretch is shaded', () => shadesStop(page, rec));
	await test('an address leads to the same view', () => linksDeep(page, chrome, story));
	await test('nothing was thrown, no policy broken', () => page.close());
}
