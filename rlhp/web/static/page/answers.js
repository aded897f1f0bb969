// Answers on their way to the server, and the questions that it deals. What is said is kept here until the server has it.

import { annotator, say, sleep, storage, token } from "./base.js?token={{token}}";
import { discard, unplayable } from "./films.js?token={{token}}";
import { known } from "./panel.js?token={{token}}";
import { write } from "./progress.js?token={{token}}";
import { acknowledge, asOfNow, post, refused, shutOut } from "./server.js?token={{token}}";
import { active, arrange, phase } from "./show.js?token={{token}}";
import { page, same, showing } from "./state.js?token={{token}}";
import { UNPLAYABLE, trouble } from "./words.js?token={{token}}";

const KEPT = `rlhp ${token.slice(-8)} ${annotator}`; // of this run: where answers wait that the server does not have yet

const isAnswer = (said) => [said?.query, said?.round, said?.seen].every(Number.isFinite) && said.value !== undefined
  && Array.isArray(said.clips) && said.clips.length > 0 && said.clips.every((clip) => typeof clip === "string");

let sending = false, stored = true;

/** What waited in the browser since the last visit. */
export function restore() {
  const kept = storage.read(KEPT);
  const answers = Array.isArray(kept) ? kept.map((said) => ({ ...said, value: said?.value ?? said?.choice })) : [];
  page.pending = answers.filter(isAnswer);
}

export const keep = () => { stored = storage.write(KEPT, page.pending); };
export const isStored = () => stored;

let dealtAt = 0;
export const sinceDealt = () => performance.now() - dealtAt; // ms

export function accept({ questions, mine }) {
  dealtAt = performance.now();
  page.mine = mine;
  const playable = questions.filter((question) => known(question) && !question.clips.some((clip) => unplayable.has(clip)));
  page.passedOver = questions.length - playable.length;
  page.blocked = page.passedOver > 0 && !playable.length;
  const open = playable.filter((question) => !page.pending.some((said) => same(said, question)) && !same(question, page.reopened));
  page.queue = page.reopened ? [page.reopened, ...open] : open;
  arrange();
  write();
}

// The question in front of a person stays there, also where an earlier one, filmed anew, is dealt again.
function steady(dealt) {
  const shown = showing() && dealt.questions.find((question) => same(question, active.question));
  return shown ? { ...dealt, questions: [shown, ...dealt.questions.filter((question) => question !== shown)] } : dealt;
}

export async function deal() {
  if (sending || page.pending.length) return send();
  const fresh = asOfNow(), dealt = await post("next");
  if (fresh()) accept(steady(dealt));
}

// Answers go out one after the other, and again until the server says that it has them.
export async function send() {
  if (sending) return;
  sending = true;
  let dealt = null;
  while (page.pending.length) {
    try {
      dealt = await post("answer", page.pending[0]);
      if (dealt.outcome === "gone") say("That question is gone: the training went back to an earlier point.", true);
      if (dealt.outcome === "taken") say("The learner had used your earlier answer to that question: it stands.", true);
    } catch (error) {
      if (!refused(error) || shutOut(error)) { lost(error); break; }
      say(error.message, true);
    }
    found();
    acknowledge();
    page.pending.shift();
    keep();
  }
  sending = false;
  if (dealt && !page.pending.length) accept(steady(dealt));
}

let undoing = Promise.resolve(); // one after the other: each takes back what the one before it left

/** Take back an answer: by default one's newest. */
export function undo(answer = null) {
  undoing = undoing.then(() => undoOne(answer));
  return undoing;
}

async function undoOne(answer) {
  if (!answer && !page.mine.undoable && !page.pending.length) return;
  while (page.pending.length && !page.away) await send().then(() => sleep(20));
  if (page.away && page.pending.length && !sending && !answer) return undoHere();
  if (page.away) return say(`Nothing is undone. ${trouble()}`, true);
  const which = answer ?? page.mine.undoable;
  if (!which) return say("There is nothing to undo: the learner has taken your last answer.", true);
  sending = true; // an answer that is given meanwhile goes out after this
  try {
    const dealt = await post("undo", { query: which.query, round: which.round });
    acknowledge();
    accept(dealt);
    say(dealt.undone ? "Undone: here is that question again." : "Too late: the learner has just taken that answer.", !dealt.undone);
  } catch (error) { lost(error); }
  sending = false;
  if (page.pending.length && !page.away) send();
}

/** Have a question answered again: the newest by taking its answer back, another one by an answer in its place. */
export function reopen({ query, round, clips, kind }) {
  const newest = page.mine.undoable;
  if (newest && newest.query === query && newest.round === round) return undo(newest);
  page.reopened = { query, round, clips, kind };
  page.queue = [page.reopened, ...page.queue.filter((question) => !same(question, page.reopened))];
  say("Here it is again: what you say now takes the place of your earlier answer.");
  return arrange();
}

function undoHere() { // what the server does not have yet
  const { query, round, clips, kind = "comparison" } = page.pending.pop();
  keep();
  page.queue.unshift({ query, round, clips, kind });
  arrange();
  write();
}

/** A clip does not play: have it filmed anew, and go on with other questions meanwhile. */
export async function report(clip) {
  const version = discard(clip);
  if (version === null) return; // reported already
  try {
    const fresh = asOfNow(), dealt = await post("damaged", { clip, version });
    if (!dealt.refilmed) unplayable.add(clip);
    say(dealt.refilmed ? "A clip did not play and is filmed again; other questions come first." : UNPLAYABLE, !dealt.refilmed);
    if (fresh()) accept(dealt);
  } catch (error) { lost(error); }
}

export function lost(error) {
  page.away = true;
  page.error = error;
  page.refusal = refused(error) ? error.message : "";
  if (page.run?.state === "finished" && !error.status && !page.pending.length) return write();
  if (page.refusal && document.body.dataset.phase === "loading") phase("idle"); // nothing is on its way
  say(trouble(), true);
  write();
}

export function found() {
  if (page.away) say("");
  page.away = false;
  page.refusal = "";
}
