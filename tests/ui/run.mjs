#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/* run.mjs WORK PREFIX: the browser tests, over the recordings in WORK that tests/e2e/page.sh made. TAP. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asking } from './asking.mjs';
import { SHOTS, browser, plan, serve } from './harness.mjs';
import { others } from './others.mjs';
import { reading } from './reading.mjs';
import { ways } from './ways.mjs';

const [work, prefix] = process.argv.slice(2);
const at = (name) => join(work, name);

mkdirSync(SHOTS, { recursive: true });
const chrome = await browser();
const demo = await serve([at('demo')], '--listen', '127.0.0.1:0');

await reading(chrome, demo.url, at('demo'), prefix);
await ways(chrome, demo.url, at('demo'));
demo.stop();
await asking(chrome, at('requests'), at('scene'));
await others(chrome, { loss: at('loss'), hostile: at('hostile'), scene: at('scene'), large: at('large'), live: at('live'),
	clocks: existsSync(at('clocks')) ? at('clocks') : null },
{ name: '<img src=x onerror=owned()>', events: Number(readFileSync(at('large.count'), 'utf8')) });
await chrome.close();
plan();
process.exit();
