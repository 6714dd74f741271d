// The table of tasks: what is asked for, and its rows, which are kept while they stay the same.

import { read, TASK_ID, taskPath } from "./api.js";
import { announce, byId, el, name, show, since } from "./dom.js";
import { FINAL, phase, STATES, times, today, tone, took, why, whyAtLength } from "./words.js";

const PAGE = 50;
/** What the API gives at once at most. */
const MOST_ASKED = 200;
/** More rows than these pages hold are not kept current: a search finds the others. */
const MOST_PAGES = 20;
/** A filtered page may be empty and go on; so many are looked through before somebody is asked. */
const EMPTY_PAGES = 3;

const EVERYTHING = { state: "", route: "", day: "", text: "", kind: "prefix" };

export class Tasks {
  filter = { ...EVERYTHING };
  selected = null;
  #rows = new Map();
  #pages = 1;
  /** How many requests it took to get as far as what is shown. */
  #reached = 0;
  /** Where it was when more was asked for: after how many requests, and how many tasks. */
  #from = { asked: 0, tasks: 0 };
  #isNewFilter = true;
  #open;

  constructor(open) {
    this.#open = open;
    byId("rows").addEventListener("keydown", (event) => this.#move(event));
    byId("rows").addEventListener("click", (event) => this.#clicked(event));
  }

  /** Show other tasks from the next request on. */
  setFilter(filter) {
    this.filter = { ...EVERYTHING, ...filter };
    this.#pages = 1;
    this.#reached = 0;
    this.#from = { asked: 0, tasks: 0 };
    this.#isNewFilter = true;
    byId("tasks").classList.add("loading");
  }

  get isFiltered() {
    return Object.keys(EVERYTHING).some((key) => key !== "kind" && this.filter[key]);
  }

  /** What the filter says, as the API takes it; null where it means single tasks. */
  get selection() {
    const { text, kind } = this.filter;
    return text && (kind === "exact" || TASK_ID.test(text.trim())) ? null : wanted(this.filter, text);
  }

  more() {
    this.#pages += 1;
    this.#from = { asked: this.#reached, tasks: this.#rows.size };
  }

  /** Ask for the tasks and show them: one request after another, as many as there are pages to be shown. */
  async refresh(signal) {
    const { filter } = this;
    const found = await this.#found(filter, signal);
    if (filter !== this.filter) {
      return;
    }
    this.#reached = Math.max(this.#reached, found.asked ?? 0);
    this.#showRows(found.tasks);
    this.#showEnd(found);
    byId("tasks").classList.remove("loading");
    if (this.#isNewFilter) {
      this.#isNewFilter = false;
      announce(
        found.tasks.length
          ? `${times(found.tasks.length, "task")}${found.continuation ? ", and there are more" : ""}`
          : "No tasks",
      );
    }
  }

  mark(id) {
    this.selected = id;
    for (const [rowId, row] of this.#rows) {
      row.element.classList.toggle("on", rowId === id);
      row.button.setAttribute("aria-expanded", String(rowId === id));
    }
  }

  /** Put the focus on the first row, if there is one. */
  focusFirst() {
    byId("rows").querySelector("button.open")?.focus();
  }

  /** Put the focus on a task's row, or on the search where it has none. */
  focus(id) {
    (this.#rows.get(id)?.button ?? byId("search")).focus();
  }

  async #found(filter, signal) {
    const { text } = filter;
    // Blanks belong to a name; around an id they come from copying it.
    if (TASK_ID.test(text.trim())) {
      return oneTask(text.trim(), signal);
    }
    if (text && filter.kind === "exact") {
      const { document } = await read(`tasks?${new URLSearchParams({ blob: text })}`, signal);
      return { ...document, tasks: document.tasks.filter((task) => isWanted(task, filter)) };
    }
    return this.#list(filter, text, signal);
  }

  async #list(filter, prefix, signal) {
    const query = new URLSearchParams(wanted(filter, prefix));
    const most = this.#pages * PAGE;
    const tasks = new Map();
    let continuation = null;
    let asked = 0;
    while (this.#goesOn(asked, tasks.size)) {
      query.set("limit", Math.min(most - tasks.size, MOST_ASKED));
      const { document } = await read(`tasks?${query}`, signal);
      document.tasks.forEach((task) => tasks.set(task.task_id, task));
      continuation = document.continuation;
      asked += 1;
      if (!continuation || tasks.size >= most) {
        break;
      }
      query.set("continuation", continuation);
    }
    return { tasks: [...tasks.values()], continuation, asked };
  }

  /** As far as before, one request further where more was asked for, and over a few that bring nothing. */
  #goesOn(asked, count) {
    const { asked: before, tasks } = this.#from;
    return asked < Math.max(before + 1, this.#reached) || (count <= tasks && asked < before + EMPTY_PAGES);
  }

  #showRows(tasks) {
    const body = byId("rows");
    const old = this.#rows;
    const active = document.activeElement;
    this.#rows = new Map(tasks.map((task) => [task.task_id, this.#row(task, old.get(task.task_id))]));
    const wanted = [...this.#rows.values()].map((row) => row.element);
    wanted.forEach((element, at) => {
      if (body.children[at] !== element) {
        body.insertBefore(element, body.children[at] ?? null);
      }
    });
    while (body.children.length > wanted.length) {
      body.lastElementChild.remove();
    }
    // A row that moved, or was made again, keeps the focus; where it is gone, the search has it.
    if (active !== document.activeElement) {
      (active.isConnected ? active : byId("search")).focus({ preventScroll: true });
    }
    this.mark(this.selected);
  }

  #row(task, old) {
    const text = JSON.stringify(task);
    if (old?.text === text) {
      return old;
    }
    const button = old?.button ?? el("button", { class: "open", type: "button", "aria-controls": "panel" });
    const element = old?.element ?? el("tr", { "data-id": task.task_id });
    show(button, name(task.blob));
    show(
      element,
      el(
        "td",
        {},
        el(
          "div",
          { class: "file" },
          dot(task),
          el("div", {}, el("span", { class: "slot" }), marks(task), reason(task)),
        ),
      ),
      el(
        "td",
        { class: "wide route", title: task.route },
        task.route === "settings" || !task.route ? el("span", { class: "dim" }, task.route ?? "–") : task.route,
      ),
      el("td", { class: "right" }, since(task.recorded_at)),
      el("td", { class: "right wide" }, duration(task)),
    );
    element.querySelector(".slot").replaceWith(button);
    return { text, button, element };
  }

