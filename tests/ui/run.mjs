#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.mjs WORK PREFIX: the browser tests, over the recordings in WORK that tests/e2e/page.sh makes; that of the demo is waited for. TAP.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asking } from './asking.mjs';
import { SHOTS, appears, browser, plan, serve } from './harness.mjs';
import { growing, others } from './others.mjs';
import { reading } from './reading.mjs';
import { ways } from './ways.mjs';

const [work, prefix] = process.argv.slice(2);
const at = (name) => join(work, name);

mkdirSync(SHOTS, { recursive: true });
const chrome = await browser();
const grows = growing(chrome, at('live'));

await asking(chrome, at('requests'), at('slow'), at('scene'));
await others(chrome, { loss: at('loss'), hostile: at('hostile'), scene: at('scene'), large: at('large'),
	clocks: existsSync(at('clocks')) ? at('clocks') : null },
{ name: '<img src=x onerror=owned()>', events: Number(readFileSync(at('large.count'), 'utf8')) });
await appears(at('demo.made'));
const demo = await serve([at('demo')], '--listen', '127.0.0.1:0');

await reading(chrome, demo.url, at('demo'), prefix);
await ways(chrome, demo.url, at('demo'));
demo.stop();
await grows;
await chrome.close();
plan();
process.exit();
