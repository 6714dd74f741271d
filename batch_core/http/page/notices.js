// What keeps files waiting that no counter shows: routes that cannot be read, and what people have paused.

import { byId, el, name, refocus, show } from "./dom.js";
import { clock, number } from "./words.js";

/** What shows all that is wrong with the routes. */
const CHECK = "batchdrop routes check";

let isWhole = false;

export function showNotices({ routes_problem: problem, paused }) {
  showProblem(problem);
  const routes = Object.entries(paused?.routes ?? {});
  const lines = [
    paused?.intake && line("The intake is paused", paused.intake, "the intake", null),
    ...routes.map(([route, pause]) => line(["Route ", name(route), " is paused"], pause, `route ${route}`, route)),
  ].filter(Boolean);
  const banner = byId("paused");
  const active = document.activeElement;
  const hadFocus = banner.contains(active);
  banner.hidden = !lines.length;
  show(banner, lines);
  // Who has resumed something goes on with the next notice, or where it can be paused again.
  if (hadFocus && (banner.hidden || !banner.contains(document.activeElement))) {
    const next = banner.querySelector("button")?.dataset.key;
    refocus(active, next, `change${active.dataset.route === undefined ? "" : ` ${active.dataset.route}`}`, "search");
  }
}

/** `resume(route)` lets a route go on, or everything where it is null. */
export function makeNotices(resume) {
  byId("routes-problem-all").addEventListener("click", () => {
    isWhole = !isWhole;
    showWhole();
  });
  byId("paused").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) {
      resume(button.dataset.route ?? null);
    }
  });
}

/** The first of the problems, and how many there are: all of them are shown when somebody asks. */
function showProblem(problem) {
  const [first, ...others] = problemsOf(problem ?? "");
  const more = others.length ? `This is the first of ${number(others.length + 1)} problems. ` : "";
  byId("routes-problem").hidden = !problem;
  show(byId("routes-problem-words"), first);
  show(byId("routes-problem-more"), more, !problem?.includes(CHECK) && [el("code", {}, CHECK), " shows all."]);
  show(
    byId("routes-problem-others"),
    others.map((one) => el("li", {}, one)),
  );
  showWhole();
}

function showWhole() {
  const words = byId("routes-problem-words");
  const others = byId("routes-problem-others");
  words.classList.toggle("cut", !isWhole);
  byId("routes-problem-more").hidden = isWhole;
  others.hidden = !isWhole || !others.childElementCount;
  const isMore = others.childElementCount || words.scrollHeight > words.clientHeight + 1;
  byId("routes-problem-all").hidden = !isWhole && !isMore;
  byId("routes-problem-all").textContent = isWhole ? "Show less" : "Show all";
  byId("routes-problem-all").setAttribute("aria-expanded", String(isWhole));
}

/** Return the problems that a text joins: each begins with the name of the file. */
function problemsOf(text) {
  const [file] = /^[^\s,:;]*/.exec(text);
  return file ? text.split(`; ${file}`).map((part, at) => (at ? file + part : part)) : [text];
}

function line(words, pause, what, route) {
  const by = pause.asked_by ? [" by ", name(pause.asked_by)] : "";
  return el(
    "div",
    { class: "line" },
    el("span", {}, el("b", {}, words), ` since ${clock(pause.since)}`, by, ": its files wait."),
    el(
      "button",
      { type: "button", "data-route": route, "data-key": `notice ${what}`, "aria-label": `Resume ${what}` },
      "Resume",
    ),
  );
}