  #showEnd({ tasks, continuation, problem }) {
    const canGoOn = continuation && Math.max(this.#pages, this.#reached) < MOST_PAGES;
    byId("more").hidden = !canGoOn;
    byId("more").textContent = tasks.length < PAGE * this.#pages ? "Look further back" : "Show more";
    byId("too-many").hidden = !continuation || canGoOn;
    byId("table").hidden = tasks.length === 0;
    byId("many-open").hidden = tasks.length === 0 || this.selection === null;
    byId("no-match").hidden = tasks.length > 0 || !this.isFiltered;
    byId("no-match-words").textContent =
      problem ?? (continuation ? "None so far among the newest tasks." : "No task matches.");
    byId("nothing-yet").hidden = tasks.length > 0 || this.isFiltered;
  }

  #clicked(event) {
    const row = event.target.closest("tr");
    // Text that is being selected is no click.
    if (row && getSelection().isCollapsed) {
      this.#open(row.dataset.id);
    }
  }

  #move(event) {
    const buttons = [...byId("rows").querySelectorAll("button.open")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at >= 0 && to !== undefined) {
      event.preventDefault();
      buttons[Math.max(0, Math.min(buttons.length - 1, to))].focus();
    }
  }
}

export const stateOptions = () => [
  ["", "Any state"],
  ...Object.entries(STATES),
  ["rejected,cancelled", "Rejected or cancelled"],
];

/** Return in words which states a list of them names. */
export function stateWords(states) {
  const [first, ...others] = states.split(",").map((state) => STATES[state] ?? state);
  return [first, ...others.map((words) => words.toLowerCase())].join(" or ");
}

async function oneTask(id, signal) {
  try {
    const { document } = await read(taskPath(id), signal);
    return { tasks: [document], continuation: null };
  } catch (error) {
    if (error.status !== 404) {
      throw error;
    }
    return { tasks: [], continuation: null, problem: "There is no task with this id." };
  }
}

/** Return what a filter says, without what it leaves open. */
function wanted({ state, route, day }, prefix) {
  const all = { state, route, prefix, day: day && today() };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}

function isWanted(task, { state, route }) {
  return (!state || state.split(",").includes(task.state)) && (!route || task.route === route);
}

function dot(task) {
  return el("i", { class: `dot ${tone(task)}`, "aria-hidden": "true" });
}

/** Which attempt it is, and whether another one came after it. */
function marks(task) {
  return [
    task.attempt > 1 && el("span", { class: "attempt" }, `attempt ${task.attempt}`),
    FINAL.has(task.state) && task.retried_as && el("span", { class: "attempt" }, "tried again"),
  ];
}

function reason(task) {
  const words = why(task);
  const joint = !words || /^(for|on) /.test(words) ? " " : ": ";
  return el(
    "p",
    { class: `why ${tone(task)}` },
    el("span", { class: "phase" }, phase(task)),
    joint,
    el("bdi", { title: whyAtLength(task) || null }, words),
  );
}

function duration(task) {
  const started = task.started_at ?? task.live?.started_at;
  if (started && !task.ended_at && task.live?.state === "running") {
    return since(started);
  }
  return took(task.started_at, task.ended_at) ?? el("span", { class: "dim" }, "–");
}
