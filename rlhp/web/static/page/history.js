// The last answers of this person: what the learner has not taken can be answered again, what it has can be flagged.

import { $, annotator, clock, made, say } from "./base.js?token={{token}}";
import { reopen } from "./answers.js?token={{token}}";
import { film } from "./films.js?token={{token}}";
import { kindOf, namesOf } from "./panel.js?token={{token}}";
import { listen } from "./progress.js?token={{token}}";
import { acknowledged, mine, read, tell } from "./server.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

const SHOWN = 20;
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches; // then films wait until somebody asks for them
let seen = "", asking = false, answers = [], open = null;

/** Look again where something has changed: an answer more or less, or the learner has taken some. */
export async function look(force = false) {
  const now = `${acknowledged()} ${page.mine.answers} ${page.run?.taken}`;
  if (asking || (now === seen && !force)) return;
  asking = true;
  try {
    answers = await read(`api/history?${mine}`);
    seen = now;
    write();
  } catch { seen = ""; } // a server that has none, or is away: the rest of the page says so
  asking = false;
}

const state = ({ flagged, taken }) => (flagged ? "flagged" : taken ? "used by the learner" : "can be changed");

function write() {
  $("history").hidden = !answers.length;
  $("history").querySelector("ol").replaceChildren(...answers.slice(0, SHOWN).map((answer) => made("li", {}, chip(answer))));
}

function chip(answer) {
  const said = kindOf(answer).words(answer.value);
  const button = made("button", { type: "button", textContent: kindOf(answer).sign(answer.value), title: `${said} ${clock(answer.answered_at)}` });
  button.setAttribute("aria-label", `${said} At ${clock(answer.answered_at)}, ${state(answer)}`);
  button.dataset.state = answer.flagged ? "flagged" : answer.taken ? "taken" : "open";
  button.addEventListener("click", () => review(answer));
  return button;
}

function review(answer) {
  open = answer;
  const names = namesOf(answer), chosen = kindOf(answer).sides(answer.value);
  $("reviewed").replaceChildren(...answer.clips.map((clip, side) => figure(clip, names[side], side, chosen.includes(side))));
  $("verdict").textContent = `You said at ${clock(answer.answered_at)}: ${kindOf(answer).words(answer.value)} ${explained(answer)}`;
  $("again").hidden = answer.taken;
  $("flag").hidden = !answer.taken && !answer.flagged;
  $("flag").textContent = answer.flagged ? "Let it count again" : "Flag it as a mistake";
  if (!$("review").open) $("review").showModal();
}

function explained({ taken, flagged }) {
  if (flagged) return "It is flagged: later fits leave it out.";
  return taken ? "The learner has used it. If it was a mistake, flag it, and later fits leave it out." : "The learner has not used it yet, so you can answer again.";
}

function figure(clip, name, side, chosen) {
  const video = made("video", { muted: true, loop: true, playsInline: true, autoplay: !STILL, controls: STILL });
  video.setAttribute("aria-label", name ? `${name} clip` : "The clip");
  film(clip).then((address) => { video.src = address; }, () => {});
  const frame = made("figure", { className: chosen ? "chosen" : "" }, video, made("figcaption", { textContent: name }));
  frame.dataset.side = side;
  return frame;
}

async function flag() {
  const { query, round, flagged } = open;
  try {
    await tell("flag", { annotator, query, round, flagged: !flagged });
    say(flagged ? "That answer counts again." : "That answer is flagged: later fits leave it out.");
  } catch (error) { say(error.message, true); }
  close();
  look(true);
}

async function again() {
  close();
  await reopen(open);
  look(true);
}

const close = () => $("review").close();

export function start() {
  $("flag").addEventListener("click", flag);
  $("again").addEventListener("click", again);
  $("review").addEventListener("close", () => $("reviewed").replaceChildren());
  listen(() => { if (page.run && !page.away && !page.pending.length) look(); });
}
