// The page asks the emulator's own interface for everything, and makes elements of text alone: nothing that a task, a name
// or a rule holds is ever read as HTML, as an address or as a script.

const ROOT = "/_emulator/";
const PAUSE = 2_000;
const LONGEST_PAUSE = 30_000;
const PATIENCE = 30_000;
/** The emulator answers one after the other: looking on takes a small part of its time, however much there is to look at. */
const SHARE = 20;
const ROWS = 100;
const MOST_ROWS = 500;

/** Faults by one click: each is on while all of its rules are in force. */
const PRESETS = [
  {
    name: "503 on adding tasks",
    rules: ["create_task", "create_task_collection"].map((operation) => ({
      id: `page-503-${operation}`,
      operation,
      answer: { status: 503, retryAfter: 1 },
    })),
  },
  {
    name: "429 to half of all requests",
    rules: [{ id: "page-429", operation: "*", answer: { status: 429, retryAfter: 1 }, probability: 0.5 }],
  },
  {
    name: "Cut every fifth connection or so",
    rules: [{ id: "page-cut", operation: "*", cut: true, probability: 0.2 }],
  },
  {
    name: "Lose every fifth answer or so",
    rules: [{ id: "page-lost", operation: "*", when: "after", cut: true, probability: 0.2 }],
  },
  { name: "Answer two seconds late", rules: [{ id: "page-late", operation: "*", delay: 2 }] },
];

const QUESTIONS = {
  lose: ["Lose this node?", "It vanishes with its files. Its tasks go back to the queue.", "Lose it"],
  replace: ["Replace this node?", "It vanishes with its files, and a new one boots in its place.", "Replace it"],
  preempt: [
    "Preempt this node?",
    "Its tasks go back to the queue. It stays preempted until it recovers.",
    "Preempt it",
  ],
  reset: ["Reset the emulator?", "Every process ends; pools, jobs, tasks, files and faults are forgotten.", "Reset it"],
};

const QUOTAS = {
  activeJobsAndSchedules: "Active jobs and schedules",
  pools: "Pools",
  dedicatedCores: "Dedicated cores",
  lowPriorityCores: "Spot cores",
  tasksPerSecond: "Tasks a second",
};

const GOOD_NODES = new Set(["idle", "running"]);
const BAD_NODES = new Set(["unusable", "unknown", "preempted", "starttaskfailed"]);

// Elements.

const byId = (id) => document.getElementById(id);

/** Make an element; a child that is null or false is left out. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A name or text that somebody chose: whatever direction it is written in, the text around it keeps its own. */
const name = (text) => el("bdi", { class: "name" }, visible(text));

/**
 * Show elements in another. What is the same stays, and with it what is focused, selected, scrolled or being clicked:
 * only what differs is changed. Elements are the same if they have the same `data-key`, or the same place and kind.
 */
function show(element, ...children) {
  const active = document.activeElement;
  const card = active.closest(".card");
  const hadFocus = element !== active && element.contains(active);
  align(element, el("div", {}, ...children));
  if (hadFocus && !active.isConnected) {
    card?.querySelector("h2").focus({ preventScroll: true });
  }
}

/** Let an element have the children of one that was just made. */
function align(element, made) {
  const keyed = new Map([...element.children].filter(keyOf).map((child) => [keyOf(child), child]));
  const nodes = [...made.childNodes];
  nodes.forEach((node, at) => {
    const there = element.childNodes[at] ?? null;
    const old = keyOf(node) ? keyed.get(keyOf(node)) : there;
    if (!old || old.nodeName !== node.nodeName || keyOf(old) !== keyOf(node)) {
      element.insertBefore(node, there);
      return;
    }
    if (old !== there) {
      element.insertBefore(old, there);
    }
    update(old, node);
  });
  while (element.childNodes.length > nodes.length) {
    element.lastChild.remove();
  }
}

const keyOf = (node) => node.dataset?.key;

