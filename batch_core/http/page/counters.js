// How many files are where; a click shows them.

import { byId, el } from "./dom.js";
import { age, number } from "./words.js";

/** Each counter: what it is called, what it counts, the note below, and the filter that shows just that. */
const COUNTERS = [
  { id: "queued", title: "Queued", count: (s) => s.open?.queued, note: oldest, filter: { state: "queued" } },
  {
    id: "submitted",
    title: "Submitted",
    count: (s) => s.open?.submitted,
    note: running,
    filter: { state: "submitted" },
  },
  {
    id: "succeeded",
    title: "Succeeded",
    count: (s) => ended(s, "succeeded"),
    note: today,
    filter: { state: "succeeded", day: "today" },
  },
  {
    id: "failed",
    title: "Failed",
    count: (s) => ended(s, "failed"),
    note: lastHour("failed"),
    filter: { state: "failed", day: "today" },
  },
  {
    id: "output_lost",
    title: "Output lost",
    count: (s) => ended(s, "output_lost"),
    note: lastHour("output_lost"),
    filter: { state: "output_lost", day: "today" },
  },
  {
    id: "stopped",
    title: "Rejected, cancelled",
    count: (s) => (s.today ? ended(s, "rejected") + ended(s, "cancelled") : undefined),
    note: stopped,
    filter: { state: "rejected,cancelled", day: "today" },
  },
];

const shown = new Map();

/** Make the counters; `choose(filter)` is called with what one of them counts, or with no filter at a second click. */
export function makeCounters(choose) {
  for (const counter of COUNTERS) {
    const parts = { value: el("b", {}, "–"), note: el("small", {}, "\u00a0") };
    const dot = el("i", { class: `dot ${counter.id}`, "aria-hidden": "true" });
    parts.button = el(
      "button",
      { class: "card count", type: "button", id: `count-${counter.id}`, "aria-pressed": "false" },
      el("span", {}, dot, counter.title),
      parts.value,
      parts.note,
    );
    parts.button.addEventListener("click", () => choose(parts.isOn ? {} : counter.filter));
    shown.set(counter.id, parts);
    byId("counters").append(parts.button);
  }
}

export function showCounters(summary) {
  for (const counter of COUNTERS) {
    const { value, note, button } = shown.get(counter.id);
    const count = counter.count(summary);
    const isSome = summary.open?.is_all === false && ["queued", "submitted"].includes(counter.id);
    value.textContent = count === undefined ? "–" : `${number(count)}${isSome ? "+" : ""}`;
    note.textContent = (count === undefined ? "not known right now" : counter.note(summary)) || "\u00a0";
    button.classList.toggle("none", !count);
  }
}

/** Mark the counter that the table is filtered by. */
export function markCounter(filter) {
  for (const counter of COUNTERS) {
    const parts = shown.get(counter.id);
    parts.isOn =
      counter.filter.state === filter.state &&
      (counter.filter.day ?? "") === filter.day &&
      !filter.route &&
      !filter.text;
    parts.button.setAttribute("aria-pressed", String(parts.isOn));
  }
}

function ended(summary, state) {
  return summary.today ? (summary.today.states[state] ?? 0) : undefined;
}

function oldest({ open, paused }) {
  const held = paused?.intake
    ? open.queued
    : Object.keys(paused?.routes ?? {}).reduce((sum, route) => sum + (open.by_route[route]?.queued ?? 0), 0);
  if (held) {
    return held === open.queued ? "paused" : `${number(held)} of them paused`;
  }
  return open.oldest?.state === "queued"
    ? `oldest ${age(open.oldest.recorded_at)}`
    : open.queued
      ? "on their way to Batch"
      : "none waits";
}

function running({ open, pools }) {
  if (!pools) {
    return "in Batch";
  }
  const atWork = Math.min(
    open.submitted,
    pools.reduce((sum, pool) => sum + pool.running, 0),
  );
  return open.submitted ? `${number(atWork)} running now` : "nothing to do";
}

function today() {
  return "today";
}

/** Of the two states that are counted together, say which. */
function stopped(summary) {
  const parts = ["rejected", "cancelled"].flatMap((state) =>
    ended(summary, state) ? [`${number(ended(summary, state))} ${state}`] : [],
  );
  return parts.length === 1 ? `${parts[0]} today` : parts.join(", ") || "today";
}

function lastHour(state) {
  return ({ minutes }) => {
    const recent = (minutes ?? []).reduce((sum, minute) => sum + (minute.states[state] ?? 0), 0);
    return recent ? `today, ${number(recent)} in the last hour` : "today";
  };
}
