// Many tasks at once: those that the table's filter fits are counted, and then cancelled or tried again.

import { ApiError, LONG_PATIENCE, post } from "./api.js";
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

/** Ask what to do to all tasks that a filter fits, have it begun, and return it; null if it was not wanted. */
export function manyAtOnce(filter, late) {
  const choices = choicesOf(filter);
  const choice = byId("many-what");
  // Nothing is chosen for somebody: only where there is one thing to do, it is that.
  choice.replaceChildren(
    ...(choices.length > 1 ? [el("option", { value: "" }, "Choose…")] : []),
    ...choices.map(({ words }, at) => el("option", { value: at }, words)),
  );
  show(byId("many-which"), which(filter, (filter.state ?? "").split(",").filter(Boolean)));
  let counting = null;
  const count = () => {
    counting?.abort();
    counting = new AbortController();
    countOf(choices[choice.value], filter, counting.signal);
  };
  const closed = () => {
    choice.removeEventListener("change", count);
    counting.abort();
  };
  choice.addEventListener("change", count);
  byId("many").addEventListener("close", closed, { once: true });
  count();
  return answered("many", () => begun(request(choices[choice.value], filter), late));
}

/** Have a selection begun; one whose reply does not come may have been, nevertheless: then `late()` is called. */
async function begun(selection, late) {
  try {
    return await post("selections", selection, { patience: LONG_PATIENCE });
  } catch (error) {
    if (!error.isLate) {
      throw error;
    }
    late();
    throw new ApiError(
      "the app has not answered yet; what has begun goes on by itself, and is shown above the tasks: look there first",
    );
  }
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
async function countOf(choice, filter, signal) {
  const yes = byId("many-yes");
  const problem = byId("many").querySelector(".problem");
  const isCancel = choice?.action === "cancel";
  yes.disabled = true;
  yes.textContent = choice ? (isCancel ? "Cancel them" : "Try them again") : "Go on";
  byId("many").classList.toggle("danger", isCancel);
  byId("many-count").textContent = choice ? "Counting…" : "";
  show(problem);
  if (!choice) {
    return;
  }
  try {
    const { count, is_all: isAll } = await post(
      "selections",
      { ...request(choice, filter), dry_run: true },
      { signal },
    );
    if (signal.aborted) {
      return;
    }
    const words = `${times(count, "task")}${isAll ? "" : " or more"}`;
    const isSome = count > 0 || !isAll;
    const leftOut = isCancel ? "those that are being cancelled" : "those that were tried again";
    byId("many-count").textContent = `${isSome ? words : "No task"}; ${leftOut} already are left out.`;
    yes.disabled = !isSome;
    if (isSome) {
      yes.textContent = isCancel ? `Cancel ${words}` : `Try ${words} again`;
    }
  } catch (error) {
    if (!signal.aborted) {
      byId("many-count").textContent = "";
      show(problem, sentence(error.message));
    }
  }
}

/** Return in words which tasks a filter fits, and of which states if they are to be said. */
export function which({ day, route, prefix }, states = []) {
  const parts = [
    states.length > 0 && `in the state ${states.map((state) => STATES[state] ?? state).join(" or ")}`,
    prefix && ["with a name that begins with ", name(prefix)],
    route && ["of route ", name(route)],
    day && `of ${day}`,
  ].filter(Boolean);
  return parts.length ? ["Files ", parts.flatMap((part, at) => [at > 0 && ", ", part])] : "All files";
}
