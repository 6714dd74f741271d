// Asking again and again, one request of a kind at a time: often while somebody looks, seldom while nobody does.

const SHOWN = 3_000;
const HIDDEN = 30_000;
const LONGEST = 60_000;

/** Calls `work(signal)` again and again; `onChange(poller)` hears how each call went. */
export class Poller {
  /** When it last went well, what went wrong since then, and when it will be tried again. */
  succeededAt = null;
  failure = null;
  nextAt = null;
  #work;
  #onChange;
  #timer = null;
  #running = null;
  #isWanted = false;
  #failures = 0;
  #isStopped = false;

  constructor(work, onChange = () => {}) {
    this.#work = work;
    this.#onChange = onChange;
    document.addEventListener("visibilitychange", this.#look);
  }

  /** Ask now; while a request is on its way, after it. */
  async poke() {
    clearTimeout(this.#timer);
    if (this.#running) {
      this.#isWanted = true;
      return;
    }
    await this.#run();
  }

  /** Ask for something else now: a request that is on its way does not matter any more. */
  restart() {
    this.#running?.abort();
    return this.poke();
  }

  stop() {
    this.#isStopped = true;
    this.#running?.abort();
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#look);
  }

  #look = () => {
    if (!document.hidden) {
      this.poke();
    } else if (!this.#running) {
      this.#schedule();
    }
  };

  async #run() {
    const running = new AbortController();
    this.#running = running;
    let pause = 0;
    try {
      await this.#work(running.signal);
      this.succeededAt = Date.now();
      this.failure = null;
      this.#failures = 0;
    } catch (error) {
      if (!running.signal.aborted) {
        pause = this.#failed(error);
      }
    }
    this.#running = null;
    this.#next(pause);
  }

  #failed(error) {
    this.failure = error;
    this.#failures += 1;
    return Math.max(error.retryAfter ?? 0, Math.min(LONGEST, SHOWN * 2 ** (this.#failures - 1)));
  }

  #next(pause) {
    if (this.#isStopped) {
      return;
    }
    if (this.#isWanted) {
      this.#isWanted = false;
      this.#run();
      return;
    }
    this.#schedule(pause);
    this.#onChange(this);
  }

  #schedule(pause = 0) {
    const wait = Math.max(pause, document.hidden ? HIDDEN : SHOWN);
    clearTimeout(this.#timer);
    this.nextAt = Date.now() + wait;
    this.#timer = setTimeout(() => this.poke(), wait);
  }
}
