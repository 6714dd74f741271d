// The last hour: what ended in each minute, and how long it had waited for its start.

import { byId, el, show, svg } from "./dom.js";
import { duration, number } from "./words.js";

const WIDTH = 340;
const STEP = WIDTH / 60;
const HEIGHT = 64;
const FAILED = ["failed", "output_lost"];

export function showChart(minutes) {
  if (!minutes) {
    show(byId("chart"), el("p", { class: "dim" }, "Not known right now."));
    return;
  }
  const all = minutes.map(figures);
  show(byId("chart"), ended(all), waited(all));
}

function figures(minute) {
  const states = Object.entries(minute.states);
  const total = states.reduce((sum, [, count]) => sum + count, 0);
  const failed = states.reduce((sum, [state, count]) => sum + (FAILED.includes(state) ? count : 0), 0);
  return {
    minute: minute.minute,
    total,
    failed,
    average: minute.wait_seconds?.average,
    longest: minute.wait_seconds?.longest,
  };
}

function ended(all) {
  const most = Math.max(...all.map((one) => one.total));
  const total = all.reduce((sum, one) => sum + one.total, 0);
  const failed = all.reduce((sum, one) => sum + one.failed, 0);
  const words = total
    ? `${number(total)} ended, ${number(failed)} failed, at most ${number(most)} a minute`
    : "nothing has ended";
  const bars = all.flatMap((one, index) => [
    bar("ok", index, one.total / most, 0),
    bar("bad", index, one.failed / most, 0),
  ]);
  return drawing("Files a minute", words, bars, all, (one) =>
    one.total ? `${number(one.total)} ended, ${number(one.failed)} failed` : "nothing ended",
  );
}

function waited(all) {
  const known = all.filter((one) => one.average !== null && one.average !== undefined);
  const most = Math.max(...known.map((one) => one.longest), 1);
  const average = known.reduce((sum, one) => sum + one.average, 0) / (known.length || 1);
  const words = known.length ? `${duration(average)} on average, at most ${duration(most)}` : "nothing has started";
  const bars = all.flatMap((one, index) => [
    bar("longest", index, (one.longest ?? 0) / most, 0),
    bar("average", index, (one.average ?? 0) / most, 0),
  ]);
  return drawing("Waited for their start", words, bars, all, (one) =>
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

function drawing(title, words, bars, all, tip) {
  const columns = all.map((one, index) =>
    svg(
      "rect",
      { class: "column", x: index * STEP, y: 0, width: STEP, height: HEIGHT },
      svg("title", {}, `${one.minute} UTC: ${tip(one)}`),
    ),
  );
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT + 16}`, role: "img", "aria-label": `${title} over the last hour: ${words}` },
    svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 }),
    bars,
    columns,
    label(0, "start", "an hour ago"),
    label(WIDTH / 2, "middle", "30 min"),
    label(WIDTH, "end", "now"),
  );
  return el("figure", {}, el("figcaption", {}, el("b", {}, title), el("span", {}, words)), picture);
}

function label(x, anchor, text) {
  return svg("text", { x, y: HEIGHT + 14, "text-anchor": anchor }, text);
}
