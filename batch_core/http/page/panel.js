// The side panel: one task, where it is and why, what it printed and made, and its whole record.

import { read, TASK_ID, taskPath } from "./api.js";
import { announce, byId, copy, el, name, show, since } from "./dom.js";
import { OutputView, showFiles } from "./outputs.js";
import { Poller } from "./polling.js";
import { bytes, clock, FINAL, phase, sentence, tone, took, whyAtLength } from "./words.js";

const TABS = ["stdout", "stderr", "files", "record"];
const NARROW = matchMedia("(max-width: 940px)");
const SIZES = new Set(["blob_size", "stdout_size", "stderr_size"]);

export class Panel {
  task = null;
  #id = null;
  #poller = null;
  #tab = null;
  /** Whether somebody has chosen the tab: then it stays. */
  #isChosen = false;
  #view = null;
  #hooks;

  /** `hooks` are `act(what, task)` for what is to be done with a task, `open(id)` for another, and `closed(id)`. */
  constructor(hooks) {
    this.#hooks = hooks;
    byId("panel-close").addEventListener("click", () => this.close());
    byId("panel-copy").addEventListener("click", (event) => copy(location.href, event.currentTarget));
    byId("panel-cancel").addEventListener("click", () => hooks.act("cancel", this.task));
    byId("panel-retry").addEventListener("click", () => hooks.act("retry", this.task));
    for (const tab of TABS) {
      byId(`tab-${tab}`).addEventListener("click", () => this.#pick(tab));
    }
    byId("panel-facts").addEventListener("click", ({ target }) => {
      const button = target.closest("[data-copies]");
      button && copy(button.dataset.copies, button);
    });
    byId("panel-tabs").addEventListener("keydown", (event) => this.#move(event));
    NARROW.addEventListener("change", () => this.#cover());
  }

  get isOpen() {
    return this.#id !== null;
  }

  get id() {
    return this.#id;
  }

  open(id) {
    if (id !== this.#id) {
      this.#leave();
      this.#id = id;
      byId("panel-body").hidden = true;
      show(byId("panel-title"), "…");
      show(byId("panel-problem"));
      byId("panel-id").textContent = id;
      this.#poller = new Poller(
        (signal) => this.#refresh(signal),
        (poller) => this.#polled(poller),
      );
      if (TASK_ID.test(id)) {
        this.#poller.poke();
      } else {
        this.#poller.stop();
        this.#sayMissing();
      }
    }
    byId("panel").hidden = false;
    document.body.classList.add("with-panel");
    this.#cover();
    byId("side").scrollTop = 0;
    byId("panel-title").focus();
  }

  close() {
    const id = this.#id;
    this.#leave();
    byId("panel").hidden = true;
    document.body.classList.remove("with-panel");
    this.#cover();
    this.#hooks.closed(id);
  }

  /** Ask for the record again: something was done to it. */
  refresh() {
    this.#poller?.restart();
  }

  /** On a narrow screen the panel covers all else, which then has no focus either. */
  #cover() {
    const isCovering = this.isOpen && NARROW.matches;
    document
      .querySelectorAll("header, .skip, #counters, #tasks, #panel ~ section")
      .forEach((part) => (part.inert = isCovering));
  }

  #leave() {
    this.#poller?.stop();
    this.#view?.stop();
    this.#id = this.task = this.#poller = this.#view = this.#tab = null;
    this.#isChosen = false;
  }

