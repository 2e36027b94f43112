#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.mjs DIR [FROM]: what package-lock.json (of the folder FROM, else of this one) names comes into DIR/node_modules, as
 * `npm ci` would do it; a bare Debian has no npm.
 * What is there already is not fetched again. Ends with 77 if the registry cannot be reached; a wrong checksum is an error.
 */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const UNREACHABLE = 77;

function download(url, file) {
	try {
		execFileSync('curl', ['-fsSL', '--max-time', '60', '--retry', '2', '-o', file, url], { stdio: ['ignore', 'ignore', 'inherit'] });
	} catch {
		console.log(`cannot fetch ${url}`);
		process.exit(UNREACHABLE);
	}
}

function verify(file, integrity) {
	const [algorithm, wanted] = integrity.split(/-(.*)/);
	const got = createHash(algorithm).update(readFileSync(file)).digest('base64');

	if (got !== wanted) {
		rmSync(file);
		console.log(`${file} has the checksum ${algorithm}-${got}, package-lock.json wants ${integrity}`);
		process.exit(1);
	}
}

/* Whole or not at all: unpacked beside, renamed at the end. */
function install(dir, { resolved, integrity }) {
	const stamp = join(dir, '.integrity'), half = `${dir}.${process.pid}`;

	if (existsSync(stamp) && readFileSync(stamp, 'utf8') === integrity)
		return;
	rmSync(half, { recursive: true, force: true });
	mkdirSync(half, { recursive: true });
	download(resolved, join(half, 'package.tgz'));
	verify(join(half, 'package.tgz'), integrity);
	execFileSync('tar', ['-xzf', join(half, 'package.tgz'), '-C', half, '--strip-components=1', '--no-same-owner']);
	rmSync(join(half, 'package.tgz'));
	writeFileSync(join(half, '.integrity'), integrity);
	rmSync(dir, { recursive: true, force: true });
	renameSync(half, dir);
}

const from = process.argv[3] ?? fileURLToPath(new URL('.', import.meta.url));
const lock = JSON.parse(readFileSync(join(from, 'package-lock.json'), 'utf8'));

for (const [path, what] of Object.entries(lock.packages))
	if (path)
		install(join(process.argv[2], path), what);
