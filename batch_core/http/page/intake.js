// The intake: what each route has under way and has ended today, and what people have paused.

import { byId, el, name, show } from "./dom.js";
import { number } from "./words.js";

/** More routes than these are shown when somebody asks. */
const MOST = 8;

let isWhole = false;
let shown = null;

/** `change(what, route)` pauses or resumes a route, or everything where it is null; `filterBy(route)` shows its tasks. */
export function makeIntake(change, filterBy) {
  byId("intake-all").addEventListener("click", ({ currentTarget: { dataset } }) => change(dataset.what, null));
  byId("intake").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.what) {
      change(button.dataset.what, button.dataset.route);
    } else if (button?.dataset.route !== undefined) {
      filterBy(button.dataset.route);
    } else if (button) {
      isWhole = !isWhole;
      showIntake(shown);
    }
  });
}

export function showIntake(summary) {
  shown = summary;
  const { paused } = summary;
  const button = byId("intake-all");
  button.hidden = !paused;
  button.dataset.what = paused?.intake ? "resume" : "pause";
  button.textContent = paused?.intake ? "Resume all" : "Pause all";
  const routes = routesOf(summary);
  show(
    byId("intake"),
    routes.length > 1 && paused?.intake && el("p", { class: "paused" }, words(summary)),
    routes.length > 1
      ? el("ul", { class: "routes" }, routes.slice(0, isWhole ? routes.length : MOST).map(row))
      : el("p", { class: "dim" }, words(summary)),
    routes.length > MOST &&
      el(
        "button",
        { type: "button", class: "link", "data-key": "routes" },
        isWhole ? "Show fewer" : `Show all ${number(routes.length)} routes`,
      ),
  );
}

/** Return the routes that there are, and those that have work though they are gone: the busy ones first. */
function routesOf({ routes, open, today, paused }) {
  const busy = [open?.by_route, today?.by_route, paused?.routes].flatMap((part) => Object.keys(part ?? {}));
  const names = new Set([...(routes ?? []), ...busy.filter(Boolean).sort()]);
  const found = [...names].map((route) => ({
    route,
    isKnown: Boolean(paused),
    pause: paused?.routes[route],
    open: open?.by_route[route],
    ended: today?.by_route[route] ?? {},
  }));
  // Within a rank they keep their order: figures that change move nothing.
  return found.sort((one, other) => rank(one) - rank(other));
}

const rank = ({ open, ended }) => (under(open) ? 0 : done(ended) ? 1 : 2);

function row({ route, isKnown, pause, open, ended }) {
  const what = pause ? "resume" : "pause";
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "link", "data-route": route, "data-key": `filter ${route}`, title: "Show its tasks" },
      name(route),
    ),
    isKnown &&
      el(
        "button",
        {
          type: "button",
          class: "small",
          "data-what": what,
          "data-route": route,
          "data-key": `change ${route}`,
          "aria-label": `${pause ? "Resume" : "Pause"} route ${route}`,
        },
        pause ? "Resume" : "Pause",
      ),
    el(
      "p",
      { class: "did" },
      pause && [el("b", { class: "paused" }, "Paused"), " · "],
      [under(open), done(ended)].filter(Boolean).join(" · ") || "nothing today",
    ),
  );
}

function under(open) {
  const { queued = 0, submitted = 0 } = open ?? {};
  return [queued && `${number(queued)} queued`, submitted && `${number(submitted)} in Batch`]
    .filter(Boolean)
    .join(", ");
}

function done(ended) {
  const all = Object.values(ended).reduce((sum, count) => sum + count, 0);
  return all ? `${number(all)} ended today${ended.failed ? `, ${number(ended.failed)} failed` : ""}` : "";
}

function words({ routes, paused }) {
  if (!routes) {
    return "All files wait: the routes cannot be read.";
  }
  if (!paused) {
    return "Whether it is paused is not known right now.";
  }
  return paused.intake ? "All is paused: files wait until it is resumed." : "Files are handed to Batch as they come.";
}
