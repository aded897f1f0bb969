// The state of the page, shared by all modules.

import { link } from "../base.js";

export const annotator = link.get("annotator") || "me";
export const mine = `annotator=${encodeURIComponent(annotator)}`;

export const page = {
  queue: [], // questions to show; the first is on screen
  reopened: null, // an answered question to be answered again; it comes first
  pending: [], // answers that the server has not acknowledged, oldest first
  stored: true, // they are kept in the browser's storage
  mine: { answers: 0, per_hour: 0, undoable: null },
  run: null, // last response of /api/state
  away: false, // the last request failed
  refusal: "", // why the server rejected the last request, if it did
  blocked: false, // every assigned question has a clip that does not play here
  skipped: 0, // assigned questions with such a clip
  chosen: Promise.resolve(), // resolves when the outline of the last choice has been shown long enough
  acknowledged: 0, // number of answers and undos that the server has acknowledged
};

/** Return a function that tells whether nothing has been acknowledged since; otherwise a response requested before is out of date. */
export function asOfNow() {
  const before = page.acknowledged;
  return () => page.acknowledged === before;
}

export const same = (a, b) => a && b && a.query === b.query && a.round === b.round && a.clips.join() === b.clips.join();
export const showing = () => document.body.dataset.phase === "showing";
