// What is asked before something is done: which file, whether really, and the key.

import { post, taskPath } from "./api.js";
import { byId, el, name, show } from "./dom.js";
import { sentence } from "./words.js";

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

/** Show a dialog until it is closed, or what it asks for is done; what goes wrong is said in it. */
export function answered(id, act) {
  const dialog = byId(id);
  const form = dialog.querySelector("form");
  const problem = dialog.querySelector(".problem");
  const yes = form.querySelector("[type=submit]");
  show(problem);
  return new Promise((resolve) => {
    let result = null;
    const submit = async (event) => {
      event.preventDefault();
      yes.disabled = true;
      try {
        result = await act();
        dialog.close();
      } catch (error) {
        show(problem, sentence(error.message));
      }
      yes.disabled = false;
    };
    const closed = () => {
      form.removeEventListener("submit", submit);
      resolve(result);
    };
    form.addEventListener("submit", submit);
    dialog.addEventListener("close", closed, { once: true });
    dialog.showModal();
  });
}

export function makeDialogs() {
  for (const button of document.querySelectorAll("dialog [data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
}
