// Pools as a picture: each box a node, each square in it a task slot.

import { byId, el, name, show } from "./dom.js";
import { number, sentence, times } from "./words.js";

/** A node with more slots than this is drawn as one bar. */
const MOST_SQUARES = 16;
/** Nodes that are asked for and have not come, drawn one by one up to this many. */
const MOST_AWAITED = 24;

/** What Batch's words for a node mean, by the class that draws it. */
const KINDS = {
  able: { states: ["idle", "running"], words: "takes tasks" },
  starting: {
    states: ["creating", "starting", "waitingforstarttask", "rebooting", "reimaging", "upgradingos"],
    words: "is starting",
  },
  preempted: { states: ["preempted"], words: "was preempted" },
  broken: { states: ["unusable", "starttaskfailed", "unknown"], words: "is broken" },
  leaving: { states: ["leavingpool", "deallocating", "deallocated"], words: "is leaving" },
};
const LEGEND = {
  taken: "slot taken",
  free: "slot free",
  starting: "node starting",
  closed: "closed to tasks",
  preempted: "preempted",
  broken: "broken",
  leaving: "leaving",
};

export function showPools({ pools, routes_problem: problem }) {
  if (problem && !pools?.length) {
    show(
      byId("pools"),
      el("p", { class: "dim" }, "Which pools there are is not known while the routes cannot be read."),
    );
    return;
  }
  if (!pools) {
    show(byId("pools"), el("p", { class: "dim" }, "Batch has not answered: what its pools do is not known right now."));
    return;
  }
  const focused = document.activeElement.closest?.(".node")?.dataset.id;
  const seen = new Set();
  const drawn = pools.map((pool) => drawnPool(pool, seen));
  const empty = el("p", { class: "dim" }, "No pool is described: see BATCH_POOL_ID in docs/settings.md.");
  show(byId("pools"), drawn.length ? drawn : empty, seen.size ? legend(seen) : null);
  if (focused !== undefined && !document.activeElement.closest?.(".node")) {
    [...byId("pools").querySelectorAll(".node")].find((node) => node.dataset.id === focused)?.focus();
  }
}

/** The arrow keys go from node to node: Tab stops at a pool's first alone. */
export function makePools() {
  byId("pools").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const node = event.target.closest(".node");
    if (node && step) {
      event.preventDefault();
      const all = [...node.parentElement.querySelectorAll(".node")];
      all[Math.max(0, Math.min(all.length - 1, all.indexOf(node) + step))].focus();
    }
  });
}

function drawnPool(pool, seen) {
  const title = el("h3", {}, name(pool.id));
  const notes = [pool.trouble, ...pool.errors].filter(
    (text, at, all) => text && !all.slice(0, at).some((before) => before.includes(text)),
  );
  return el(
    "div",
    { class: "pool" },
    el("div", { class: "head" }, title, el("span", {}, size(pool))),
    nodes(pool, seen),
    el(
      "p",
      { class: "dim small" },
      [slots(pool), `${pool.node_hours_today.toFixed(1)} node-hours today`].filter(Boolean).join(" · "),
    ),
    notes.map((text) => el("p", { class: "note" }, sentence(text))),
  );
}

function size(pool) {
  if (pool.nodes === null) {
    return "not known";
  }
  const target = pool.target === pool.nodes ? "" : ` of ${number(pool.target)} wanted`;
  const bounds = pool.scale ? `, ${pool.scale.min} to ${pool.scale.max}` : "";
  const rest = pool.nodes || pool.target ? "" : pool.scale ? ": nothing to do" : "";
  return `${times(pool.nodes, "node")}${target}${bounds}${rest}`;
}

function slots(pool) {
  const able = pool.node_list.filter((node) => node.is_open && kindOf(node) === "able");
  const taken = able.reduce((sum, node) => sum + node.slots, 0);
  const total = able.length * (pool.slots_per_node ?? 1);
  return total ? `${number(taken)} of ${times(total, "slot")} taken` : "";
}

function nodes(pool, seen) {
  const drawn = pool.node_list.map((node) => drawnNode(node, pool.slots_per_node ?? 1, seen));
  const awaited = Math.max(0, Math.min(MOST_AWAITED, (pool.target ?? 0) - pool.node_list.length));
  const coming = Array.from({ length: awaited }, () => awaitedNode(pool.slots_per_node ?? 1));
  if (awaited) {
    seen.add("starting");
  }
  const more = pool.nodes - drawn.length;
  [...drawn, ...coming].forEach((node, at) => node.setAttribute("tabindex", at ? "-1" : "0"));
  const all = [...drawn, ...coming, more > 0 ? el("li", { class: "dim" }, `and ${number(more)} more`) : null];
  return drawn.length || awaited ? el("ul", { class: "nodes" }, all) : null;
}

function drawnNode(node, perNode, seen) {
  const kind = kindOf(node);
  const isClosed = !node.is_open && ["able", "starting"].includes(kind);
  const shownAs = isClosed ? "closed" : kind;
  for (const what of kind === "able"
    ? [node.slots && "taken", node.slots < perNode && "free", isClosed && "closed"]
    : [shownAs]) {
    what && seen.add(what);
  }
  const words = description(node, kind, isClosed, perNode);
  return el(
    "li",
    { class: `node ${shownAs}`, "data-id": node.id },
    el("span", { class: "tip" }, el("bdi", { class: "mono" }, node.id), ` ${words}`),
    squares(node.slots, perNode),
  );
}

function awaitedNode(perNode) {
  const words = "A node that is asked for and has not come yet";
  return el("li", { class: "node starting", "data-id": "" }, el("span", { class: "tip" }, words), squares(0, perNode));
}

function description(node, kind, isClosed, perNode) {
  const spot = node.is_dedicated ? "" : "(Spot) ";
  const idle = kind === "able" ? ", nothing runs on it" : "";
  const taken = node.slots
    ? `, ${node.slots} of ${times(perNode, "slot")} taken by ${times(node.tasks, "task")}`
    : idle;
  return `${spot}${isClosed ? "is closed to new tasks" : KINDS[kind].words} (${node.state})${taken}`;
}

function squares(taken, perNode) {
  if (perNode > MOST_SQUARES) {
    const bar = el("i", { class: "load", "aria-hidden": "true" });
    bar.style.setProperty("--part", `${Math.round((100 * taken) / perNode)}%`);
    return bar;
  }
  const grid = el("span", { class: "slots", "aria-hidden": "true" });
  grid.style.setProperty("--columns", Math.ceil(Math.sqrt(perNode)));
  grid.append(...Array.from({ length: perNode }, (_, index) => el("i", { class: index < taken ? "taken" : "free" })));
  return grid;
}

/** Return how a node is drawn; Batch calls one offline that is closed and on which nothing runs. */
function kindOf(node) {
  const found = Object.entries(KINDS).find(([, kind]) => kind.states.includes(node.state.toLowerCase()));
  return found ? found[0] : node.state.toLowerCase() === "offline" ? "able" : "broken";
}

function legend(seen) {
  const items = Object.keys(LEGEND).filter((kind) => seen.has(kind));
  return el(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    items.map((kind) => el("li", {}, el("i", { class: `key ${kind}` }), LEGEND[kind])),
  );
}
