// Fetches each clip once and keeps it as long as it may be shown.

import { ask } from "../base.js";

const KEPT = 24; // clips
const films = new Map(); // clip id -> promise of an object URL
const versions = new Map(); // clip id -> its ETag
export const unplayable = new Set(); // clips that were filmed again and still do not play here

export function film(clip) {
  if (!films.has(clip)) {
    films.set(clip, fetched(`api/clips/${clip}`, clip));
    films.get(clip).catch(() => films.delete(clip));
  }
  return films.get(clip);
}

async function fetched(path, clip) {
  const answer = await ask(path);
  versions.set(clip, answer.headers.get("etag") ?? "");
  return URL.createObjectURL(await answer.blob());
}

/** Discard a clip that does not play. Returns its version, or null if it was discarded before. */
export function discard(clip) {
  if (!films.has(clip)) return null;
  films.get(clip).then(URL.revokeObjectURL);
  films.delete(clip);
  return versions.get(clip);
}

export function forget(wanted) {
  for (const [clip, address] of films) {
    if (films.size <= KEPT) return;
    if (!wanted.has(clip)) { films.delete(clip); address.then(URL.revokeObjectURL, () => {}); }
  }
}
