// What a task's command prints and makes: read in parts, followed while it runs. All that the page knows of these routes
// of the API is here.

import { errorOf, send, taskPath } from "./api.js";
import { el, show } from "./dom.js";
import { bytes, FINAL, number, sentence } from "./words.js";

/** What is read of an output that is long already, and what is kept of it on the page. */
const TAIL = 64 * 1024;
const MOST_SHOWN = 512 * 1024;
const PAUSE = 2_000;
const HIDDEN_PAUSE = 30_000;
/** A part of a file as the API gives it. */
const PART = 4 * 1024 * 1024;
// Colours and cursor movements of a terminal, by ECMA-48.
const CONTROL = /\x1b\[[0-?]*[ -/]*[@-~]/g;

const NO_ROUTE =
  "This app does not give what a command prints. It is in the output container, under the names in the record.";

/** Follows one output into an element, until it is whole or `stop` is called. */
export class OutputView {
  #task;
  #stream;
  #parts;
  #stopping = new AbortController();
  #read = 0;
  #decoder = new TextDecoder();
  #isFinal = false;
  /** What is shown does not begin where the output does. */
  #isCut = false;
  /** There was nothing to read, and it does not ask again: another state of the task may have something. */
  hasGivenUp = false;

  constructor(task, stream, element) {
    this.#task = task;
    this.#stream = stream;
    this.#parts = this.#made(element);
    this.#follow();
  }

  stop() {
    this.#stopping.abort();
  }

  #made(element) {
    const label = this.#stream === "stdout" ? "Standard output" : "Standard error";
    const text = el("pre", { tabindex: "0", role: "region", "aria-label": label, class: "output" });
    const box = el("input", { type: "checkbox", checked: true });
    const status = el("span", { class: "dim", role: "status" }, "Reading…");
    const save = el("button", { type: "button", class: "small" }, "Download");
    save.addEventListener("click", () =>
      download(taskPath(this.#task.task_id, `/${this.#stream}`), `${this.#stream}.txt`, status),
    );
    // Who scrolls up reads: nothing moves below them.
    text.addEventListener("scroll", () => (box.checked = text.scrollHeight - text.scrollTop - text.clientHeight < 24));
    box.addEventListener("change", () => box.checked && (text.scrollTop = text.scrollHeight));
    const follow = el("label", {}, box, " Follow");
    element.replaceChildren(el("div", { class: "output-bar" }, follow, status, save), text);
    [text, save, follow].forEach((part) => (part.hidden = true));
    return { text, box, status, save, follow };
  }

  async #follow() {
    const { signal } = this.#stopping;
    if (FINAL.has(this.#task.state) && !this.#task[this.#stream] && !this.#task.stderr_end) {
      this.#parts.status.textContent = this.#task.stdout ? "Nothing was printed." : "It has none.";
      return;
    }
    while (!signal.aborted) {
      const pause = await this.#next(signal).catch((error) => this.#failed(error));
      if (pause === null) {
        return;
      }
      await delay(document.hidden && pause ? HIDDEN_PAUSE : pause, signal);
    }
  }

  /** Read what has come; returns in how many milliseconds to ask again, or null where all has been read. */
  async #next(signal) {
    const path = taskPath(this.#task.task_id, `/${this.#stream}`);
    const isFirst = this.#read === 0;
    const response = await send(isFirst ? `${path}?tail=${TAIL}` : path, {
      signal,
      headers: isFirst ? {} : { Range: `bytes=${this.#read}-` },
    });
    this.#isFinal = FINAL.has(response.headers.get("x-task-state"));
    if (response.status === 416) {
      this.#begin();
      return PAUSE;
    }
    if (!response.ok) {
      return this.#refused(response);
    }
    const size = Number(response.headers.get("x-output-size") ?? 0);
    const content = response.status === 204 ? new Uint8Array() : new Uint8Array(await response.arrayBuffer());
    this.#append(content, startOf(response, isFirst ? 0 : this.#read));
    this.#showStatus(size);
    return this.#read < size && content.length ? 0 : this.#isFinal ? null : PAUSE;
  }

  #append(content, start) {
    const { text, box, save } = this.#parts;
    const isCut = start > 0 && this.#read === 0;
    this.#read = start + content.length;
    let added = this.#decoder.decode(isCut ? content.subarray(firstLetter(content)) : content, { stream: true });
    added = added.replace(CONTROL, "");
    this.#isCut ||= isCut;
    if (added || isCut) {
      const all = text.textContent + added;
      this.#isCut ||= all.length > MOST_SHOWN;
      text.textContent = all.length > MOST_SHOWN ? all.slice(-MOST_SHOWN) : all;
    }
    text.hidden = !text.textContent;
    save.hidden = !this.#read;
    if (added && box.checked) {
      text.scrollTop = text.scrollHeight;
    }
  }

  #showStatus(size) {
    this.#parts.follow.hidden = this.#isFinal;
    const part = this.#isCut ? `the last ${bytes(new Blob([this.#parts.text.textContent]).size)} of ` : "";
    const amount = size ? `${part}${bytes(size)}` : this.#isFinal ? "Nothing was printed." : "Nothing printed yet.";
    this.#parts.status.textContent = this.#isFinal || !size ? amount : `${amount}, following`;
  }

  #begin() {
    this.#read = 0;
    this.#isCut = false;
    this.#decoder = new TextDecoder();
    this.#parts.text.textContent = "";
    this.#parts.status.textContent = "It began again.";
  }

  /** Say why there is nothing; 409 is a task that has not begun, and is asked for again. */
  async #refused(response) {
    const error = await errorOf(response);
    this.#sayWhy(response.status === 404 && !error.hasReason ? NO_ROUTE : sentence(error.message));
    this.hasGivenUp = response.status !== 409 && response.status < 500;
    return this.hasGivenUp ? null : Math.max(error.retryAfter, PAUSE);
  }

  #failed(error) {
    if (!this.#stopping.signal.aborted) {
      this.#sayWhy(`Not up to date: ${sentence(error.message)}`);
    }
    return error.status === 401 ? null : PAUSE * 3;
  }

  /** What the record itself has is better than nothing. */
  #sayWhy(text) {
    const { status, text: shown } = this.#parts;
    status.textContent = text;
    if (this.#stream === "stderr" && this.#task.stderr_end && !this.#read) {
      shown.textContent = this.#task.stderr_end;
      shown.hidden = false;
    }
  }
}

