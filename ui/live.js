/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live - while somebody records, the page follows the end; panning pauses it, the button (or l) follows again.
 */
import { ask } from './api.js';
import { byId } from './dom.js';

const RETRY_MS = 2000;

export class Live {
	/* hooks: grown(news) -> promise; ended(); failed(error) */
	constructor(hooks) {
		this.hooks = hooks;
		this.button = byId('live');
		this.following = true;
		this.on = false;
		this.button.addEventListener('click', () => this.toggle());
	}

	start(info) {
		this.on = info.live;
		this.#say();
		if (this.on)
			this.#loop(info.generation);
	}

	toggle() {
		if (this.on)
			this.#set(!this.following);
	}

	/* The reader looks at something else. */
	pause() {
		if (this.on && this.following)
			this.#set(false);
	}

	#set(following) {
		this.following = following;
		this.#say();
		if (following)
			this.hooks.follow();
	}

	#say() {
		this.button.hidden = !this.on;
		this.button.classList.toggle('on', this.following);
		this.button.textContent = this.following ? '● Live' : '❚❚ Paused';
		this.button.title = this.following ? 'Recording goes on and the page follows; panning pauses (l)' : 'Follow the end again (l)';
		this.button.setAttribute('aria-pressed', this.following);
	}

	async #loop(generation) {
		while (this.on) {
			try {
				const news = await ask('live', { generation });

				if (news.generation !== generation) {
					generation = news.generation;
					await this.hooks.grown(news);
				}
				this.on = news.live;
			} catch (e) {
				this.hooks.failed(e);
				await new Promise((done) => setTimeout(done, RETRY_MS));
			}
		}
		this.#say();
		this.hooks.ended();
	}
}
