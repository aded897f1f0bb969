// Answers are kept in the browser until the server has stored them. Each response of the server brings questions.

import { request, say, sleep, storage, token } from "../base.js";
import { discard, unplayable } from "./films.js";
import { flash, kindOf, known } from "./panel.js";
import { UNPLAYABLE, trouble, write } from "./progress.js";
import { active, arrange, minimum, phase, timeVisible } from "./show.js";
import { annotator, asOfNow, page, same, showing } from "./state.js";

const AHEAD = 3, MOST = 5; // questions fetched in advance: the one shown and two more; maximum number per request
const OUTLINED = 220; // ms for which the chosen clip is outlined before the next question
const DAY = 86400; // seconds
const KEPT = `rlhp ${token.slice(-8)} ${annotator}`; // storage key, one per run and annotator, of the answers that the server does not have yet

const isAnswer = (answer) => [answer?.query, answer?.round, answer?.seen].every(Number.isFinite) && answer.value !== undefined
  && Array.isArray(answer.clips) && answer.clips.length > 0 && answer.clips.every((clip) => typeof clip === "string");

const refused = (error) => error.status >= 400 && error.status < 500;
const accessDenied = (error) => error.status === 401 || error.status === 403; // for every request

let sending = false;

/** Send a request whose response holds questions and the annotator's status. */
const post = (path, content = {}) => request(`api/${path}`, { annotator, count: Math.min(AHEAD + page.skipped, MOST), ...content });

/** Restore the answers that an earlier visit left unsent. */
export function restore() {
  const kept = storage.read(KEPT);
  const answers = Array.isArray(kept) ? kept.map((answer) => ({ ...answer, value: answer?.value ?? answer?.choice })) : [];
  page.pending = answers.filter(isAnswer);
}

const keep = () => { page.stored = storage.write(KEPT, page.pending); };

/** The question of an answer. */
const identity = ({ query, round, clips, kind = "comparison" }) => ({ query, round, clips, kind });

let fetchedAt = 0;
export const sinceFetched = () => performance.now() - fetchedAt; // ms

function accept({ questions, mine }) {
  fetchedAt = performance.now();
  page.mine = mine;
  const playable = questions.filter((question) => known(question) && !question.clips.some((clip) => unplayable.has(clip)));
  page.skipped = questions.length - playable.length;
  page.blocked = page.skipped > 0 && !playable.length;
  const open = playable.filter((question) => !page.pending.some((answer) => same(answer, question)) && !same(question, page.reopened));
  page.queue = page.reopened ? [page.reopened, ...open] : open;
  arrange();
  write();
}

// The question on screen stays there, even if the server again assigns an earlier one whose clip has been re-filmed.
function keepShownFirst(response) {
  const shown = showing() && response.questions.find((question) => same(question, active.question));
  return shown ? { ...response, questions: [shown, ...response.questions.filter((question) => question !== shown)] } : response;
}

export async function fetchQuestions() {
  if (sending || page.pending.length) return send();
  const fresh = asOfNow(), response = await post("next");
  if (fresh()) accept(keepShownFirst(response));
}

/** Answer the question on screen. */
export function choose(value) {
  const question = page.queue[0];
  if (!showing() || !same(active.question, question)) return;
  if (timeVisible() < minimum()) return say("Look a moment longer.");
  page.pending.push({ ...identity(question), value, seen: Math.min(timeVisible() / 1000, DAY) });
  keep();
  page.queue = page.queue.slice(1);
  if (same(page.reopened, question)) page.reopened = null;
  if (!page.away) say(kindOf(question).words(value));
  active.mark(kindOf(question).sides(value));
  flash(value);
  phase("answered");
  page.chosen = sleep(OUTLINED);
  arrange();
  send();
  write();
}

// Answers are sent one at a time, each until the server acknowledges it.
async function send() {
  if (sending) return;
  sending = true;
  let response = null;
  while (page.pending.length) {
    try {
      response = await post("answer", page.pending[0]);
      if (response.outcome === "gone") say("That question is gone: the training went back to an earlier point.", true);
      if (response.outcome === "taken") say("The training has already used your earlier answer to that question, so that answer stands.", true);
    } catch (error) {
      if (!refused(error) || accessDenied(error)) { connectionLost(error); break; }
      say(error.message, true);
    }
    connected();
    page.acknowledged++;
    page.pending.shift();
    keep();
  }
  sending = false;
  if (response && !page.pending.length) accept(keepShownFirst(response));
}

let undoing = Promise.resolve(); // undos run one after the other

/** Undo an answer, by default the newest. */
export function undo(answer = null) {
  undoing = undoing.then(() => undoOne(answer));
  return undoing;
}

async function undoOne(answer) {
  if (!answer && !page.mine.undoable && !page.pending.length) return;
  while (page.pending.length && !page.away) await send().then(() => sleep(20));
  if (page.away && page.pending.length && !sending && !answer) return undoHere();
  if (page.away) return say(`Nothing was undone. ${trouble()}`, true);
  const which = answer ?? page.mine.undoable;
  if (!which) return say("There is nothing to undo: the training has already used your last answer.", true);
  sending = true; // an answer given meanwhile is sent afterwards
  try {
    const response = await post("undo", { query: which.query, round: which.round });
    page.acknowledged++;
    accept(response);
    say(response.undone ? "Undone: here is that question again." : "Too late: the training has just used that answer.", !response.undone);
  } catch (error) { connectionLost(error); }
  sending = false;
  if (page.pending.length && !page.away) send();
}

/** Answer a question again: the newest answer is undone, an earlier one is replaced by the next answer. */
export function reopen(answer) {
  const newest = page.mine.undoable;
  if (newest && newest.query === answer.query && newest.round === answer.round) return undo(newest);
  page.reopened = identity(answer);
  page.queue = [page.reopened, ...page.queue.filter((question) => !same(question, page.reopened))];
  say("Here it is again: your new answer replaces the earlier one.");
  return arrange();
}

function undoHere() { // undoes an answer that the server does not have yet
  page.queue.unshift(identity(page.pending.pop()));
  keep();
  arrange();
  write();
}

/** Report a clip that does not play, so that it is filmed again; other questions come first meanwhile. */
export async function report(clip) {
  const version = discard(clip);
  if (version === null) return; // reported already
  try {
    const fresh = asOfNow(), response = await post("damaged", { clip, version });
    if (!response.refilmed) unplayable.add(clip);
    say(response.refilmed ? "A clip did not play and is being filmed again; other questions come first." : UNPLAYABLE, !response.refilmed);
    if (fresh()) accept(response);
  } catch (error) { connectionLost(error); }
}

export function connectionLost(error) {
  page.away = true;
  page.error = error;
  page.refusal = refused(error) ? error.message : "";
  if (page.run?.state === "finished" && !error.status && !page.pending.length) return write();
  if (page.refusal && document.body.dataset.phase === "loading") phase("idle"); // nothing is loading
  say(trouble(), true);
  write();
}

export function connected() {
  if (page.away) say("");
  page.away = false;
  page.refusal = "";
}
