/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks - what the agent's checks of a backend found, in words: a short one for its row, and, where something is wrong, a sentence.
 */
import { count, duration, plural } from './text.js';

const OLD_MS = 5000; /* over three intervals: the agent writes each few seconds */
const WORDS = { no_connection: 'no connection', other_text: 'other text', no_tls: 'no TLS', certificate: 'its certificate', not_sent: 'not sent' };

function ageMs(check, now) {
	return Math.max(0, now - check.checked_boot_ns / 1e6);
}

function ago(ms) {
	return ms < 120e3 ? `${Math.round(ms / 1e3)} s ago` : `${duration(ms * 1e6)} ago`;
}

/* now: ms of the clock that the times are of. { text, kind: good, bad, '' } */
export function checkShort(check, of, now) {
	if (!check || check.last === 'none')
		return { text: check ? '… not yet' : '', kind: '' };
	const age = ageMs(check, now), old = age > OLD_MS + 3 * of.interval_ms, passed = check.last === 'passed';
	const what = passed ? `✓ ${duration(check.took_us * 1e3)}` : `✕ ${WORDS[check.last] || check.last}`;

	return { text: `${what}, ${ago(age)}`, kind: old ? 'old' : passed ? 'good' : 'bad' };
}

/* What is wrong; '' where nothing is. known: what the last one found is said already. */
export function checkLong(check, of, known = false) {
	if (!check)
		return '';
	const all = Object.entries(check.counts).filter(([name]) => name !== 'not_sent').reduce((sum, [, n]) => sum + n, 0), failed = all - (check.counts.passed || 0);
	const now = known || check.last === 'passed' || check.last === 'none' ? '' : `check ${of.kind}: ${check.text}${check.in_row > 1 ? ` (${count(check.in_row)} in a row)` : ''}`;
	const unsent = check.counts.not_sent ? `${plural(check.counts.not_sent, 'check')} not sent${check.last === 'none' ? `: ${check.text}` : ''}` : '';

	return [now, failed ? `${count(failed)} of ${plural(all, 'check')} failed` : '', unsent, check.late ? `${plural(check.late, 'check')} began late` : ''].filter(Boolean).join(' · ');
}

/* Of a VIP: how its backends are asked. */
export function checksOf(of) {
	if (!of)
		return '';
	const { count: n, p50, p99 } = of.took_us;

	return `Checked by ${of.kind} each ${duration(of.interval_ms * 1e6)}${n ? `: of ${plural(n, 'check')} that passed half took at most ${duration(p50 * 1e3)}, 99 of 100 ${duration(p99 * 1e3)}` : ': none has passed'}.`;
}
