// What was asked for of many tasks at once, and how far it has come: the app goes on with it by itself.

import { read } from "./api.js";
import { announce, byId, el, show } from "./dom.js";
import { which } from "./many.js";
import { Poller } from "./polling.js";
import { STATES, times } from "./words.js";

const DOING = { cancel: "Cancelling", retry: "Trying again" };
/** How long it is said that one has been carried out. */
const SAID = 30_000;
const DONE = { cancel: "cancelled", retry: "tried again" };

export class Selections {
  #shown = new Map();
  #poller = null;
  #finished;

  /** `finished()` is called when one has been carried out. */
  constructor(finished) {
    this.#finished = finished;
    byId("selections").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) {
        const at = [...byId("selections").querySelectorAll("button")].indexOf(button);
        this.#close((one) => one.selection_id === button.dataset.id);
        const others = [...byId("selections").querySelectorAll("button")];
        (others[Math.min(at, others.length - 1)] ?? byId("search")).focus({ preventScroll: true });
      }
    });
  }

  /** Show those that are under way, no matter who has asked for them. */
  look() {
    this.#poller ??= new Poller((signal) => this.#refresh(signal));
    this.#poller.poke();
  }

  /** Show one until it is closed, something else is done, or a while after it was carried out. */
  add(selection) {
    this.tidy();
    this.#note(selection);
    this.#show();
    if (!selection.finished_at) {
      this.look();
    }
  }

  /** Close what has been carried out: who does something else has seen it. */
  tidy() {
    this.#close((one) => one.finished_at);
  }

  #close(isOver) {
    for (const [id, one] of this.#shown) {
      if (isOver(one)) {
        this.#shown.delete(id);
      }
    }
    this.#show();
  }

  #closeLater(id) {
    setTimeout(() => {
      // Nobody loses the focus by this.
      if (byId("selections").contains(document.activeElement)) {
        this.#closeLater(id);
      } else {
        this.#close((one) => one.selection_id === id);
      }
    }, SAID);
  }

  async #refresh(signal) {
    const before = [...this.#shown.keys()];
    const { document } = await read("selections", signal);
    document.selections
      .filter((one) => !one.finished_at || this.#shown.has(one.selection_id))
      .forEach((one) => this.#note(one));
    const listed = new Set(document.selections.map((one) => one.selection_id));
    for (const id of before.filter((one) => !listed.has(one) && this.#shown.has(one))) {
      await this.#ask(id, signal);
    }
    this.#show();
    if (![...this.#shown.values()].some((one) => !one.finished_at)) {
      this.#poller.stop();
      this.#poller = null;
    }
  }

  /** Ask for one that is not listed any more: it has ended long ago, or is gone. */
  async #ask(id, signal) {
    if (this.#shown.get(id).finished_at) {
      return;
    }
    try {
      const { document } = await read(`selections/${encodeURIComponent(id)}`, signal);
      this.#note(document);
    } catch (error) {
      if (error.status !== 404) {
        throw error;
      }
      this.#shown.delete(id);
      announce("What was asked for of many tasks is no longer listed");
    }
  }

  #note(selection) {
    const before = this.#shown.get(selection.selection_id);
    this.#shown.set(selection.selection_id, selection);
    if (selection.finished_at && !before?.finished_at) {
      announce(`${times(selection.done, "task")} ${DONE[selection.action]}`);
      this.#closeLater(selection.selection_id);
      this.#finished();
    }
  }

  #show() {
    const lines = [...this.#shown.values()].map(line);
    byId("selections").hidden = !lines.length;
    show(byId("selections"), lines);
  }
}

function line(selection) {
  const { action, state, done, refused, refusal, finished_at: isFinished } = selection;
  const states = state.map((one) => STATES[one].toLowerCase()).join(" and ");
  const begun = [el("b", {}, DOING[action]), `, ${states}. `, which(selection), `: ${times(done, "task")} so far`];
  const ended = el("b", {}, `${times(done, "task")} ${DONE[action]}`);
  return el(
    "div",
    { class: "line" },
    el("span", {}, isFinished ? ended : begun, refused > 0 && `; ${times(refused, "task")} could not be: ${refusal}`),
    isFinished &&
      el(
        "button",
        {
          type: "button",
          class: "quiet small",
          "data-id": selection.selection_id,
          "data-key": `close ${selection.selection_id}`,
          "aria-label": "Close this message",
        },
        "✕",
      ),
  );
}