function update(old, node) {
  if (old.isEqualNode(node)) {
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = node.nodeValue;
    return;
  }
  for (const { name: attribute } of [...old.attributes].filter((one) => !node.hasAttribute(one.name))) {
    old.removeAttribute(attribute);
  }
  for (const { name: attribute, value } of node.attributes) {
    old.setAttribute(attribute, value);
  }
  align(old, node);
}

function focusKey(key) {
  const all = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  (all.find((one) => !one.closest("[hidden]")) ?? byId("tasks-find")).focus({ preventScroll: true });
}

/** Set an element's text only if that changes it: what is live is not read out again. */
function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// Words.

/** Write what moves a terminal's cursor, ends a text or turns its direction as an escape: `\x1b`, `\u202e`. */
function visible(text) {
  return text
    .replace(/\r\n/g, "\n")
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (char) => {
      const digits = char.charCodeAt(0).toString(16);
      return digits.length > 2 ? `\\u${digits.padStart(4, "0")}` : `\\x${digits.padStart(2, "0")}`;
    });
}

const number = (value) => value.toLocaleString("en");
const times = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

function bytes(size) {
  if (size < 1000) {
    return times(size, "byte");
  }
  const power = Math.min(4, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${["", "kB", "MB", "GB", "TB"][power]}`;
}

function duration(seconds) {
  if (seconds > 0 && seconds < 0.05) {
    return "< 0.1 s";
  }
  if (seconds < 60) {
    return `${seconds < 10 && seconds % 1 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const secondsBetween = (begin, end) => Math.max(0, end - begin) / 1000;

/** How long it ran, or has run: to the second, so that a row changes no more often. */
function took(task) {
  const begin = Date.parse(task.started);
  if (task.started && (task.state === "running" || task.state === "preparing")) {
    return duration(Math.floor(secondsBetween(begin, Date.now())));
  }
  return task.started && task.ended ? duration(secondsBetween(begin, Date.parse(task.ended))) : "–";
}

/** A moment by this machine's clock, which is the emulator's; its day is left out where that is today. */
function time(moment) {
  if (!moment) {
    return "–";
  }
  const date = new Date(moment);
  const day = date.toDateString() === new Date().toDateString() ? "" : `${date.toLocaleDateString("en-GB")} `;
  return el("time", { datetime: moment, title: moment }, day + date.toLocaleTimeString("en-GB"));
}

const shortNode = (id) => (id.length <= 16 ? id : `${id.slice(0, 13)}…${id.slice(-2)}`);

function nodeName(id) {
  return el("bdi", { class: "id", title: visible(id) }, visible(shortNode(id)));
}

function state(tone, ...words) {
  return el("span", { class: `state ${tone}` }, el("span", {}, ...words));
}

function taskState(task) {
  const words = { active: "Waiting", preparing: "Preparing", running: "Running", completed: "Succeeded" };
  if (task.result !== "failure" || task.state !== "completed") {
    const tones = { active: "waiting", completed: "ok" };
    return state(tones[task.state] ?? "running", words[task.state] ?? visible(task.state));
  }
  return state("bad", "Failed");
}

/** Why it failed: its exit code, and the failure's where that says more. */
function why(task, code) {
  const parts = [
    task.exitCode !== null && (task.exitCode !== 0 || task.result === "failure") && `exit code ${task.exitCode}`,
    code && code !== "FailureExitCode" && visible(code),
  ];
  return parts.filter(Boolean).join(", ");
}

const taskKey = (task) => `task ${task.jobId}/${task.id}`;

// What is asked for, and what is shown of it.

const wanted = { job: null, rows: ROWS };
let selected = null;
let overview = null;

async function send(path, { method = "GET", body, signal } = {}) {
  const late = AbortSignal.timeout(PATIENCE);
  const options = { method, cache: "no-store", credentials: "omit", mode: "same-origin", redirect: "error" };
  const response = await fetch(ROOT + path, {
    ...options,
    body: body && JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, late]) : late,
  }).catch((error) => {
    throw signal?.aborted ? error : new Error("the emulator does not answer");
  });
  if (!response.ok) {
    throw Object.assign(new Error(await reason(response)), { status: response.status });
  }
  const found = response.status === 204 ? null : await response.json();
  signal?.throwIfAborted();
  return found;
}

async function reason(response) {
  const said = await response.json().catch(() => ({}));
  const text = said.problems?.join("; ") ?? said.message?.value?.split("\n")[0];
  return text ?? `the emulator answered ${response.status}`;
}

const path = (...parts) => parts.map(encodeURIComponent).join("/");

function question() {
  const query = new URLSearchParams({ rows: wanted.rows });
  const given = { pools: byId("pools-find").value, jobs: byId("jobs-find").value, tasks: byId("tasks-find").value };
  for (const [key, value] of Object.entries({ ...given, job: wanted.job, state: byId("state").value })) {
    if (value) {
      query.set(key, value.trim());
    }
  }
  return `overview?${query}`;
}

function showOverview() {
  write(byId("where"), `${visible(overview.account)} · ${location.host} · ${overview.version}`);
  showPools(overview.pools);
  showJobs(overview.jobs);
  showTasks(overview.tasks);
  showFaults(overview.faults);
  showQuotas(overview.quotas);
}

/** Say how many there are, and how many of them are shown. */
function showCount(kind, { total, fitting, rows }, isNarrowed, empty) {
  write(byId(`${kind}-count`), isNarrowed ? `${number(fitting)} of ${number(total)}` : number(total));
  const words = !total ? empty : !fitting ? "None fits." : rows.length < fitting ? shownOf(rows.length) : "";
  write(byId(`${kind}-end`), words);
  byId(`${kind}-end`).hidden = !words;
}

const shownOf = (count) => `These are the ${number(count)} added last. Narrow them down to see others.`;

function showPools(pools) {
  showCount("pools", pools, byId("pools-find").value, "No pool yet: a client that creates one makes its nodes boot.");
  show(byId("pools"), pools.rows.map(poolElement));
}

function poolElement(pool) {
  const nodes = Object.values(pool.states).reduce((sum, count) => sum + count, 0);
  const targets = pool.enableAutoScale
    ? "autoscale"
    : `target ${pool.targetDedicatedNodes} dedicated, ${pool.targetLowPriorityNodes} spot`;
  return el(
    "section",
    { class: "pool", "data-key": `pool ${pool.id}`, "aria-label": `Pool ${pool.id}` },
    el(
      "div",
      { class: "pool-head" },
      el("h3", {}, name(pool.id), pool.displayName && [" ", el("span", { class: "dim" }, name(pool.displayName))]),
      state(pool.state === "active" ? "ok" : "", `${pool.state}, ${pool.allocationState}`),
      el("span", { class: "dim" }, `${times(nodes, "node")}, ${targets}`),
      el("span", { class: "dim wide" }, `${pool.vmSize}, ${times(pool.taskSlotsPerNode, "slot")} each`),
    ),
    pool.resizeErrors.map((error) => el("p", { class: "problem" }, visible(`${error.code}: ${error.message}`))),
    nodes > 0 && nodesElement(pool),
    nodes > pool.nodes.length && el("p", { class: "dim end" }, `${times(nodes, "node")}: ${stateCounts(pool.states)}`),
  );
}

const stateCounts = (states) =>
  Object.entries(states)
    .map(([one, count]) => `${number(count)} ${one}`)
    .join(", ");

function nodesElement(pool) {
  const label = `Nodes of pool ${pool.id}`;
  const table = el(
    "table",
    { class: "nodes" },
    el(
      "thead",
      { class: "unseen" },
      el(
        "tr",
        {},
        ["Node", "State", "Tasks", "What can happen to it"].map((title) => el("th", { scope: "col" }, title)),
      ),
    ),
    el(
      "tbody",
      {},
      pool.nodes.map((node) => nodeRow(pool, node)),
    ),
  );
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

function nodeRow(pool, node) {
  const tone = BAD_NODES.has(node.state) ? "bad" : GOOD_NODES.has(node.state) ? (node.running ? "running" : "ok") : "";
  const more = node.running - node.tasks.length;
  const closed = node.schedulingState === "disabled" && node.state !== "offline" && ", takes no tasks";
  return el(
    "tr",
    { "data-key": `node ${node.id}` },
    el("td", {}, nodeName(node.id), !node.isDedicated && el("span", { class: "under" }, "spot")),
    el(
      "td",
      {},
      state(tone, visible(node.state), closed),
      node.errors.map((error) => el("span", { class: "under problem" }, visible(`${error.code}: ${error.message}`))),
    ),
    el(
      "td",
      {},
      node.running > 0 && el("span", { class: "dim" }, `${node.slots}/${pool.taskSlotsPerNode} slots: `),
      node.tasks.map((task, at) => [at > 0 && ", ", openButton(task, `${task.id}`, "of-node ")]).flat(),
      more > 0 && ` and ${number(more)} more`,
    ),
    el(
      "td",
      {},
      el(
        "div",
        { class: "actions" },
        nodeActions(node).map((act) => actButton(pool, node, act)),
      ),
    ),
  );
}

function nodeActions(node) {
  return [
    BAD_NODES.has(node.state) && "recover",
    !node.isDedicated && GOOD_NODES.has(node.state) && "preempt",
    "replace",
    "lose",
  ].filter(Boolean);
}

function actButton(pool, node, act) {
  return el(
    "button",
    {
      type: "button",
      class: "small",
      "data-act": act,
      "data-pool": pool.id,
      "data-node": node.id,
      "data-key": `${act} ${node.id}`,
      "aria-label": `${capital(act)} node ${node.id}`,
    },
    capital(act),
  );
}

const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

function openButton(task, text, prefix = "") {
  return el(
    "button",
    {
      type: "button",
      class: "link open",
      "data-act": "open",
      "data-job": task.jobId,
      "data-task": task.id,
      "data-key": prefix + taskKey(task),
    },
    name(text),
  );
}

function showJobs(jobs) {
  showCount("jobs", jobs, byId("jobs-find").value, "No job yet.");
  byId("jobs-box").hidden = !jobs.rows.length;
  show(byId("jobs"), jobs.rows.map(jobRow));
  byId("job").hidden = wanted.job === null;
  write(byId("job"), wanted.job === null ? "" : `Job ${visible(wanted.job)} ✕`);
}

function jobRow(job) {
  const { active, running, succeeded, failed } = job.tasks;
  const button = el(
    "button",
    {
      type: "button",
      class: "link",
      "data-act": "job",
      "data-job": job.id,
      "data-key": `job ${job.id}`,
      "aria-pressed": String(job.id === wanted.job),
      title: "Show the tasks of this job",
    },
    name(job.id),
  );
  return el(
    "tr",
    { class: job.id === wanted.job && "on", "data-key": `row ${job.id}` },
    el("td", { class: "name" }, button, job.displayName && el("span", { class: "under" }, name(job.displayName))),
    el("td", {}, state(job.state === "active" ? "running" : job.state === "completed" ? "ok" : "", visible(job.state))),
    el("td", { class: "wide" }, name(job.poolId)),
    [active, running, succeeded, failed].map((count) =>
      el("td", { class: count ? "number" : "number none" }, number(count)),
    ),
  );
}

function showTasks(tasks) {
  const isNarrowed = wanted.job !== null || byId("state").value || byId("tasks-find").value;
  showCount("tasks", tasks, isNarrowed, "No task yet.");
  byId("tasks-table").hidden = !tasks.rows.length;
  byId("more").hidden = tasks.rows.length >= tasks.fitting || wanted.rows >= MOST_ROWS;
  show(byId("tasks"), tasks.rows.map(taskRow));
}

function taskRow(task) {
  const reason = why(task, task.failure);
  return el(
    "tr",
    { class: selected && taskKey(task) === taskKey(selected) && "on", "data-key": `row ${taskKey(task)}` },
    el("td", {}, openButton(task, task.id), el("span", { class: "under" }, name(task.jobId))),
    el("td", {}, taskState(task), reason && el("span", { class: "under" }, reason)),
    el("td", { class: "wide" }, task.nodeId ? nodeName(task.nodeId) : "–"),
    el("td", { class: "number wide" }, time(task.started)),
    el("td", { class: "number" }, took(task)),
  );
}

function showFaults(faults) {
  const ids = new Set(faults.rows.map((rule) => rule.id));
  write(byId("faults-count"), faults.total ? number(faults.total) : "");
  byId("clear-faults").hidden = !faults.total;
  show(
    byId("presets"),
    PRESETS.map(({ name: title, rules }, at) => {
      const isOn = rules.every((rule) => ids.has(rule.id));
      const attributes = { type: "button", role: "switch", "aria-checked": String(isOn), "data-act": "preset" };
      return el("li", {}, el("button", { ...attributes, "data-at": at, "data-key": `preset ${at}` }, title));
    }),
  );
  show(byId("faults"), faults.rows.map(faultRow));
  write(byId("faults-end"), `These are the first ${number(faults.rows.length)}.`);
  byId("faults-end").hidden = faults.rows.length >= faults.total;
}

function faultRow(rule) {
  const remove = el(
    "button",
    {
      type: "button",
      class: "small",
      "data-act": "remove-fault",
      "data-fault": rule.id,
      "data-key": `fault ${rule.id}`,
      "aria-label": `Remove ${visible(rule.id)}`,
    },
    "Remove",
  );
  const limit = rule.times ? ` of ${number(rule.times)} times` : "";
  return el(
    "li",
    { "data-key": `row ${rule.id}` },
    el(
      "div",
      {},
      el("b", {}, name(rule.id)),
      el("div", { class: "name" }, visible(`${whichRequests(rule)}: ${whatHappens(rule)}`)),
      el("div", { class: "struck" }, `struck ${number(rule.struck)}${limit}, ${number(rule.matched)} matched`),
    ),
    remove,
  );
}

function whichRequests(rule) {
  const operation = rule.operation === "*" ? "every operation" : rule.operation;
  const begins = rule.path && `${rule.path}…`;
  return [operation, rule.method, begins].filter(Boolean).join(" ") || "every request";
}

function whatHappens(rule) {
  const answer = rule.answer ?? rule.items;
  const said = answer && `${rule.items ? "single tasks get " : ""}${answer.status} ${answer.code}`;
  return [
    rule.delay && `${rule.delay} s late`,
    said,
    answer?.retryAfter !== undefined && `retry after ${answer.retryAfter} s`,
    rule.cut && (rule.when === "after" ? "carried out, the answer is lost" : "the connection is cut"),
    !rule.cut && rule.when === "after" && "after it is carried out",
    rule.probability < 1 && `${Math.round(rule.probability * 100)}% of them`,
    rule.skip && `after the first ${number(rule.skip)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function showQuotas(quotas) {
  const rows = Object.entries(quotas).map(([key, value]) => [
    el("dt", {}, QUOTAS[key] ?? visible(key)),
    el("dd", {}, number(value)),
  ]);
  show(byId("quotas"), rows.flat());
  byId("quotas").hidden = !rows.length;
  byId("quotas-end").hidden = rows.length > 0;
}

// One task.

function openTask(task) {
  selected = task;
  document.body.classList.add("with-panel");
  byId("panel").hidden = false;
  byId("panel-body").hidden = true;
  write(byId("panel-problem"), "");
  write(byId("panel-title"), visible(task.id));
  byId("panel-title").focus();
  poll();
}

function closeTask() {
  if (selected) {
    const key = taskKey(selected);
    selected = null;
    document.body.classList.remove("with-panel");
    byId("panel").hidden = true;
    markSelected();
    focusKey(key);
  }
}

function markSelected() {
  if (overview) {
    showTasks(overview.tasks);
  }
}

function showTask(task) {
  const { failure } = task;
  const facts = [
    ["State", taskState(task)],
    ["Exit code", task.exitCode !== null && String(task.exitCode)],
    ["Failure", failure && failureElement(failure)],
    ["Command", el("pre", { tabindex: "0", "aria-label": "Command line", role: "region" }, visible(task.commandLine))],
    ["Name", task.displayName && name(task.displayName)],
    ["Job", name(task.jobId)],
    ["Pool", task.poolId && name(task.poolId)],
    ["Node", task.nodeId && el("bdi", { class: "id" }, visible(task.nodeId))],
    ["Added", time(task.created)],
    ["Started", task.started && time(task.started)],
    ["Ended", task.ended && [time(task.ended), ` after ${took(task)}`]],
    ["Retries", task.retries > 0 && String(task.retries)],
    ["Requeued", task.requeues > 0 && times(task.requeues, "time")],
  ];
  show(
    byId("panel-facts"),
    facts.filter(([, value]) => value).flatMap(([title, value]) => [el("dt", {}, title), el("dd", {}, value)]),
  );
  showOutput("stdout", task);
  showOutput("stderr", task);
  write(byId("panel-problem"), "");
  byId("panel-body").hidden = false;
}

function failureElement({ code, message, details }) {
  const rows = details.map((detail) => el("div", { class: "dim" }, visible(`${detail.name}: ${detail.value}`)));
  return [el("div", { class: "problem" }, visible(`${code}: ${message}`)), ...rows];
}

function showOutput(stream, task) {
  const output = task[stream];
  write(byId(`${stream}-size`), output.problem ? "" : bytes(output.size));
  if (output.problem || !output.first) {
    const words = output.problem ?? (task.state === "completed" ? "Nothing was printed." : "Nothing printed yet.");
    show(byId(stream), el("p", { class: "dim" }, visible(words)));
    return;
  }
  const { first, omitted, last } = output;
  const part = (text, label) =>
    el("pre", { class: "output", tabindex: "0", role: "region", "aria-label": label }, visible(text));
  show(
    byId(stream),
    part(first, omitted ? `Beginning of ${stream}` : stream),
    omitted > 0 && [
      el("p", { class: "gap" }, `⋯ ${bytes(omitted)} in between are left out ⋯`),
      part(last, `End of ${stream}`),
    ],
  );
}

// Asking again and again while somebody looks.

let timer = null;
let asking = null;
let failures = 0;
let refusal = null;

/** Ask now; what is being asked does not matter any more. */
async function poll() {
  clearTimeout(timer);
  asking?.abort();
  if (document.hidden) {
    return;
  }
  const mine = new AbortController();
  asking = mine;
  const began = performance.now();
  try {
    await ask(mine.signal);
    failures = 0;
  } catch (error) {
    if (mine.signal.aborted) {
      return;
    }
    failures += 1;
    showTrouble(error.message);
  }
  const pause = failures ? PAUSE * 2 ** (failures - 1) : (performance.now() - began) * SHARE;
  timer = setTimeout(poll, Math.min(LONGEST_PAUSE, Math.max(PAUSE, pause)));
}

async function ask(signal) {
  const task = selected;
  overview = await send(question(), { signal });
  showOverview();
  if (task) {
    await askTask(task, signal);
  }
  showTrouble(null);
}

async function askTask(task, signal) {
  try {
    const found = await send(path("jobs", task.jobId, "tasks", task.id), { signal });
    showTask(found);
  } catch (error) {
    if (error.status !== 404) {
      throw error;
    }
    byId("panel-body").hidden = true;
    write(byId("panel-problem"), `${error.message} It may have been deleted.`);
  }
}

/** Say why what is shown is old, or else what was asked for last and not done. */
function showTrouble(words) {
  const said = words === null ? refusal : `What is shown is not up to date: ${words}`;
  byId("trouble").hidden = said === null;
  write(byId("trouble"), visible(said ?? ""));
  byId("freshness").className = words === null ? "fresh" : "stale";
  write(byId("freshness-words"), words === null ? "Up to date" : "Not up to date");
}

// What a person does.

const node = ({ pool, node: id }, act) => path("pools", pool, "nodes", id, act);

const ACTS = {
  open: ({ job, task }) => openTask({ jobId: job, id: task }),
  close: closeTask,
  more: () => ((wanted.rows = MOST_ROWS), poll()),
  job: ({ job }) => chooseJob(job === wanted.job ? null : job),
  "any-job": () => chooseJob(null),
  lose: (data) => asked("lose", data.node, () => send(node(data, "lose"), { method: "POST" })),
  replace: (data) =>
    asked("replace", data.node, () => send(node(data, "lose"), { method: "POST", body: { replace: true } })),
  preempt: (data) => asked("preempt", data.node, () => send(node(data, "preempt"), { method: "POST" })),
  recover: (data) => done(() => send(node(data, "recover"), { method: "POST" }), "The node recovers"),
  reset: () => asked("reset", "", () => send("reset", { method: "POST" })),
  preset: ({ at }) => done(() => switched(PRESETS[at].rules), PRESETS[at].name),
  "remove-fault": ({ fault }) => done(() => send(path("faults", fault), { method: "DELETE" }), "Removed"),
  "clear-faults": () => done(() => send("faults", { method: "DELETE" }), "All removed"),
};

function chooseJob(id) {
  wanted.job = id;
  wanted.rows = ROWS;
  poll();
}

/** Put rules in force, or remove them where all of them are. */
async function switched(rules) {
  const ids = new Set(overview.faults.rows.map((rule) => rule.id));
  if (!rules.every((rule) => ids.has(rule.id))) {
    await send("faults", { method: "POST", body: { faults: rules } });
    return;
  }
  for (const rule of rules) {
    await send(path("faults", rule.id), { method: "DELETE" });
  }
}

/** Do something, say so, and show what has become of it. */
async function done(act, words) {
  try {
    await act();
    refusal = null;
    write(byId("announcements"), words);
  } catch (error) {
    refusal = `This was not done: ${error.message}`;
    showTrouble(null);
  }
  await poll();
}

/** Do something if that is confirmed; what goes wrong is said in the dialog. */
function asked(what, subject, act) {
  const [title, words, yes] = QUESTIONS[what];
  const dialog = byId("question");
  write(byId("question-title"), title);
  write(byId("question-subject"), visible(subject));
  write(byId("question-words"), words);
  write(byId("question-problem"), "");
  write(byId("question-yes"), yes);
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    byId("question-yes").disabled = true;
    try {
      await act();
      refusal = null;
      dialog.close();
      write(byId("announcements"), "Done");
      poll();
    } catch (error) {
      write(byId("question-problem"), visible(error.message));
    }
    byId("question-yes").disabled = false;
  };
  dialog.showModal();
}

function move(event) {
  const buttons = [...byId("tasks").querySelectorAll("button.open")];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (at >= 0 && to !== undefined) {
    event.preventDefault();
    buttons[Math.max(0, Math.min(buttons.length - 1, to))].focus();
  }
}

function pressed(event) {
  const isWriting = event.target.matches("input, select");
  if (event.key === "/" && !isWriting && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    byId("tasks-find").focus();
  } else if (event.key === "Escape" && !byId("question").open && !(isWriting && event.target.value)) {
    closeTask();
  } else if (event.key === "ArrowDown" && event.target === byId("tasks-find")) {
    byId("tasks").querySelector("button.open")?.focus();
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) {
    ACTS[button.dataset.act](button.dataset);
  }
});
document.addEventListener("keydown", pressed);
byId("tasks").addEventListener("keydown", move);
byId("question-no").addEventListener("click", () => byId("question").close());
byId("filters").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["pools-find", "jobs-find", "tasks-find", "state"]) {
  byId(id).addEventListener("input", () => ((wanted.rows = ROWS), poll()));
}
document.addEventListener("visibilitychange", poll);
poll();
