/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text - numbers, times and foreign text as people read them.
 */
const NS = { s: 1e9, ms: 1e6, µs: 1e3, ns: 1 };

/*
 * Control characters and those that turn the direction of writing are shown, not obeyed: a name must not
 * be able to look like another one.
 */
export function printable(text) {
	return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
		(c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

/* 1234567 -> "1,234,567" */
export function count(n) {
	return Math.round(n).toLocaleString('en-US');
}

/* 1234567 -> "1.2 M" */
export function rough(n) {
	if (n < 10000)
		return count(n);
	return n < 1e6 ? `${(n / 1e3).toFixed(n < 1e5 ? 1 : 0)} k` : `${(n / 1e6).toFixed(n < 1e8 ? 1 : 0)} M`;
}

export function plural(n, one, many) {
	return `${count(n)} ${n === 1 ? one : many || one + 's'}`;
}

/* A duration with three digits or so: "3.04 s", "812 µs" */
export function duration(ns) {
	const size = Math.abs(ns);
	const unit = size >= 1e9 ? 's' : size >= 1e6 ? 'ms' : size >= 1e3 ? 'µs' : 'ns';
	const value = ns / NS[unit];

	if (size >= 120e9)
		return `${Math.floor(ns / 60e9)} min ${Math.round((ns % 60e9) / 1e9)} s`;
	return `${unit === 'ns' ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`;
}

/* A moment since the recording began, with as many digits as a step of `step` ns needs: "+7.170 s" */
export function moment(ns, step = 1e6) {
	const digits = Math.max(0, Math.min(9, Math.ceil(9 - Math.log10(Math.max(1, step)))));

	return `${ns < 0 ? '−' : '+'}${(Math.abs(ns) / 1e9).toFixed(digits)} s`;
}

/* The time of day of a moment: t0 is a string of Unix nanoseconds, too long for a number. */
export function timeOfDay(t0, ns) {
	const at = BigInt(t0) + BigInt(Math.round(ns));
	const date = new Date(Number(at / 1000000n));

	return `${date.toISOString().slice(0, 19).replace('T', ' ')}.${String(at % 1000000000n).padStart(9, '0')} UTC`;
}

/* An event's line without what only a machine reads. */
export function brief(label) {
	return label.replace(/\b(?:target_tid|target_start_ns|child_tid|flags|code|netns|cgroup|ppid|uid|gid|sock|offset|hash|object|object2|start_ns)=\S*\s?/g, '')
		.replace('result=delivered', '').trim();
}

/* What a log line says: of one that is JSON, its message; it may be cut. */
export function message(line) {
	const found = line.startsWith('{') && line.match(/"(?:msg|message)"\s*:\s*"((?:[^"\\]|\\.)*)/);

	return found ? found[1].replaceAll('\\"', '"') : line;
}

/* "7.1 s to 8.2 s of 12.9 s" needs a step that fits the width of what is shown */
export function stepOf(span) {
	return Math.max(1, span / 1000);
}
