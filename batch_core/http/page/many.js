// Many tasks at once: those that the table's filter fits are counted, and then cancelled or tried again.

import { post } from "./api.js";
import { answered } from "./dialogs.js";
import { byId, el, name, show } from "./dom.js";
import { sentence, STATES, times } from "./words.js";

const CHOICES = [
  { action: "cancel", state: ["queued", "submitted"], words: "Cancel what has not ended" },
  { action: "retry", state: ["failed"], words: "Try what failed again" },
  { action: "retry", state: ["output_lost"], words: "Try again where the output was lost" },
  { action: "retry", state: ["cancelled"], words: "Try what was cancelled again" },
  { action: "retry", state: ["rejected"], words: "Try what was rejected again" },
  { action: "retry", state: ["succeeded"], words: "Run what succeeded again" },
];

let counting = null;

/** Ask what to do to all tasks that a filter fits, have it begun, and return the selection; null if it was not wanted. */
export async function manyAtOnce(filter) {
  const choices = choicesOf(filter);
  const choice = byId("many-what");
  choice.replaceChildren(...choices.map(({ words }, at) => el("option", { value: at }, words)));
  show(byId("many-which"), which(filter));
  const count = () => countOf(choices[choice.value], filter);
  choice.addEventListener("change", count);
  count();
  const reply = await answered("many", () => post("selections", request(choices[choice.value], filter)));
  choice.removeEventListener("change", count);
  counting?.abort();
  return reply;
}

/** Return what can be done to tasks of the states that the filter names, or to those of any state. */
function choicesOf({ state }) {
  const wanted = state ? state.split(",") : Object.keys(STATES);
  return CHOICES.map((choice) => ({ ...choice, state: choice.state.filter((one) => wanted.includes(one)) })).filter(
    (choice) => choice.state.length,
  );
}

const request = ({ action, state }, { day, route, prefix }) => ({ action, state, day, route, prefix });

/** Count the tasks; the button that does it is off until that is known, and where there are none. */
async function countOf(choice, filter) {
  counting?.abort();
  const { signal } = (counting = new AbortController());
  const yes = byId("many-yes");
  const problem = byId("many").querySelector(".problem");
  yes.disabled = true;
  yes.textContent = choice.action === "cancel" ? "Cancel them" : "Try them again";
  byId("many").classList.toggle("danger", choice.action === "cancel");
  byId("many-count").textContent = "Counting…";
  show(problem);
  try {
    const { count, is_all: isAll } = await post("selections", { ...request(choice, filter), dry_run: true }, signal);
    const words = `${times(count, "task")}${isAll ? "" : " or more"}`;
    byId("many-count").textContent = count || !isAll ? words : "There is no such task.";
    yes.disabled = !count && isAll;
    yes.textContent = choice.action === "cancel" ? `Cancel ${words}` : `Try ${words} again`;
  } catch (error) {
    if (!signal.aborted) {
      byId("many-count").textContent = "";
      show(problem, sentence(error.message));
    }
  }
}

/** Return in words which tasks a filter fits. */
export function which({ day, route, prefix }) {
  const parts = [
    prefix && ["with a name that begins with ", name(prefix)],
    route && ["of route ", name(route)],
    day && `of ${day}`,
  ].filter(Boolean);
  return parts.length ? ["Files ", parts.flatMap((part, at) => [at > 0 && ", ", part])] : "All files";
}
