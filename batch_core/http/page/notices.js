// What keeps files waiting that no counter shows: routes that cannot be read, and what people have paused.

import { byId, el, localTime, name, show } from "./dom.js";

export function showNotices({ routes_problem: problem, paused }) {
  byId("routes-problem").hidden = !problem;
  byId("routes-problem-words").textContent = problem ?? "";
  const routes = Object.entries(paused?.routes ?? {});
  const lines = [
    paused?.intake && line("The intake is paused", paused.intake),
    ...routes.map(([route, pause]) => line(["Route ", name(route), " is paused"], pause)),
  ].filter(Boolean);
  byId("paused").hidden = !lines.length;
  show(byId("paused"), lines, lines.length > 0 && el("span", { class: "dim" }, "POST /api/resume lets it go on."));
}

function line(words, pause) {
  const by = pause.asked_by ? [" by ", name(pause.asked_by)] : "";
  return el("span", {}, el("b", {}, words), ` since ${localTime(pause.since)}`, by, ": its files wait.");
}