  async #refresh(signal) {
    const id = this.#id;
    const { document, isNew } = await read(taskPath(id), signal);
    if (id === this.#id && (isNew || !this.task)) {
      this.#show(document);
    }
  }

  #polled(poller) {
    if (poller !== this.#poller) {
      return;
    }
    // A host that is just starting says 404, too, but not why.
    if (poller.failure?.status === 404 && poller.failure.hasReason) {
      poller.stop();
      this.#sayMissing();
    } else {
      show(byId("panel-problem"), poller.failure ? `Not up to date: ${sentence(poller.failure.message)}` : null);
    }
  }

  #sayMissing() {
    const words = this.task
      ? "There is no such task any more: its record has been deleted."
      : "There is no task with this id. The address may be cut off, or the record has been deleted.";
    show(byId("panel-problem"), words);
    if (!this.task) {
      show(byId("panel-title"), "No such task");
    }
  }

  #show(task) {
    const before = this.task;
    this.task = task;
    show(byId("panel-title"), name(task.blob));
    show(
      byId("panel-state"),
      el("i", { class: `dot ${tone(task)}`, "aria-hidden": "true" }),
      el("b", {}, phase(task)),
      el("bdi", {}, whyAtLength(task)),
    );
    show(byId("panel-facts"), facts(task, this.#hooks.open));
    show(byId("panel-record"), record(task));
    const isFinal = FINAL.has(task.state);
    byId("panel-cancel").hidden = isFinal;
    byId("panel-cancel").disabled = Boolean(task.cancel_requested_at);
    byId("panel-retry").hidden = !isFinal;
    byId("panel-retry").classList.toggle("main", ["failed", "output_lost"].includes(task.state) && !task.retried_as);
    byId("panel-body").hidden = false;
    if (before && before.state !== task.state) {
      announce(`${task.blob}: ${phase(task)}`);
    }
    if (!before || this.#hasBetter(before, task)) {
      this.#choose(firstTab(task));
    } else if (before.state !== task.state && (this.#tab === "files" || this.#view?.hasGivenUp)) {
      this.#fill();
    }
  }

  /** Another state may have something else to look at: nobody is torn away from what they chose, or are reading. */
  #hasBetter(before, task) {
    const isIdle = !this.#isChosen && !byId("panel-tab").contains(document.activeElement);
    return isIdle && before.state !== task.state && firstTab(task) !== this.#tab;
  }

  #pick(tab, hasFocus) {
    this.#isChosen = true;
    this.#choose(tab, hasFocus);
  }

  #choose(tab, hasFocus = false) {
    this.#tab = tab;
    for (const one of TABS) {
      const button = byId(`tab-${one}`);
      button.setAttribute("aria-selected", String(one === tab));
      button.tabIndex = one === tab ? 0 : -1;
    }
    byId("panel-record").hidden = tab !== "record";
    byId("panel-output").hidden = tab === "record";
    byId("panel-tab").setAttribute("aria-labelledby", `tab-${tab}`);
    this.#fill();
    if (hasFocus) {
      byId(`tab-${tab}`).focus();
    }
  }

  #fill() {
    this.#view?.stop();
    this.#view = null;
    const element = byId("panel-output");
    element.replaceChildren();
    if (this.#tab === "files") {
      const leaving = new AbortController();
      this.#view = { stop: () => leaving.abort() };
      showFiles(this.task, element, leaving.signal).catch(
        (error) => leaving.signal.aborted || show(element, el("p", { class: "dim" }, error.message)),
      );
    } else if (this.#tab !== "record") {
      this.#view = new OutputView(this.task, this.#tab, element);
    }
  }

  #move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      this.#pick(TABS[(TABS.indexOf(this.#tab) + step + TABS.length) % TABS.length], true);
    }
  }
}

/** Show first what is likely to be looked for: why it failed, what it printed, or why it waits. */
function firstTab(task) {
  if (["queued", "rejected"].includes(task.state)) {
    return "record";
  }
  return task.state === "failed" && (task.stderr || task.stderr_end) ? "stderr" : "stdout";
}

function facts(task, open) {
  const started = task.started_at ?? task.live?.started_at;
  const node = task.node_id ?? task.live?.node_id;
  const rows = [
    ["Recorded", el("span", {}, since(task.recorded_at), ` ago, by ${detector(task)}`)],
    started ? ["Started", el("span", {}, clock(started), ran(task, started))] : null,
    ["Route", task.route ?? "none"],
    ["Size", bytes(task.blob_size)],
    ["Attempt", attempts(task, open)],
    node ? ["Node", copied(node)] : null,
  ];
  return rows.filter(Boolean).flatMap(([term, what]) => [el("dt", {}, term), el("dd", {}, what)]);
}

/** Return a text that is wanted elsewhere, with a button that copies it. */
function copied(text) {
  const button = el(
    "button",
    { type: "button", class: "link", "data-copies": text, "aria-label": `Copy ${text}` },
    "Copy",
  );
  return el("span", {}, el("span", { class: "mono" }, text), " ", button);
}

function detector(task) {
  return {
    trigger: "the trigger",
    http: "a request",
    sweep: "the sweep",
    output_lost: "the app, since its output was lost",
  }[task.detected_by];
}

function ran(task, started) {
  const waited = took(task.recorded_at, started);
  return `, waited ${waited}${task.ended_at ? `, ran ${took(started, task.ended_at)}` : ""}`;
}

function attempts(task, open) {
  const link = (id, words) =>
    id && el("button", { type: "button", class: "link", on: { click: () => open(id) } }, words);
  return el(
    "span",
    {},
    String(task.attempt),
    task.retry_of && " · ",
    link(task.retry_of, "the one before"),
    task.retried_as && " · ",
    link(task.retried_as, "the next"),
  );
}

/** Return the whole record, under the names that docs/http-api.md explains. */
function record(task) {
  return Object.entries(task).flatMap(([key, value]) => [
    el("dt", { class: "mono" }, key),
    el("dd", { class: "mono" }, shown(key, value)),
  ]);
}

function shown(key, value) {
  if (value === null || value === "") {
    return el("span", { class: "dim" }, "–");
  }
  if (typeof value === "object") {
    return el("bdi", {}, JSON.stringify(value, null, 1));
  }
  return el("bdi", {}, SIZES.has(key) ? `${value} (${bytes(value)})` : String(value));
}
