// Whether what is shown is up to date: if not, since when, why, and when it is tried again.

import { byId, write } from "./dom.js";
import { clock, sentence, theirTime } from "./words.js";

/** A reply that is older than this, though nothing has failed, is said to be: the machine may have slept. */
const OLD = 20_000;

export function showFreshness(pollers) {
  const failing = pollers.filter((poller) => poller.failure);
  const last = Math.min(...(failing.length ? failing : pollers).map((poller) => poller.succeededAt ?? 0));
  showMark(failing.length > 0, last);
  byId("trouble").hidden = !failing.length;
  if (failing.length) {
    showTrouble(failing, last);
  }
}

function showMark(isFailing, last) {
  const isFresh = !isFailing && Date.now() - last < OLD;
  byId("freshness").className = isFailing ? "stale" : isFresh ? "fresh" : "";
  const otherwise = last ? `As of ${clock(theirTime(last))}` : "Loading…";
  write(byId("freshness-words"), isFailing ? "Not up to date" : isFresh ? "Up to date" : otherwise);
}

function showTrouble(failing, last) {
  const { failure } = failing[0];
  const needsKey = failure.status === 401;
  const seconds = Math.ceil((Math.min(...failing.map((poller) => poller.nextAt)) - Date.now()) / 1000);
  write(
    byId("trouble-words"),
    `${last ? `Not up to date since ${clock(theirTime(last))}` : "Nothing to show yet"}: ${sentence(failure.message)}`,
  );
  write(byId("trouble-next"), needsKey || seconds < 1 ? "" : `Next try in ${seconds} s.`);
  write(byId("again"), needsKey ? "Enter a key" : "Try now");
}
