// What is asked before something is done: which file, whether really, and the key.

import { post, taskPath } from "./api.js";
import { announce, byId, el, name, refocus, show } from "./dom.js";
import { sentence } from "./words.js";

/** A reply that comes within this time needs no words. */
const SOON = 1_000;

const QUESTIONS = {
  cancel: {
    title: "Cancel this task?",
    words: "It is stopped where it is. What it has printed until then is kept.",
    yes: "Cancel the task",
    no: "Keep running",
    isDanger: true,
  },
  retry: {
    title: "Try again?",
    words: "A new attempt is made at the same version of the file. This one stays as it is.",
    yes: "Try again",
    no: "Not now",
  },
  pause: {
    title: "Pause",
    words: "Files that come meanwhile are recorded, and wait. What Batch has already runs on.",
    yes: "Pause",
    no: "Not now",
  },
  resume: {
    title: "Resume",
    words: "Files that wait are handed to Batch, beginning with the next tick.",
    yes: "Resume",
    no: "Keep paused",
  },
};

/** Ask whether to cancel or retry a task, do it, and return the reply; null if it was not wanted. */
export function question(what, task) {
  return asked(QUESTIONS[what], task.blob, () => post(taskPath(task.task_id, `/${what}`)));
}

/** Ask whether to pause or resume a route, or all of the intake where it is null; do it, and return what is paused. */
export function pauseQuestion(what, route) {
  const { title, ...rest } = QUESTIONS[what];
  const subject = route === null ? "all files" : `route ${route}`;
  return asked({ ...rest, title: `${title} ${route === null ? "all files" : "this route"}?` }, subject, () =>
    post(what, route === null ? undefined : { route }),
  );
}

function asked({ title, words, yes, no, isDanger }, subject, act) {
  byId("question-title").textContent = title;
  show(byId("question-file"), name(subject));
  byId("question-words").textContent = words;
  byId("question-yes").textContent = yes;
  byId("question-no").textContent = no;
  byId("question").classList.toggle("danger", Boolean(isDanger));
  return answered("question", act);
}

/** Ask which file to submit, submit it, and return the reply; null if none was wanted. */
export function submission(routes) {
  const choice = byId("submit-route");
  choice.replaceChildren(
    el("option", { value: "" }, "The one that its name matches"),
    ...routes.map((route) => el("option", { value: route }, route)),
  );
  byId("submit-again").checked = false;
  return answered("submit", () => {
    const route = choice.value ? { route: choice.value } : {};
    const force = byId("submit-again").checked ? { force: true } : {};
    return post("tasks", { blob: byId("submit-name").value, ...route, ...force });
  });
}

/** Ask for a function key; null if it is not given. */
export function keyNeeded(isWrong) {
  byId("key-words").textContent = isWrong
    ? "The app does not take this key. Another one, perhaps:"
    : "The app asks for a function key. It stays in this tab, until you close it.";
  byId("key-value").value = "";
  return answered("key", async () => byId("key-value").value.trim() || null);
}

/**
 * Show a dialog until it is closed, or what it asks for is done; what goes wrong is said in it.
 *
 * While the request is under way the dialog stays as it is. A browser may close it nevertheless: then the reply still
 * counts, and whatever the dialog shows by then is left alone.
 */
export function answered(id, act) {
  const dialog = byId(id);
  const form = dialog.querySelector("form");
  const problem = dialog.querySelector(".problem");
  show(problem);
  return new Promise((resolve) => {
    const opener = document.activeElement;
    let isOpen = true;
    let release = null;
    let result = null;
    const submit = async (event) => {
      event.preventDefault();
      if (release) {
        return;
      }
      release = hold(dialog);
      show(problem);
      let failure = null;
      try {
        result = await act();
      } catch (error) {
        failure = sentence(error.message);
      }
      if (!isOpen) {
        announce(failure ?? "");
        resolve(result);
        return;
      }
      release();
      release = null;
      if (failure === null) {
        dialog.close();
      } else {
        show(problem, failure);
      }
    };
    const closed = () => {
      isOpen = false;
      form.removeEventListener("submit", submit);
      // What opened it may have been made again meanwhile.
      const active = document.activeElement;
      if (!opener.isConnected && (active === document.body || dialog.contains(active))) {
        refocus(opener, "search");
      }
      if (release) {
        release();
      } else {
        resolve(result);
      }
    };
    form.addEventListener("submit", submit);
    dialog.addEventListener("close", closed, { once: true });
    dialog.showModal();
  });
}

/** Keep a dialog open and unchanged, and say so if that takes a while; returns a function that ends this. */
function hold(dialog) {
  const active = document.activeElement;
  const controls = [...dialog.querySelectorAll("button, input, select")].filter((control) => !control.disabled);
  const waiting = dialog.querySelector(".waiting");
  const stay = (event) => {
    // The one that asks for the key may lie above: it comes last in the page.
    const above = [...document.querySelectorAll("dialog[open]")].at(-1);
    if (above === dialog && (event.type === "cancel" || event.key === "Escape")) {
      event.preventDefault();
    }
  };
  // What is disabled has no focus: the title keeps it in the dialog.
  dialog.querySelector("h2").focus();
  controls.forEach((control) => (control.disabled = true));
  dialog.addEventListener("cancel", stay);
  document.addEventListener("keydown", stay, true);
  const timer = setTimeout(() => show(waiting, waiting.dataset.words), SOON);
  return () => {
    clearTimeout(timer);
    show(waiting);
    dialog.removeEventListener("cancel", stay);
    document.removeEventListener("keydown", stay, true);
    controls.forEach((control) => (control.disabled = false));
    if (dialog.open) {
      active.focus();
    }
  };
}

export function makeDialogs() {
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
}
