// The last hour: what ended in each minute, and how long it had waited for its start.

import { byId, el, show, svg } from "./dom.js";
import { duration, number, STATES } from "./words.js";

const WIDTH = 340;
const STEP = WIDTH / 60;
const HEIGHT = 64;
/** What ended, by the class that draws it; cancelled and rejected files are no successes. */
const ENDED = {
  ok: ["succeeded"],
  bad: ["failed", "output_lost"],
  off: ["cancelled", "rejected"],
};

export function showChart(minutes) {
  if (!minutes) {
    show(byId("chart"), el("p", { class: "dim" }, "Not known right now."));
    return;
  }
  const all = minutes.map(figures);
  show(byId("chart"), ended(all), waited(all));
}

function figures(minute) {
  const kinds = Object.entries(ENDED).map(([kind, states]) => [kind, sum(states, (state) => minute.states[state])]);
  return {
    minute: minute.minute,
    states: minute.states,
    ...Object.fromEntries(kinds),
    total: sum(kinds, ([, count]) => count),
    average: minute.wait_seconds?.average,
    longest: minute.wait_seconds?.longest,
  };
}

function ended(all) {
  const most = Math.max(...all.map((one) => one.total));
  const totals = Object.fromEntries(
    Object.values(ENDED)
      .flat()
      .map((state) => [state, sum(all, (one) => one.states[state])]),
  );
  const total = sum(all, (one) => one.total);
  const words = total ? `${number(total)} ended, at most ${number(most)} a minute` : "nothing has ended";
  // Each bar is drawn over the one behind it: what failed is at the bottom, what was stopped above it.
  const bars = all.flatMap((one, index) => [
    bar("ok", index, one.ok && one.total / most),
    bar("off", index, one.off && (one.off + one.bad) / most),
    bar("bad", index, one.bad / most),
  ]);
  return drawing(
    { title: "Files a minute", words, bars, details: counts(totals) },
    all,
    (one) => counts(one.states) || "nothing ended",
    total ? legend(totals) : null,
  );
}

/** Return in words how many ended in which state. */
function counts(states, among = Object.values(ENDED).flat()) {
  return among
    .filter((state) => states[state])
    .map((state) => `${number(states[state])} ${STATES[state].toLowerCase()}`)
    .join(", ");
}

function legend(totals) {
  const items = Object.entries(ENDED)
    .map(([kind, states]) => [kind, counts(totals, states)])
    .filter(([, words]) => words);
  return el(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    items.map(([kind, words]) => el("li", {}, el("i", { class: `key ${kind}` }), words)),
  );
}

function waited(all) {
  const known = all.filter((one) => one.average !== null && one.average !== undefined);
  const most = Math.max(...known.map((one) => one.longest), 1);
  const average = sum(known, (one) => one.average) / (known.length || 1);
  const words = known.length ? `${duration(average)} on average, at most ${duration(most)}` : "nothing has started";
  const bars = all.flatMap((one, index) => [
    bar("longest", index, (one.longest ?? 0) / most),
    bar("average", index, (one.average ?? 0) / most),
  ]);
  return drawing({ title: "Waited for their start", words, bars }, all, (one) =>
    one.average === undefined
      ? "nothing started"
      : `${duration(one.average)} on average, at most ${duration(one.longest)}`,
  );
}

function bar(kind, index, part) {
  if (!(part > 0)) {
    return null;
  }
  const height = Math.max(2, part * HEIGHT);
  return svg("rect", {
    class: kind,
    x: (index * STEP + 0.6).toFixed(2),
    y: (HEIGHT - height).toFixed(2),
    width: (STEP - 1.2).toFixed(2),
    height: height.toFixed(2),
    rx: 1,
  });
}

function drawing({ title, words, bars, details }, all, tip, key = null) {
  const columns = all.map((one, index) =>
    svg(
      "rect",
      { class: "column", x: index * STEP, y: 0, width: STEP, height: HEIGHT },
      svg("title", {}, `${one.minute} UTC: ${tip(one)}`),
    ),
  );
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`,
      role: "img",
      "aria-label": `${title} over the last hour: ${[words, details].filter(Boolean).join("; ")}`,
    },
    svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 }),
    bars,
    columns,
    label(0, "start", "an hour ago"),
    label(WIDTH / 2, "middle", "30 min"),
    label(WIDTH, "end", "now"),
  );
  return el("figure", {}, el("figcaption", {}, el("b", {}, title), el("span", {}, words)), picture, key);
}

const sum = (all, count) => all.reduce((total, one) => total + (count(one) ?? 0), 0);

function label(x, anchor, text) {
  return svg("text", { x, y: HEIGHT + 13, "text-anchor": anchor }, text);
}
