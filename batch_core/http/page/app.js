// The dashboard: what is polled, and what a click or a key does.

import { allowAsking, onKeyNeeded, read } from "./api.js";
import { showChart } from "./chart.js";
import { makeCounters, markCounter, showCounters } from "./counters.js";
import { keyNeeded, makeDialogs, pauseQuestion, question, submission } from "./dialogs.js";
import { announce, byId, copy, el, refreshAges, show } from "./dom.js";
import { showFreshness } from "./freshness.js";
import { makeIntake, showIntake } from "./intake.js";
import { manyAtOnce } from "./many.js";
import { makeNotices, showNotices } from "./notices.js";
import { Panel } from "./panel.js";
import { Poller } from "./polling.js";
import { makePools, showPools } from "./pools.js";
import { Selections } from "./selections.js";
import { stateOptions, stateWords, Tasks } from "./tasks.js";
import { showTicks } from "./ticks.js";
import { noteBatch, STATES, times } from "./words.js";

const TYPING = 250;
/** With every so many summaries it is looked for what was begun elsewhere. */
const LOOK = 10;

let summary = null;
let typing = null;
let summaries = 0;
const routes = new Set();
const tasks = new Tasks(open);
const panel = new Panel({ act, open, closed });
const selections = new Selections(pokeAll);
const summaryPoller = new Poller(refreshSummary, freshness);
const tasksPoller = new Poller((signal) => tasks.refresh(signal), freshness);

begin();

function begin() {
  byId("where").textContent = location.host;
  document.body.classList.toggle("local", ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname));
  makeDialogs();
  makeCounters(filterBy);
  makePools();
  makeIntake(changePause, (route) => filterBy({ route }));
  makeNotices((route) => changePause("resume", route));
  byId("state").append(...stateOptions().map(([value, words]) => el("option", { value }, words)));
  onKeyNeeded(keyNeeded);
  listen();
  fromAddress();
  summaryPoller.poke();
  selections.look();
  setInterval(tick, 1000);
}

function listen() {
  byId("filters").addEventListener("submit", (event) => (event.preventDefault(), readFilters()));
  byId("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(readFilters, TYPING);
  });
  for (const id of ["state", "route", "day", "kind"]) {
    byId(id).addEventListener("change", readFilters);
  }
  byId("clear").addEventListener("click", () => filterBy({}));
  byId("more").addEventListener("click", () => (tasks.more(), tasksPoller.restart()));
  byId("submit-open").addEventListener("click", submit);
  byId("many-open").addEventListener("click", actOnMany);
  byId("keys-open").addEventListener("click", () => byId("keys").showModal());
  byId("search").addEventListener("keydown", searchKey);
  byId("again").addEventListener("click", tryAgain);
  document.addEventListener("keydown", shortcut);
  window.addEventListener("hashchange", fromAddress);
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.addEventListener("click", () => copy(byId(button.dataset.copy).textContent, button));
  });
}

async function refreshSummary(signal) {
  const found = await read("summary", signal);
  const before = summary;
  summary = found.document;
  noteBatch(summary.pools !== null);
  showCounters(summary);
  if (found.isNew) {
    showPools(summary);
    showChart(summary.minutes);
    showIntake(summary);
    showNotices(summary);
    showRoutes();
    announceChange(before, summary);
    document.title = title();
  }
  showTicks(summary.ticks);
  summaries += 1;
  if (summaries % LOOK === 0) {
    selections.look();
  }
}

function title() {
  const parts = [
    summary.open?.submitted && `${summary.open.submitted} in Batch`,
    summary.today?.states.failed && `${summary.today.states.failed} failed`,
  ];
  return [parts.filter(Boolean).join(", "), "batchdrop"].filter(Boolean).join(" – ");
}

function showRoutes() {
  const found = [
    ...(summary.routes ?? []),
    ...Object.keys(summary.open?.by_route ?? {}),
    ...Object.keys(summary.today?.by_route ?? {}),
    tasks.filter.route,
  ];
  found.filter(Boolean).forEach((route) => routes.add(route));
  const options = [...routes].sort().map((route) => el("option", { value: route }, route));
  show(byId("route"), el("option", { value: "" }, "Any route"), options);
  byId("route").value = tasks.filter.route;
  byId("route").hidden = routes.size < 2 && !tasks.filter.route;
}

