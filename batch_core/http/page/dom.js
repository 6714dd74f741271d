// Elements are made of text: nothing that is data is ever parsed as HTML.

import { age, clock } from "./words.js";

/** Make an element; `attributes.on` holds its listeners, a child that is null or false is left out. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make an element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** Return a name that somebody chose: whatever direction it is written in, the text around it keeps its own. */
export function name(text) {
  return el("bdi", { class: "name" }, text);
}

/** Return how long ago a moment was, as text that `refreshAges` keeps current. */
export function since(moment) {
  return el("time", { datetime: moment, "data-since": moment, title: clock(moment) }, age(moment));
}

export function refreshAges(element = document) {
  for (const one of element.querySelectorAll("time[data-since]")) {
    write(one, age(one.dataset.since));
  }
}

/**
 * Replace an element's children only if that changes something: what is focused or selected in it stays so.
 *
 * What has a `data-key` keeps the focus when it is made again.
 */
export function show(element, ...children) {
  refreshAges(element);
  const made = [...el("div", {}, ...children).childNodes];
  if (made.length !== element.childNodes.length || made.some((node, at) => !node.isEqualNode(element.childNodes[at]))) {
    const active = document.activeElement;
    const hadFocus = element !== active && element.contains(active);
    element.replaceChildren(...made);
    if (hadFocus) {
      refocus(active);
    }
  }
}

/** Put the focus on an element or, where it is gone, on the one that has its `data-key` now, or one of these keys. */
export function refocus(element, ...keys) {
  const all = element.isConnected ? [element] : [];
  for (const key of [element.dataset.key, ...keys].filter(Boolean)) {
    all.push(...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`));
  }
  const found = all.find((one) => !one.closest("[hidden]"));
  found?.focus({ preventScroll: true });
  return Boolean(found);
}

export const byId = (id) => document.getElementById(id);

/** Set an element's text only if that changes it: what is live is not read out again. */
export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Have a screen reader say something, once it is done with what it is saying. */
export function announce(text) {
  byId("announcements").textContent = text;
}

export async function copy(text, button) {
  const before = button.textContent;
  // A browser lets a page copy only over https, or from this machine.
  const words = await (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
    () => "Copied",
    () => "Select it to copy",
  );
  button.textContent = words;
  setTimeout(() => (button.textContent = before), 1500);
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? "" : value);
    }
  }
  for (const [event, listener] of Object.entries(on)) {
    element.addEventListener(event, listener);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}
