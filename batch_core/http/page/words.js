// What figures, times and states are called. Ages are by the service's clock: that of this machine may be wrong.

export const STATES = {
  queued: "Queued",
  submitted: "Submitted",
  succeeded: "Succeeded",
  failed: "Failed",
  output_lost: "Output lost",
  cancelled: "Cancelled",
  rejected: "Rejected",
};

/** States that no task leaves. */
export const FINAL = new Set(["succeeded", "failed", "output_lost", "cancelled", "rejected"]);

let skew = 0;
let batchAnswers = true;

/** Note the service's time, as a reply's header has it. */
export function noteTime(header) {
  const theirs = Date.parse(header);
  // A header has whole seconds: less than two apart is the same time.
  skew = Number.isNaN(theirs) || Math.abs(theirs - Date.now()) < 2000 ? 0 : theirs - Date.now();
}

/** Note whether Batch answered the app when it was last asked. */
export function noteBatch(answers) {
  batchAnswers = answers;
}

/** Return a moment as the app's own sentences have it: in UTC, with its day unless that is today. */
export function clock(moment) {
  const [day, time] = new Date(moment).toISOString().slice(0, 19).split("T");
  return `${day === today() ? "" : `${day} `}${time} UTC`;
}

/** Return the day that it is, in UTC. */
export const today = () => new Date(now()).toISOString().slice(0, 10);

/** Return a moment of this machine's clock by the service's. */
export const theirTime = (moment) => moment + skew;

export const now = () => Date.now() + skew;

export const number = (value) => value.toLocaleString("en");

export function duration(seconds) {
  if (seconds > 0 && seconds < 0.05) {
    return "<\u00a00.1\u00a0s";
  }
  if (seconds < 10 && seconds % 1) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.floor(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** Return how long ago a moment was, in whole seconds and more. */
export const age = (moment) => duration(Math.max(0, Math.floor((now() - Date.parse(moment)) / 1000)));

/** Return how long something took, or null where it has not begun or not ended. What ran took some time. */
export function took(begin, end) {
  return begin && end ? duration(Math.max(1, Date.parse(end) - Date.parse(begin)) / 1000) : null;
}

export function bytes(size) {
  if (size < 1000) {
    return size === 1 ? "1 byte" : `${size} bytes`;
  }
  const power = Math.min(4, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${["", "kB", "MB", "GB", "TB"][power]}`;
}

export const times = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** Return the state of a task as people say it: one that Batch has may run, or wait. */
export function phase(task) {
  if (task.state !== "submitted") {
    return STATES[task.state] ?? task.state;
  }
  if (task.cancel_requested_at) {
    return "Stopping";
  }
  const phases = { active: "Waiting", running: "Running", preparing: "Starting", completed: "Ending" };
  // A list has no word of Batch on a task that has ended there.
  return phases[task.live?.state ?? (batchAnswers ? "completed" : "")] ?? STATES.submitted;
}

/** Return the class that colours a state. */
export function tone(task) {
  return task.state === "submitted" && phase(task) === "Waiting" ? "waiting" : task.state;
}

/** Return why a task is where it is. What the state beside it says already is left out of the app's sentences. */
export function why(task) {
  const rest = because(task).replace(/^it (is )?/, "");
  return rest.replace(phase(task) === "Waiting" ? /^waits (?=for )/ : new RegExp(`^${phase(task)} (?=on )`, "i"), "");
}

/** Return why a task is where it is with the whole id of its node, for where there is room. */
export function whyAtLength(task) {
  return task.state === "submitted" && task.live?.state === "running" ? `on node ${task.live.node_id}` : why(task);
}

function because(task) {
  switch (task.state) {
    case "queued":
      return task.reason ?? "waits to be handed to Batch";
    case "submitted":
      return submitted(task);
    case "succeeded":
      return succeeded(task);
    case "failed":
      return failed(task);
    default:
      return task.reason ?? "";
  }
}

function submitted(task) {
  const { live, reason } = task;
  if (live?.state === "running") {
    return `on node ${shortNode(live.node_id)}`;
  }
  if (live?.state === "preparing") {
    return live.reason;
  }
  const unknown = batchAnswers ? "its output is about to be collected" : "Batch does not answer";
  return reason ?? live?.reason ?? unknown;
}

function succeeded(task) {
  const printed =
    task.stdout_size === null ? null : task.stdout_size ? `printed ${bytes(task.stdout_size)}` : "printed nothing";
  return [printed, task.files ? "made files" : null].filter(Boolean).join(", ");
}

function failed(task) {
  const code = task.exit_code === null ? null : `exit code ${task.exit_code}`;
  const reason = task.reason ?? task.failure_message ?? (code ? null : task.failure_code);
  return code && reason && !reason.includes(code) ? `${code}: ${reason}` : (reason ?? code ?? "");
}

/** Return the part of a node's id that no other has. */
export function shortNode(id) {
  return !id ? "?" : id.length <= 14 ? id : `${id.slice(0, 10)}…`;
}

/** Return words of the app as a sentence of their own. */
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
