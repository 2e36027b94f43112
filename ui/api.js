/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api - questions to `saker serve`, as docs/design/api.md describes them. Only GET; the token of the address goes along.
 */
let running = 0; /* questions that wait for an answer */
const token = new URLSearchParams(location.search).get('token') || '';

/* status: of HTTP, 0: no answer. at: the column of what is wrong in a query, from 1, or undefined. */
export class ApiError extends Error {
	constructor(status, message, at) {
		super(message);
		this.status = status;
		this.at = at;
	}
}

function address(path, params) {
	const query = new URLSearchParams();

	for (const [name, value] of Object.entries(params || {}))
		if (value !== undefined && value !== null && value !== '')
			query.set(name, value);
	return `/api/${path}?${query.toString().replaceAll('%2C', ',')}`; /* lists of lanes are long enough */
}

async function refusal(response) {
	let said = {};

	try {
		said = await response.json();
	} catch {
		/* not ours: the status must do */
	}
	if (response.status === 401 || response.status === 403)
		return new ApiError(response.status, 'The token of this address is not the one that saker serve printed.');
	return new ApiError(response.status, said.error || `saker serve answered ${response.status}`, said.at);
}

export function waiting() {
	return running;
}

/* What an AbortSignal ended throws AbortError, as fetch does. */
export async function get(path, params, signal) {
	running++;
	try {
		return await ask(path, params, signal);
	} finally {
		running--;
	}
}

/* A question that is meant to wait: of something new. */
export async function ask(path, params, signal) {
	let response;

	try {
		response = await fetch(address(path, params), {
			signal, headers: { Authorization: `Bearer ${token}` }, credentials: 'omit', cache: 'no-store',
		});
	} catch (e) {
		if (e.name === 'AbortError')
			throw e;
		throw new ApiError(0, 'saker serve does not answer any more.');
	}
	if (!response.ok)
		throw await refusal(response);
	return response.json();
}

/* Only the newest question counts: a new one ends the one before. */
export class Latest {
	#controller = null;

	async get(path, params) {
		this.cancel();
		this.#controller = new AbortController();
		return get(path, params, this.#controller.signal);
	}

	cancel() {
		this.#controller?.abort();
		this.#controller = null;
	}
}