/** Lists a task's files into an element, with a button to save each. */
export async function showFiles(task, element, signal, continuation = "") {
  const query = continuation ? `?${new URLSearchParams({ continuation })}` : "";
  const response = await send(taskPath(task.task_id, `/files${query}`), { signal });
  if (!response.ok) {
    const error = await errorOf(response);
    show(
      element,
      el(
        "p",
        { class: "dim" },
        response.status === 404 && !error.hasReason
          ? "This app does not list files: they are in the output container."
          : error.message,
      ),
    );
    return;
  }
  const found = await response.json();
  const list = continuation ? element.querySelector("ul") : el("ul", { class: "files" });
  list.append(...found.files.map((file) => fileRow(task, file)));
  if (!continuation) {
    element.replaceChildren(found.files.length ? list : el("p", { class: "dim" }, emptyWords(found)));
  }
  element.querySelector(".more")?.remove();
  if (found.continuation) {
    const more = el("button", { type: "button", class: "more" }, "More files");
    more.addEventListener("click", () => showFiles(task, element, signal, found.continuation));
    element.append(more);
  } else if (found.has_more) {
    element.append(el("p", { class: "dim more" }, `There are more than these ${number(found.files.length)}.`));
  }
}

function emptyWords(found) {
  return FINAL.has(found.state)
    ? "No files were kept: a route's outputs says which are."
    : "No files yet. While the task runs these are those of its working directory.";
}

function fileRow(task, file) {
  const path = taskPath(task.task_id, `/files/${file.name.split("/").map(encodeURIComponent).join("/")}`);
  const status = el("span", { class: "dim right" }, bytes(file.size));
  const save = el("button", { type: "button", class: "link" }, el("bdi", { class: "name" }, file.name));
  save.addEventListener("click", () => download(path, file.name.split("/").at(-1), status));
  return el("li", {}, save, status);
}

/** Save a file: part after part, since the key that the API wants cannot be in a link. */
async function download(path, saveAs, status) {
  try {
    const parts = [];
    let [read, size] = [0, 1];
    while (read < size) {
      const response = await send(path, { headers: { Range: `bytes=${read}-${read + PART - 1}` } });
      if (!response.ok) {
        throw await errorOf(response);
      }
      const part = await response.blob();
      parts.push(part);
      read += part.size;
      size = part.size ? Number(response.headers.get("x-output-size") ?? 0) : 0;
      status.textContent = `${bytes(read)} of ${bytes(size)}`;
    }
    status.textContent = bytes(read);
    offer(new Blob(parts, { type: "application/octet-stream" }), saveAs);
  } catch (error) {
    status.textContent = `It cannot be saved: ${sentence(error.message)}`;
  }
}

function offer(blob, saveAs) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: saveAs }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function startOf(response, otherwise) {
  const found = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  return found ? Number(found[1]) : otherwise;
}

/** Return where the first whole letter of a text that was cut begins, in UTF-8. */
function firstLetter(content) {
  const at = content.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return at < 0 ? 0 : at;
}

function delay(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
