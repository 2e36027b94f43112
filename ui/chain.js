/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - what an agent did, back to what it was done for, across hosts, and on to what came of it: along evidence, reports and signals, not
 * along all that merely came before.
 */
import { get } from './api.js';

const FOLLOWED = new Set(['evidence', 'report', 'signal']);
const MOST = 16; /* events; each is asked for */

/* A process that was killed: its exit follows from the signal that arrived. */
function leads(cause, effect) {
	return FOLLOWED.has(cause.kind) || (effect.event.type === 'exit' && cause.type === 'deliver');
}

/* Answers of /api/event, that of `id` first. */
export async function chainOf(id) {
	const found = new Map(), left = [id];

	while (left.length && found.size < MOST) {
		const at = left.shift();

		if (found.has(at))
			continue;
		const answer = await get('event', { id: at });

		found.set(at, answer);
		left.push(...answer.causes.filter((cause) => leads(cause, answer)).map((cause) => cause.id));
		if (at === id)
			left.push(...answer.effects.filter(({ type }) => type === 'effect').map((effect) => effect.id));
	}
	return [...found.values()];
}
