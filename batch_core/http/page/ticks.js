// What the app's timers did last.

import { byId, el, show, since } from "./dom.js";
import { duration, number, now } from "./words.js";

const TITLES = {
  collect_outputs: "Collect output",
  sweep_files: "Find missed files",
  reconcile_tasks: "Finish interrupted work",
  scale_pools: "Scale pools",
  tidy_jobs: "Tidy jobs",
};
const LATE = 20 * 60 * 1000;

export function showTicks(ticks) {
  const known = Object.keys(TITLES).filter((name) => ticks?.[name]);
  const rows = known.map((name) => row(TITLES[name], ticks[name]));
  const empty = el(
    "p",
    { class: "dim" },
    ticks ? "No timer has run yet: the first does within a minute of the app's start." : "Not known right now.",
  );
  const hint = el("p", { class: "dim small" }, "A run that finds nothing to do is noted every five minutes only.");
  show(byId("ticks"), rows.length ? [el("ul", { class: "ticks" }, rows), hint] : empty);
}

function row(title, tick) {
  const isLate = now() - Date.parse(tick.at) > LATE;
  const done = counted(tick.did ?? {});
  const ago = el(
    "span",
    { class: isLate ? "ago late" : "ago" },
    isLate ? "last noted " : done.length ? "did something " : "was idle ",
    since(tick.at),
    " ago",
    isLate && ": is it still running?",
  );
  return el("li", {}, el("b", {}, title), ago, el("span", { class: "did" }, did(tick, done)));
}

function did(tick, done) {
  const words = done.length ? done.join(", ") : "nothing to do";
  return `${words}${tick.is_complete === false ? ", not done yet" : ""} · took ${duration(tick.seconds)}`;
}

function counted(figures) {
  return Object.entries(figures).flatMap(([what, count]) =>
    count && typeof count === "object"
      ? counted(count)
      : [`${typeof count === "number" ? number(count) : count} ${what.replaceAll("_", " ")}`],
  );
}
