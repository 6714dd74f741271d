// What keeps files waiting that no counter shows: routes that cannot be read, and what people have paused.

import { byId, el, localTime, name, show } from "./dom.js";

export function showNotices({ routes_problem: problem, paused }) {
  byId("routes-problem").hidden = !problem;
  byId("routes-problem-words").textContent = problem ?? "";
  const routes = Object.entries(paused?.routes ?? {});
  const lines = [
    paused?.intake && line("The intake is paused", paused.intake, "the intake", null),
    ...routes.map(([route, pause]) => line(["Route ", name(route), " is paused"], pause, `route ${route}`, route)),
  ].filter(Boolean);
  byId("paused").hidden = !lines.length;
  show(byId("paused"), lines);
}

/** `resume(route)` lets a route go on, or everything where it is null. */
export function makeNotices(resume) {
  byId("paused").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) {
      resume(button.dataset.route ?? null);
    }
  });
}

function line(words, pause, what, route) {
  const by = pause.asked_by ? [" by ", name(pause.asked_by)] : "";
  return el(
    "div",
    { class: "line" },
    el("span", {}, el("b", {}, words), ` since ${localTime(pause.since)}`, by, ": its files wait."),
    el("button", { type: "button", "data-route": route, "aria-label": `Resume ${what}` }, "Resume"),
  );
}