/** Say what has ended since the last time. */
function announceChange(before, after) {
  const changed = Object.keys(STATES).flatMap((state) => {
    const more = (after.today?.states[state] ?? 0) - (before?.today?.states[state] ?? 0);
    return before && more > 0 ? [`${times(more, "task")} ${STATES[state].toLowerCase()}`] : [];
  });
  if (changed.length) {
    announce(changed.join(", "));
  }
}

/** Keep ages current, and how long until the next try. */
function tick() {
  if (document.hidden) {
    return;
  }
  refreshAges();
  freshness();
}

function freshness() {
  showFreshness([summaryPoller, tasksPoller]);
}

function tryAgain() {
  allowAsking();
  summaryPoller.poke();
  tasksPoller.poke();
}

function readFilters() {
  clearTimeout(typing);
  const filter = { text: byId("search").value };
  showKind();
  ["state", "route", "day", "kind"].forEach((id) => (filter[id] = byId(id).value));
  setFilter(filter);
}

/** Show what a counter counts, or everything. */
function filterBy(filter) {
  setFilter(filter);
  showFilters();
}

function showFilters() {
  const { filter } = tasks;
  if (filter.route && !routes.has(filter.route)) {
    byId("route").append(el("option", { value: filter.route }, filter.route));
    byId("route").hidden = false;
  }
  // An address may name states that are not offered together.
  if (![...byId("state").options].some(({ value }) => value === filter.state)) {
    byId("state").append(el("option", { value: filter.state }, stateWords(filter.state)));
  }
  byId("search").value = filter.text;
  showKind();
  ["state", "route", "day", "kind"].forEach((id) => (byId(id).value = filter[id]));
}

/** How a name is compared matters where there is one. */
function showKind() {
  byId("kind").hidden = !byId("search").value;
}

function setFilter(filter) {
  tasks.setFilter(filter);
  markCounter(tasks.filter);
  toAddress();
  tasksPoller.restart();
}

/** What is looked at is written behind the #, which never leaves the browser: it can be reloaded and passed on. */
function toAddress() {
  const parts = Object.entries({ ...tasks.filter, task: panel.id }).filter(
    ([key, value]) => value && !(key === "kind" && value === "prefix"),
  );
  const hash = new URLSearchParams(parts).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
}

function fromAddress() {
  const { task, ...filter } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  tasks.setFilter(filter);
  showFilters();
  markCounter(tasks.filter);
  tasksPoller.restart();
  if (task) {
    open(task);
  } else if (panel.isOpen) {
    panel.close();
  }
}

function open(id) {
  panel.open(id);
  tasks.mark(id);
  toAddress();
}

function closed(id) {
  tasks.mark(null);
  tasks.focus(id);
  toAddress();
}

async function act(what, task) {
  const reply = await question(what, task);
  if (!reply) {
    return;
  }
  selections.tidy();
  announce(what === "cancel" ? "The task is being stopped" : "A new attempt is on its way");
  if (what === "retry") {
    open(reply.task_id);
  } else {
    panel.refresh();
  }
  pokeAll();
}

async function actOnMany() {
  // What was typed a moment ago counts.
  readFilters();
  const selection = tasks.selection && (await manyAtOnce(tasks.selection, () => selections.look()));
  if (selection) {
    selections.add(selection);
    pokeAll();
  }
}

async function changePause(what, route) {
  if (await pauseQuestion(what, route)) {
    selections.tidy();
    announce(what === "pause" ? "Files wait from now on" : "Files go on");
    pokeAll();
  }
}

async function submit() {
  const reply = await submission([...routes].sort());
  if (!reply) {
    return;
  }
  selections.tidy();
  announce(reply.is_new ? "The file is submitted" : "The file was submitted before: this is its task");
  open(reply.task_id);
  pokeAll();
}

function pokeAll() {
  summaryPoller.poke();
  tasksPoller.poke();
}

/** From the search, the arrow goes on to what was found; Escape clears it first, and then closes the details. */
function searchKey(event) {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    tasks.focusFirst();
  } else if (event.key === "Escape" && byId("search").value) {
    event.preventDefault();
    byId("search").value = "";
    readFilters();
  } else if (event.key === "Escape" && panel.isOpen) {
    event.preventDefault();
    panel.close();
  }
}

function shortcut(event) {
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  } else if (event.key === "?" && !isTyping) {
    event.preventDefault();
    byId("keys").showModal();
  } else if (event.key === "Escape" && panel.isOpen && !isTyping) {
    panel.close();
  }
}
